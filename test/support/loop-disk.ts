/** Whole disks for tests: files behind loop devices. Needs root; say `loopDisksMissing()` where tests are skipped. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function sh(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
}

/** Why this machine cannot have such disks; false when it can. */
export function loopDisksMissing(): string | false {
  if (process.getuid?.() !== 0) return 'loop devices need root';
  try {
    using disk = new LoopDisk(1024 * 1024);
    return disk.device.startsWith('/dev/loop') ? false : 'losetup named no device';
  } catch (error) {
    return `no loop devices here: ${String(error).split('\n')[0]}`;
  }
}

export class LoopDisk implements Disposable {
  readonly device: string;
  /** what the device shows */
  readonly file: string;
  private readonly folder: string;

  constructor(bytes: number, ...options: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), 'starling-disk-'));
    this.file = join(this.folder, 'disk');
    const descriptor = openSync(this.file, 'wx');
    ftruncateSync(descriptor, bytes);
    closeSync(descriptor);
    this.device = sh('losetup', '--find', '--show', ...options, this.file).trim();
  }

  /** Makes the device of a partition known; kernels without the code for partition tables need to be told. */
  partition(number: number): string {
    tryTo('partx', '--delete', this.device);
    sh('partx', '--add', this.device);
    return `${this.device}p${number}`;
  }

  [Symbol.dispose](): void {
    tryTo('partx', '--delete', this.device);
    tryTo('losetup', '--detach', this.device);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function tryTo(command: string, ...args: string[]): void {
  try {
    sh(command, ...args);
  } catch {
    // There were none.
  }
}
