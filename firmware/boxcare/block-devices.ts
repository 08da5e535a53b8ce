/**
 * Which block devices are behind folders, and what the kernel knows of them: `/proc/self/mountinfo`, `/sys/class/block`,
 * `/sys/fs/ext4`, `/run/udev/data`. Only reads.
 *
 * A disk that was pulled stays mounted, and what was cached of it can still be read. What is gone at once is its device
 * below `/sys`, so that is what decides.
 */
import { Failure } from '../base/failure.ts';
import type { DisksAnswer } from '../viewing/api.ts';
import { type BoxFiles, readCount } from './box-files.ts';
import { type Mount, mountOf, parseMountTable } from './mount-table.ts';

/** A disk's sectors are told in this unit, whatever theirs are. */
const sectorBytes = 512;
/** Where disks are mounted by their label: `/volumes/LABEL`. */
const volumesFolder = '/volumes/';
/** A stack of device mapper, RAID and partitions is not deeper. */
const depthMax = 8;

/** What is behind a folder. */
export interface Ground {
  readonly mount: Mount | undefined;
  /** the block device; undefined for a file system without one */
  readonly device: string | undefined;
  readonly present: boolean;
  /** the disks it is on */
  readonly disks: readonly string[];
  readonly label: string | undefined;
  /** that ext4 has counted since it was last checked */
  readonly errors: number | undefined;
}

export async function readMounts(files: BoxFiles): Promise<Mount[]> {
  return parseMountTable((await files.read('/proc/self/mountinfo')) ?? '');
}

/** Looks at what a folder lies on. */
export async function groundOf(files: BoxFiles, mounts: readonly Mount[], folder: string): Promise<Ground> {
  const mount = mountOf(mounts, (await files.real(folder)) ?? folder);
  const device = mount === undefined ? undefined : await deviceOf(files, mount);
  const none = { mount, device: device?.name, disks: [], label: undefined, errors: undefined };
  if (mount === undefined || device === undefined) return { ...none, present: true };
  const path = await files.real(`/sys/class/block/${device.name}`);
  if (device.gone || path === undefined) return { ...none, present: false };
  const number = (await files.read(`${path}/dev`)) ?? '';
  return {
    mount,
    device: device.name,
    present: true,
    disks: await disksOf(files, path, depthMax),
    label: (await udevOf(files, number)).get('ID_FS_LABEL'),
    errors: await readCount(files, `/sys/fs/ext4/${device.name}/errors_count`),
  };
}

async function deviceOf(files: BoxFiles, mount: Mount): Promise<{ name: string; gone: boolean } | undefined> {
  const named = mount.source.startsWith('/dev/')
    ? ((await files.real(mount.source)) ?? mount.source)
    : undefined;
  if (!mount.device.startsWith('0:')) {
    const path = await files.real(`/sys/dev/block/${mount.device}`);
    if (path !== undefined) return { name: lastPart(path), gone: false };
    // Without /sys nobody can tell.
    if ((await files.list('/sys/dev/block')).length === 0) return undefined;
    return { name: lastPart(named ?? mount.device), gone: true };
  }
  // btrfs and others of several devices: the first is named.
  return named === undefined ? undefined : { name: lastPart(named), gone: false };
}

/** The whole disks that a device (a path below /sys) is made of. */
async function disksOf(files: BoxFiles, path: string, depth: number): Promise<string[]> {
  const slaves = await files.list(`${path}/slaves`);
  if (slaves.length > 0 && depth > 0) {
    const below = await Promise.all(
      slaves.map(async (slave) => {
        const real = await files.real(`/sys/class/block/${slave}`);
        return real === undefined ? [] : disksOf(files, real, depth - 1);
      }),
    );
    return [...new Set(below.flat())];
  }
  const isPartition = (await files.read(`${path}/partition`)) !== undefined;
  return [lastPart(isPartition ? path.slice(0, path.lastIndexOf('/')) : path)];
}

/** What udev found out about a device, by name. */
async function udevOf(files: BoxFiles, number: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (!/^\d+:\d+$/.test(number)) return found;
  const text = (await files.read(`/run/udev/data/b${number}`)) ?? '';
  for (const line of text.split('\n', 512)) {
    const [, key, value] = /^E:([A-Z_0-9]{1,64})=(.{0,256})$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) found.set(key, value);
  }
  return found;
}

/**
 * Rejects with the Failure FILE_MISSING when the disk behind a folder is gone, or when the folder is that of a label
 * (`/volumes/LABEL`) and the disk of that label is not mounted there.
 */
export async function checkGround(files: BoxFiles, folder: string): Promise<void> {
  const ground = await groundOf(files, await readMounts(files), folder);
  const problem = groundProblem(folder, ground);
  if (problem === undefined) return;
  throw new Failure('FILE_MISSING', `${folder}: ${problem.text}`, { advice: problem.next });
}

/** Why nothing must be recorded to a folder. */
export function groundProblem(
  folder: string,
  { mount, device, present, label }: Ground,
): { readonly text: string; readonly next: string } | undefined {
  if (!present) {
    const text = `its disk (${device ?? 'unknown'}) is gone, though it is still mounted`;
    return { text, next: 'Look at its cable and power, plug it in again; then mount it anew.' };
  }
  const wanted = labelOf(folder);
  if (wanted === undefined) return undefined;
  const next = `Connect the disk whose label is ${wanted} (e2label DEVICE ${wanted} gives a disk this label).`;
  if (mount?.folder !== volumesFolder + wanted) return { text: `no disk is mounted there`, next };
  // Without udev the label is not known; whoever mounted it went by it.
  if (label !== undefined && label !== wanted)
    return { text: `a disk of label ${label} is mounted there`, next };
  return undefined;
}

function labelOf(folder: string): string | undefined {
  return folder.startsWith(volumesFolder) ? folder.slice(volumesFolder.length).split('/')[0] : undefined;
}

type Disk = DisksAnswer['disks'][number];
export type DiskFacts = Pick<Disk, 'name' | 'model' | 'serial' | 'bus' | 'bytes' | 'rotating'> & {
  /** eMMC and SD: used up, %, by the two kinds of cells; undefined where it does not tell */
  readonly wearPercent: number | undefined;
  /** eMMC: of the blocks kept back: 1 normal, 2 four fifths are used, 3 nearly all */
  readonly preEol: number | undefined;
};

/** What the kernel knows of a whole disk. */
export async function readDisk(files: BoxFiles, name: string): Promise<DiskFacts | undefined> {
  const path = await files.real(`/sys/class/block/${name}`);
  if (path === undefined) return undefined;
  const number = (await files.read(`${path}/dev`)) ?? '';
  const udev = await udevOf(files, number);
  const of = async (file: string): Promise<string | null> =>
    (await files.read(`${path}/device/${file}`)) || null;
  return {
    name,
    model: (await of('model')) ?? (await of('name')) ?? udev.get('ID_MODEL') ?? null,
    serial: (await of('serial')) ?? udev.get('ID_SERIAL_SHORT') ?? null,
    bus: busOf(name, path, udev.get('ID_BUS')),
    bytes: ((await readCount(files, `${path}/size`)) ?? 0) * sectorBytes,
    rotating: (await readCount(files, `${path}/queue/rotational`)) === 1 && busOf(name, path) !== 'virtual',
    wearPercent: lifeTimePercent((await of('life_time')) ?? ''),
    preEol: hex((await of('pre_eol_info')) ?? ''),
  };
}

/** `0x01 0x02`: tenths of the life that are used up, begun ones counted, of both kinds of cells (JEDEC JESD84-B51). */
export function lifeTimePercent(text: string): number | undefined {
  const tenths = text.split(/\s+/, 2).map(hex);
  const known = tenths.filter((one) => one !== undefined && one >= 1 && one <= 11) as number[];
  return known.length === 0 ? undefined : Math.max(...known) * 10;
}

function hex(text: string): number | undefined {
  return /^0x[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}

function busOf(name: string, path: string, bus?: string): Disk['bus'] {
  if (name.startsWith('nvme')) return 'nvme';
  if (name.startsWith('mmcblk')) return 'mmc';
  if (/^(vd|xvd|loop|ram|zram|dm-|md)/.test(name)) return 'virtual';
  if (bus === 'usb' || path.includes('/usb')) return 'usb';
  return bus === 'ata' || path.includes('/ata') ? 'sata' : 'other';
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
