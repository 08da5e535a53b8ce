/** What is wrong with the disks of a machine and with the folders on them. Pure. */

import { type DiskFacts, type Ground, groundProblem } from './block-devices.ts';
import type { CareFolder } from './box-care.ts';
import type { Finding } from './findings.ts';
import { type SmartReading, smartFindings } from './smart.ts';

/** eMMC tells its life in tenths: from here on, and beyond its life. */
const wornPercent = 90;
const wornOutPercent = 110;

export function volumeFindings({ folder, problem }: CareFolder, ground: Ground): Finding[] {
  const about = `volume ${folder}`;
  const { device, mount, errors = 0 } = ground;
  const gone = groundProblem(folder, ground);
  // The rest follows from it.
  if (gone !== undefined) return [{ verdict: 'FAIL', about, ...gone }];
  const found: Finding[] = [];
  const check = `Stop the server, unmount it, and run: e2fsck -f /dev/${device ?? 'DEVICE'}.`;
  if (mount?.readOnly === true) {
    const next = errors > 0 ? check : 'Mount it so that it can be written to; see `dmesg` for why it is not.';
    found.push({ verdict: 'FAIL', about, text: 'it is mounted read-only', next });
  }
  if (errors > 0) {
    const text = `its file system has counted ${errors} ${errors === 1 ? 'error' : 'errors'}`;
    found.push({ verdict: 'WARN', about, text, next: `${check} If it happens again, replace the disk.` });
  }
  if (problem !== undefined && mount?.readOnly !== true) {
    const next = 'Free space, or look at the disk, its cable and its mount.';
    found.push({ verdict: 'FAIL', about, text: problem, next });
  }
  return found;
}

/** `asked`: what the disk itself says now, and its cable errors when it was first asked. */
export function diskFindings(
  disk: DiskFacts,
  asked?: { readonly reading: SmartReading | undefined; readonly cableErrors: number | undefined },
): Finding[] {
  const about = `disk ${disk.name}`;
  const found = asked?.reading === undefined ? [] : smartFindings(about, asked.reading, disk.rotating);
  const more = (asked?.reading?.cableErrors ?? 0) - (asked?.cableErrors ?? 0);
  if (more > 0) {
    const next = 'Put the cable in again, or another one; then look at the power supply.';
    found.push({
      verdict: 'WARN',
      about,
      text: `${more} errors on the way to the disk since the start`,
      next,
    });
  }
  return [...found, ...cellFindings(about, disk)];
}

/** Of eMMC; an SD card does not tell. */
function cellFindings(about: string, { wearPercent = 0, preEol = 0 }: DiskFacts): Finding[] {
  const next =
    'Move the data folder and the recordings to a disk, and replace the module when there is time.';
  if (wearPercent >= wornOutPercent || preEol >= 3)
    return [{ verdict: 'FAIL', about, text: 'its memory cells are worn out', next }];
  if (wearPercent >= wornPercent || preEol === 2)
    return [{ verdict: 'WARN', about, text: `about ${wearPercent} % of its life is used`, next }];
  return [];
}
