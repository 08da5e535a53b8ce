/**
 * Small disks for tests: ext4 in a file, mounted through a loop device. They can be filled by other programs, and taken
 * away from a server that runs, as a cable is pulled. Needs root.
 *
 * A unit of the test rig has its own view of mounts, a copy of ours from when it was started: what happens later has to
 * be done there as well. One disk keeps one loop device, so that mounting it again while a server still holds files of
 * it open gives the same file system and not a second one over the same bytes.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FieldUnit } from './namespaces-units.ts';

const prefix = 'starling-loop-';
const mebibyte = 1024 * 1024;

function sh(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
}

/** Why this machine cannot have such disks; false when it can. */
export function loopVolumesMissing(): string | false {
  if (process.getuid?.() !== 0) return 'loop mounts need root';
  try {
    using volume = new LoopVolume(8);
    return existsSync(volume.folder) ? false : 'the mounted folder is not there';
  } catch (error) {
    return `no loop mounts here: ${String(error).split('\n')[0]}`;
  }
}

export class LoopVolume implements Disposable {
  /** where it is mounted */
  readonly folder: string;
  private readonly base: string;
  private readonly device: string;
  private readonly onEnd = (): void => this[Symbol.dispose]();

  constructor(mebibytes: number) {
    removeStaleVolumes();
    this.base = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
    this.folder = join(this.base, 'mounted');
    const image = join(this.base, 'image');
    mkdirSync(this.folder);
    const file = openSync(image, 'wx');
    ftruncateSync(file, mebibytes * mebibyte);
    closeSync(file);
    // Nothing kept back for root, which the tests are.
    sh('mkfs.ext4', '-q', '-m', '0', image);
    this.device = sh('losetup', '--find', '--show', image).trim();
    process.once('exit', this.onEnd);
    sh('mount', this.device, this.folder);
  }

  /** Takes it away from us and from these units, whatever they are doing with it. */
  takeAway(...units: readonly FieldUnit[]): void {
    sh('umount', '-l', this.folder);
    for (const pid of pidsOf(units)) sh('nsenter', '-t', pid, '-m', 'umount', '-l', this.folder);
  }

  /** Mounts it again for us and these units. */
  bringBack(...units: readonly FieldUnit[]): void {
    sh('mount', this.device, this.folder);
    for (const pid of pidsOf(units)) sh('nsenter', '-t', pid, '-m', 'mount', this.device, this.folder);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** What is in the folder, without what ext4 puts there. */
  get entries(): string[] {
    return readdirSync(this.folder).filter((name) => name !== 'lost+found');
  }

  /** Another program's file of this many bytes, or as many as there is room for. Returns how many those were. */
  addForeignFile(name: string, bytes = Number.POSITIVE_INFINITY): number {
    const block = Buffer.alloc(mebibyte / 4, name);
    const file = openSync(join(this.folder, name), 'wx');
    let written = 0;
    // Large writes find no room earlier than small ones.
    for (let size = block.length; size >= 512 && written < bytes; ) {
      try {
        written += writeSync(file, block, 0, Math.min(size, bytes - written));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        size /= 2;
      }
    }
    closeSync(file);
    return written;
  }

  [Symbol.dispose](): void {
    process.off('exit', this.onEnd);
    tryTo('umount', '-l', this.folder);
    tryTo('losetup', '--detach', this.device);
    rmSync(this.base, { recursive: true, force: true });
  }
}

function pidsOf(units: readonly FieldUnit[]): string[] {
  return units.flatMap(({ pid }) => (pid === undefined ? [] : [String(pid)]));
}

/** What processes that are dead have left. */
function removeStaleVolumes(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const base = join(tmpdir(), name);
    const mounted = readFileSync('/proc/mounts', 'utf8').includes(` ${join(base, 'mounted')} `);
    if (mounted) tryTo('umount', '-l', join(base, 'mounted'));
    for (const line of sh(
      'losetup',
      '--noheadings',
      '--output',
      'NAME',
      '--associated',
      join(base, 'image'),
    ).split('\n')) {
      if (line.trim() !== '') tryTo('losetup', '--detach', line.trim());
    }
    rmSync(base, { recursive: true, force: true });
  }
}

function tryTo(command: string, ...args: string[]): void {
  try {
    sh(command, ...args);
  } catch {
    // It was not there any more.
  }
}
