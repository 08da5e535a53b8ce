/**
 * A disk whose every write and flush is recorded: block-recorder.c under a loop device, ext4 as mkfs makes it on that,
 * mounted. The loop device passes the file system's barriers on as fsync. Also mounts the images that a power cut leaves.
 *
 * Invariants: what is mounted, attached or running is gone when it is disposed; what a killed process has left is
 * removed when the next rig opens. Needs root.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../support/network.ts';

const run = promisify(execFile);
const recorderSource = join(import.meta.dirname, 'block-recorder.c');
const folderPrefix = 'starling-power-';
/** Sparse: what is written counts. Large enough for any reserve of free space that recording keeps. */
const imageBytes = 8 * 1024 ** 3;
const commandMs = 30_000;

function sh(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: commandMs,
  });
}

/** Why this machine cannot cut the power of a disk; false when it can. */
export function powerRigMissing(): string | false {
  if (process.getuid?.() !== 0) return 'loop devices and mounts need root';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  const packages = { gcc: 'build-essential', 'pkg-config': 'pkg-config', fusermount3: 'fuse3' };
  const tools = { 'mkfs.ext4': 'e2fsprogs', losetup: 'mount' };
  for (const [program, from] of Object.entries({ ...packages, ...tools })) {
    const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
    if (!folders.some((folder) => existsSync(join(folder, program)))) {
      return `${program} is not installed (Debian: ${from})`;
    }
  }
  try {
    sh('pkg-config', '--exists', 'fuse3');
    return false;
  } catch {
    return 'libfuse3 is not installed (Debian: libfuse3-dev)';
  }
}

/** A folder for one rig; what dead processes have left is removed first. */
export async function openRigFolder(): Promise<string> {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^starling-power-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`) || existsSync(join(tmpdir(), name, 'keep'))) continue;
    await closeRigFolder(join(tmpdir(), name));
  }
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  shareMounts(folder);
  return folder;
}

/**
 * Has everybody see it when something below the folder is unmounted. Whoever makes a mount namespace meanwhile (`ip netns
 * exec` does) has a copy of all mounts, which would otherwise keep our devices busy until they end.
 */
function shareMounts(folder: string): void {
  sh('mount', '--bind', folder, folder);
  sh('mount', '--make-shared', folder);
}

/** Unmounts whatever is mounted below a rig's folder, frees its loop devices, and removes it, unless it is to be kept. */
export async function closeRigFolder(folder: string, keep = false): Promise<void> {
  detachBelow(folder);
  if (keep) await writeFile(join(folder, 'keep'), '');
  else await rm(folder, { recursive: true, force: true });
}

/** A folder that was kept, to look at it again. */
export function reopenRigFolder(folder: string): void {
  detachBelow(folder);
  shareMounts(folder);
}

function detachBelow(folder: string): void {
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at = '']) => at === folder || at.startsWith(`${folder}/`));
  const unmount = (which: (at: string, type: string) => boolean): void => {
    for (const [, at = '', type = ''] of mounted) if (which(at, type)) sh('umount', '--lazy', at);
  };
  // A file system before the device that it lies on, and the folder itself last.
  unmount((at, type) => at !== folder && !type.startsWith('fuse'));
  for (const line of sh('losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE').split('\n')) {
    const [device, file = ''] = line.trim().split(/\s+/);
    if (device !== undefined && file.startsWith(`${folder}/`)) sh('losetup', '--detach', device);
  }
  unmount((at, type) => at !== folder && type.startsWith('fuse'));
  unmount((at) => at === folder);
}

/** An image on a loop device, mounted. */
export class MountedImage {
  readonly device: string;
  readonly at: string;

  private constructor(device: string, at: string) {
    this.device = device;
    this.at = at;
  }

  /** Mounts the image at this folder, as at the start of the machine: ext4 replays its journal. Rejects when it cannot. */
  static async mount(image: string, at: string): Promise<MountedImage> {
    await mkdir(at, { recursive: true });
    const { stdout } = await run('losetup', ['--find', '--show', image], { timeout: commandMs });
    const device = stdout.trim();
    try {
      await run('mount', ['-t', 'ext4', device, at], { timeout: commandMs });
    } catch (error) {
      await run('losetup', ['--detach', device], { timeout: commandMs });
      throw error;
    }
    return new MountedImage(device, at);
  }

  async unmount(): Promise<void> {
    await run('umount', [this.at], { timeout: commandMs });
    await run('losetup', ['--detach', this.device], { timeout: commandMs });
  }
}

/** What fsck thinks of an image that is not mounted; undefined when it finds nothing. */
export async function fsckFaults(image: string): Promise<string | undefined> {
  try {
    await run('fsck.ext4', ['-f', '-n', image], { timeout: commandMs });
    return undefined;
  } catch (error) {
    const { stdout = '', message } = error as { stdout?: string; message: string };
    return `${message} ${stdout}`.trim();
  }
}

/** The disk under test while it is recorded. */
export class RecordedDisk implements AsyncDisposable {
  /** the journal of block-recorder.c */
  readonly journal: string;
  /** the disk before the first record of the journal */
  readonly before: string;
  /** where its file system is mounted */
  readonly at: string;
  private readonly fuse: string;
  private readonly mounted: MountedImage;
  private readonly recorder: ChildProcess;

  private constructor(parts: { folder: string; mounted: MountedImage; recorder: ChildProcess }) {
    const { folder, mounted, recorder } = parts;
    this.journal = join(folder, 'journal');
    this.before = join(folder, 'before.img');
    this.at = mounted.at;
    this.fuse = join(folder, 'fuse');
    this.mounted = mounted;
    this.recorder = recorder;
  }

  /** Makes the disk in a rig's folder and mounts it at `mountPoint(folder)`; a flush takes `flushMs`. */
  static async open(folder: string, flushMs: number): Promise<RecordedDisk> {
    const program = join(folder, 'block-recorder');
    const flags = sh('pkg-config', '--cflags', '--libs', 'fuse3').trim().split(/\s+/);
    await run('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, recorderSource, ...flags]);
    const before = join(folder, 'before.img');
    const image = join(folder, 'disk.img');
    await writeFile(before, '');
    await truncate(before, imageBytes);
    // Otherwise the kernel would write zeros for minutes, and the journal would be full of them.
    await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', before]);
    await run('fallocate', ['--dig-holes', before]);
    await copySparse(before, image);
    const fuse = join(folder, 'fuse');
    await mkdir(fuse);
    const recorder = spawn(program, [image, join(folder, 'journal'), String(flushMs), fuse], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    await until('the recorder serves its disk', () => existsSync(join(fuse, 'disk')));
    const mounted = await MountedImage.mount(join(fuse, 'disk'), mountPoint(folder));
    return new RecordedDisk({ folder, mounted, recorder });
  }

  /** Unmounts; the journal is complete afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.mounted.unmount();
    const ended = once(this.recorder, 'exit');
    // A loop device is freed once nobody looks at it any more, and others look at all of them.
    await until('the recorder ends', async () => {
      await run('fusermount3', ['-u', this.fuse], { timeout: commandMs });
      return true;
    });
    await ended;
  }
}

/** Where the disk of a rig is mounted, while it is recorded and after each cut. */
export function mountPoint(folder: string): string {
  return join(folder, 'mnt');
}

/** Copies an image without its holes. */
export async function copySparse(from: string, to: string): Promise<void> {
  await run('cp', ['--sparse=always', from, to], { timeout: commandMs });
}
