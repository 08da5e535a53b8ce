/** What cameras were told to be safe, and when. */
import { existsSync, readFileSync } from 'node:fs';

/** A camera heard that all samples of this capture up to this sequence are safe. */
export interface Acknowledgement {
  readonly camera: string;
  readonly captureId: string;
  readonly through: number;
  /** length of the disk's journal when it heard it; the server knew earlier */
  readonly position: number;
}

/** All so far, in order. */
export function readAcknowledgements(path: string): Acknowledgement[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Acknowledgement);
}

/** Last safe sequence by `camera/captureId`, of what was said before a moment. */
export function safeThrough(
  acknowledgements: readonly Acknowledgement[],
  position = Number.POSITIVE_INFINITY,
): ReadonlyMap<string, number> {
  const through = new Map<string, number>();
  for (const one of acknowledgements) {
    if (one.position > position) continue;
    const key = `${one.camera}/${one.captureId}`;
    through.set(key, Math.max(one.through, through.get(key) ?? -1));
  }
  return through;
}
