/**
 * Events of a camera unit that no server has confirmed to the end, in `events.json`: a unit that was switched off while a
 * sensor saw something says afterwards that this is over.
 *
 * Written whenever they change, one write at a time and only the latest; whoever senses something does not wait for the
 * card. Read with nothing of what makes no sense.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { CameraEvent } from '../overlay/event-packet.ts';
import { replaceText } from './text-files.ts';

const fileName = 'events.json';
const bytesMax = 64 * 1024;
const wordMax = 32;

interface KeptEvents {
  readonly camera: string;
  readonly events: readonly CameraEvent[];
}

/** Those of this camera. */
export function readEvents(folder: string, camera: string): CameraEvent[] {
  try {
    const text = readFileSync(join(folder, fileName), 'utf8');
    if (text.length > bytesMax) return [];
    const kept = JSON.parse(text) as KeptEvents;
    return kept.camera === camera ? kept.events.filter(isSound) : [];
  } catch {
    // none yet, or none that can be read
    return [];
  }
}

function isSound({ kind, sensor, fromUs, toUs }: CameraEvent): boolean {
  const isWord = (word: unknown): boolean => typeof word === 'string' && word.length <= wordMax && isId(word);
  const isTime = (us: unknown): us is number => Number.isSafeInteger(us) && Number(us) >= 0;
  return isWord(kind) && (sensor === '' || isWord(sensor)) && isTime(fromUs) && isTime(toUs);
}

/** Takes what is to be kept; `onFailed` is told once. */
export function eventKeeper(
  folder: string,
  camera: string,
  onFailed: (why: string) => void,
): (events: readonly CameraEvent[]) => void {
  let next: readonly CameraEvent[] | undefined;
  let writing = false;
  let failed = false;
  const write = async (): Promise<void> => {
    writing = true;
    for (let events = next; events !== undefined; events = next) {
      next = undefined;
      const content: KeptEvents = { camera, events };
      try {
        await replaceText(join(folder, fileName), `${JSON.stringify(content)}\n`);
      } catch (error) {
        if (!failed) onFailed(messageOf(error));
        failed = true;
      }
    }
    writing = false;
  };
  return (events) => {
    next = events;
    if (!writing) void write();
  };
}
