/**
 * What a unit must remember over a power cut: a few numbers (its incarnation, a camera unit's epoch) in one small
 * JSON file, replaced atomically.
 *
 * Writing is synchronous on purpose: it happens a few times a day, and whoever asks for it must not go on before the
 * numbers are on the medium.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';
import { hasErrno } from './text-files.ts';

export type UnitState = Readonly<Record<string, number>>;

/** What a number may be: peers get to see it in 32 bits, and a damaged file must not stop a unit for good. */
const numberMax = 0xffff_0000;

const advice = 'Check the disk and the permissions of the data folder.';

/** Reads the state; an absent or damaged file is an empty state (peers remember what matters). */
export function readState(folder: string): UnitState {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) return {};
    const sound = (value: unknown): boolean =>
      Number.isInteger(value) && Number(value) >= 0 && Number(value) < numberMax;
    return Object.fromEntries(Object.entries(parsed).filter(([, value]) => sound(value)));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined || code === 'ENOENT') return {};
    throw new Failure('FILE_IO', `${folder}/state.json: ${messageOf(error)}`, { advice, cause: error });
  }
}

function withFile(path: string, flags: 'r' | 'w', use: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    use(file);
  } finally {
    closeSync(file);
  }
}

/** Writes the state; it survives a power cut once this returns. Throws Failure FILE_IO or DISK_FULL. */
export function writeState(folder: string, state: UnitState): void {
  replaceJson(join(folder, 'state.json'), state);
}

/** Replaces a small file in one step; it survives a power cut once this returns. Throws Failure FILE_IO or DISK_FULL. */
export function replaceJson(path: string, content: object): void {
  const next = `${path}.next`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    withFile(next, 'w', (file) => {
      writeFileSync(file, `${JSON.stringify(content)}\n`);
      fsyncSync(file);
    });
    renameSync(next, path);
    withFile(dirname(path), 'r', fsyncSync);
  } catch (error) {
    const full = hasErrno(error, 'ENOSPC') || hasErrno(error, 'EDQUOT');
    throw new Failure(full ? 'DISK_FULL' : 'FILE_IO', `${path}: ${messageOf(error)}`, {
      advice: full ? 'The disk is full: free some space.' : advice,
      cause: error,
    });
  }
}

/** Raises and persists the incarnation of a unit that starts; returns it and the epoch its camera unit had last. */
export function beginIncarnation(folder: string): { incarnation: number; epoch: number } {
  const before = readState(folder);
  const incarnation = (before['incarnation'] ?? 0) + 1;
  writeState(folder, { ...before, incarnation });
  return { incarnation, epoch: before['epoch'] ?? 0 };
}
