/**
 * Which disk is meant, and whether it may be overwritten.
 *
 * A system disk is known by what is mounted from it, or from what lies on it (LVM, LUKS, RAID), and not by its removable
 * flag: USB disks carry systems, and card readers say that they are fixed. `judge` is a pure function of what lsblk says.
 */
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { runTool } from '../image/run-tool.ts';
import { Refusal } from './refusal.ts';

const columns = 'PATH,TYPE,SIZE,MODEL,SERIAL,TRAN,RO,LOG-SEC,MOUNTPOINTS,LABEL,FSTYPE';

export interface BlockDevice {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly serial: string | null;
  readonly tran: string | null;
  readonly ro: boolean;
  readonly 'log-sec': number;
  readonly mountpoints: readonly (string | null)[];
  readonly label: string | null;
  readonly fstype: string | null;
  readonly children?: readonly BlockDevice[] | undefined;
}

const text = z.string().nullable().default(null);
const device: z.ZodType<BlockDevice> = z.object({
  path: z.string(),
  type: z.string(),
  size: z.int(),
  model: text,
  serial: text,
  tran: text,
  ro: z.boolean(),
  'log-sec': z.int(),
  mountpoints: z.array(z.string().nullable()),
  label: text,
  fstype: text,
  get children() {
    return z.array(device).optional();
  },
});
const report = z.object({ blockdevices: z.array(device).min(1) });

/** What of a running system must not be overwritten; everything else that is mounted can be unmounted by its owner. */
const systemFolders =
  /^(\/|\[SWAP\]|\/(boot|usr|var|etc|home|opt|root|srv|nix|lib|bin|sbin|sysroot)(\/.*)?)$/;

/** What lsblk says of a disk and everything on it. Throws the Refusal not-a-disk. */
export async function inspectDevice(path: string): Promise<BlockDevice> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw new Refusal(
      'not-a-disk',
      `there is no ${path}`,
      'Run `lsblk` before and after you put the card in: the new one is it.',
      cause,
    );
  });
  if (!facts.isBlockDevice()) {
    const advice = 'Give the device of a disk or card, such as /dev/sdb or /dev/mmcblk0; `lsblk` lists them.';
    throw new Refusal('not-a-disk', `${path} is not a disk`, advice);
  }
  return parseReport(await runTool('lsblk', ['--json', '--bytes', '--output', columns, path]));
}

/** Reads what `lsblk --json --bytes` printed about one device. */
export function parseReport(json: string): BlockDevice {
  const [found] = report.parse(JSON.parse(json)).blockdevices;
  if (found === undefined) throw new Error('lsblk printed no device');
  return found;
}

/** Throws the Refusal that fits when the device must not or cannot be flashed with an image that needs `bytesMin`. */
export function judge(found: BlockDevice, bytesMin: number): void {
  const { path } = found;
  const mounted = mountPoints(found);
  const system = mounted.find((place) => systemFolders.test(place));
  if (system !== undefined) {
    const advice = 'This machine runs from it. Look again with `lsblk` which device is the card.';
    throw new Refusal('system-disk', `${path} is a disk of this system: it holds ${system}`, advice);
  }
  const [place] = mounted;
  if (place !== undefined) throw mountedRefusal(path, place);
  if (found.type !== 'disk' && found.type !== 'loop') {
    const what = found.type === 'part' ? 'a partition' : `a device of type ${found.type}`;
    throw new Refusal(
      'not-a-disk',
      `${path} is ${what}, not a whole disk`,
      'Give the disk that it is on, such as /dev/sdb.',
    );
  }
  if (found.size === 0)
    throw new Refusal('not-a-disk', `${path} holds no card`, 'Put the card into the reader.');
  if (found['log-sec'] !== 512) {
    const advice =
      "Use a disk with sectors of 512 bytes; some disks can be switched with their maker's tool.";
    throw new Refusal(
      'not-a-disk',
      `${path} has sectors of ${found['log-sec']} bytes, which the image is not made for`,
      advice,
    );
  }
  if (found.ro) {
    throw new Refusal(
      'read-only',
      `${path} is write-protected`,
      'Move the little switch at the side of the card, or of its adapter.',
    );
  }
  if (found.size < bytesMin) {
    const advice = `Use one of ${formatSize(bytesMin)} or more.`;
    throw new Refusal(
      'too-small',
      `${path} has ${formatSize(found.size)}, and the image needs ${formatSize(bytesMin)}`,
      advice,
    );
  }
}

/** Throws the Refusal not-confirmed when the disk at this path is no longer the one that was confirmed. */
export function confirmSame(confirmed: BlockDevice, now: BlockDevice): void {
  const facts = ['size', 'model', 'serial', 'tran'] as const;
  if (facts.every((fact) => confirmed[fact] === now[fact])) return;
  throw new Refusal(
    'not-confirmed',
    `another disk is ${now.path} now: it was left as it is`,
    'Disks were plugged in or out meanwhile: look with `lsblk`, and begin again.',
  );
}

export function mountedRefusal(path: string, place?: string): Refusal {
  const where = place === undefined ? '' : ` at ${place}`;
  return new Refusal(
    'mounted',
    `${path} is in use: something on it is mounted${where}`,
    `Unmount it first: umount ${place ?? `${path}*`}`,
  );
}

/** Where anything on the device is mounted. */
function mountPoints(found: BlockDevice): string[] {
  const own = found.mountpoints.filter((place) => place !== null);
  return [...own, ...(found.children ?? []).flatMap(mountPoints)];
}

/** What a person must see before everything on it is lost, one line each. */
export function describeDevice(found: BlockDevice): string[] {
  const name = [found.tran, found.model, found.serial === null ? null : `serial ${found.serial}`];
  const parts = (found.children ?? []).map(
    ({ path, size, label, fstype }) =>
      `  ${path}  ${formatSize(size)}  ${[fstype, label].filter((word) => word !== null).join(' ')}`,
  );
  return [
    `${found.path}  ${formatSize(found.size)}  ${name.filter((word) => word !== null).join(', ')}`,
    ...parts,
  ];
}

/** Decimal, as cards are sold. */
function formatSize(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
