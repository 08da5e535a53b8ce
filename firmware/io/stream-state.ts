/**
 * What a camera unit keeps in its data folder besides its epoch: the stream settings that were made at run time, in
 * `state.json`, and how far each camera is known to be recorded, in `recorded.json`.
 *
 * `recorded.json` only explains the time while the unit is off, so it may cost nothing: one block that is overwritten in
 * place every `notedMs`, and goes to the card when the kernel likes. After a power cut it is some half a minute old, or
 * torn, and then nothing is explained. The unit's end writes it once more.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type StreamChange, streamFault, streamSettingNames } from '../media/stream-settings.ts';
import { readState, type UnitState, writeState } from './state-file.ts';

/** How often how far the cameras are recorded is noted. */
export const notedMs = 10_000;
const noteBytes = 4_096;

function keyOf(camera: string, name: string): string {
  return `stream/${camera}/${name}`;
}

/** The settings that override those of `unit.yaml`; nothing when a file says what cannot be. */
export function readStream(folder: string, camera: string): StreamChange {
  const state = readState(folder);
  const change = Object.fromEntries(streamSettingNames.map((name) => [name, state[keyOf(camera, name)]]));
  return streamFault(change) === undefined ? change : {};
}

/** Keeps these, and no others; they survive a power cut once this returns. Throws Failure FILE_IO. */
export function writeStream(folder: string, camera: string, change: StreamChange): void {
  const state: Record<string, number> = { ...readState(folder) };
  for (const name of streamSettingNames) {
    const value = change[name];
    if (value === undefined) delete state[keyOf(camera, name)];
    else state[keyOf(camera, name)] = value;
  }
  writeState(folder, state satisfies UnitState);
}

/** UTC, µs, until which each camera is known to be recorded. */
export type Recorded = ReadonlyMap<string, number>;

/** Nothing when there is no sound file. */
export function readRecorded(folder: string): Recorded {
  try {
    const parsed: unknown = JSON.parse(readFileSync(join(folder, 'recorded.json'), 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) return new Map();
    return new Map(Object.entries(parsed).filter(([, value]) => Number.isSafeInteger(value) && value > 0));
  } catch {
    return new Map();
  }
}

/** A disk that refuses is told elsewhere, and no reason to stop. */
export function writeRecorded(folder: string, recorded: Recorded): void {
  const text = `${JSON.stringify(Object.fromEntries(recorded))}\n`;
  try {
    // Made where it is missing, and not cut where it is there.
    const file = openSync(join(folder, 'recorded.json'), 'a+');
    closeSync(file);
    const block = openSync(join(folder, 'recorded.json'), 'r+');
    try {
      writeSync(block, text.padEnd(noteBytes), 0);
    } finally {
      closeSync(block);
    }
  } catch {
    // as above
  }
}
