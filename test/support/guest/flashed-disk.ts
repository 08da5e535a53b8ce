/**
 * A medium written by the flasher that people use: a loop device over a file, which afterwards is the disk of a guest.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, statSync } from 'node:fs';
import { type BoardImage, runScript, secondsSince } from './board-image.ts';

/** Room for the data partition, besides the image. */
const dataBytes = 512 * 1024 * 1024;

interface FlashWish {
  readonly image: BoardImage;
  /** file to make */
  readonly disk: string;
  readonly unit: string;
  readonly siteFolder: string;
}

/** Flashes the image with the unit's CONFIG partition; says how long it took. */
export async function flashLoopDevice({ image, disk, unit, siteFolder }: FlashWish): Promise<void> {
  const file = openSync(disk, 'wx');
  ftruncateSync(file, statSync(image.file).size + dataBytes);
  closeSync(file);
  const device = sh('losetup', '--find', '--show', disk).trim();
  const startedMs = performance.now();
  try {
    const medium = ['--image', image.file, '--device', device, '--yes'];
    await runScript('flash', ...medium, '--unit', unit, '--site', siteFolder);
  } finally {
    sh('losetup', '--detach', device);
  }
  console.log(`${unit}: flashed and verified in ${secondsSince(startedMs)}`);
}

function sh(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
}
