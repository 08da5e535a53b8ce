/**
 * Images for guests, made by the command that people use. It keeps what takes long (the packages of a board) by a hash
 * of what it is made from; the program is put in anew each time.
 */
import assert from 'node:assert';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../gst.ts';

const projectFolder = join(import.meta.dirname, '..', '..', '..');

interface ImageWish {
  readonly board: string;
  readonly role: 'camera' | 'server';
  readonly architecture: 'amd64' | 'arm64';
  /** for the kernel of a guest alone, such as modules that stand in for hardware */
  readonly kernelWords?: readonly string[];
}

export interface BoardImage {
  readonly file: string;
  readonly architecture: 'amd64' | 'arm64';
  /** what an emulator needs to start the kernel itself */
  readonly direct: { readonly kernel: string; readonly initrd: string; readonly commandLine: string };
}

/** Makes an image in `folder`; says how long it took and how large it is. */
export async function buildImage(folder: string, wish: ImageWish): Promise<BoardImage> {
  const { board, role, architecture, kernelWords = [] } = wish;
  const file = join(folder, `${board}-${role}.img`);
  const startedMs = performance.now();
  await runScript('image', '--board', board, '--role', role, '--out', file);
  const manifest = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as { boot: { cmdline: string } };
  const { size, blocks } = statSync(file);
  console.log(
    `${board} ${role}: image of ${megabytes(size)}, ${megabytes(blocks * 512)} used, ${secondsSince(startedMs)}`,
  );
  const commandLine = [manifest.boot.cmdline, ...kernelWords].join(' ');
  return { file, architecture, direct: { kernel: `${file}.vmlinuz`, initrd: `${file}.initrd`, commandLine } };
}

/** Runs one of `scripts/`, as its npm command does; returns what it printed, and fails with what it said. */
export async function runScript(name: string, ...args: readonly string[]): Promise<string> {
  const script = join(projectFolder, 'scripts', `${name}.ts`);
  const { code, stdout, stderr } = await run(process.execPath, ['--import', 'tsx', script, ...args]);
  assert.equal(
    code,
    0,
    `${name} ${args.join(' ')}\n${stdout.toString().slice(-2_000)}${stderr.slice(-4_000)}`,
  );
  return stdout.toString();
}

export function secondsSince(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
