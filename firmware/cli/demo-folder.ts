/**
 * The folder of a demo: made if need be, and held by one demo at a time, because two would run every unit twice.
 *
 * The hold is a file with the number of the process. One that was killed leaves it behind; then the number is of
 * nobody, or of another program, and the next demo takes the folder over.
 */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';
import { hasErrno } from '../io/text-files.ts';
import type { DemoOptions } from './demo-site.ts';

/** A new folder that the demo removes at its end. Throws the Failure FILE_IO. */
export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'starling-demo-')).catch((cause: unknown) => {
    const advice = 'Name one with --data.';
    throw new Failure('FILE_IO', `cannot make a temporary folder: ${messageOf(cause)}`, { advice, cause });
  });
}

/** Makes and takes the folder; dispose to let it go. Throws the Failures FILE_IO and USAGE (another demo has it). */
export async function openDemoFolder(folder: string): Promise<AsyncDisposable> {
  const path = join(folder, 'demo.pid');
  try {
    await mkdir(folder, { recursive: true });
    await takeHold(path);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const advice = 'Choose another folder with --data, or check its permissions and the free space.';
    throw new Failure('FILE_IO', `cannot use ${folder}: ${messageOf(cause)}`, { advice, cause });
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

async function takeHold(path: string): Promise<void> {
  const text = `${process.pid}\n`;
  try {
    await writeFile(path, text, { flag: 'wx' });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
    const holder = Number(await readFile(path, 'utf8'));
    if (isDemo(holder)) {
      const advice = `Stop it, or choose another folder with --data. If that is no demo, remove ${path}.`;
      throw new Failure('USAGE', `another demo, process ${holder}, uses this folder`, { advice });
    }
    await writeFile(path, text);
  }
}

/** Whether the process lives and, where the system tells, was started as a demo. */
function isDemo(pid: number): boolean {
  try {
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('demo');
  } catch (error) {
    // No such process is an answer; no /proc is none.
    return !hasErrno(error, 'ESRCH') && (hasErrno(error, 'EPERM') || hasErrno(error, 'ENOENT'));
  }
}

/** Servers that an earlier demo in this folder had and this one does not start. */
export async function idleServers({ folder, servers }: DemoOptions): Promise<string[]> {
  const numbers = (await readdir(folder)).map((name) => Number(/^ss-([1-9]\d?)$/.exec(name)?.[1] ?? 0));
  return numbers
    .filter((number) => number > servers)
    .sort((a, b) => a - b)
    .map((number) => `ss-${number}`);
}
