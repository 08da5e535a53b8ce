/** What a recorder has left behind: its listings, and the samples inside its files. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseFragment, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import type { RecorderRig } from './recorder-rig.ts';

const always = { fromUs: 0, toUs: 9_000_000_000_000_000, limit: 10_000 };

/** What the archive lists of a camera, of all times unless told otherwise. */
export function segmentsOf(
  rig: RecorderRig,
  camera = 'door',
  range: Partial<typeof always> = {},
): Promise<SegmentListing[]> {
  return rig.recorder.archive.segments(camera, { ...always, ...range });
}

/** The file of a segment below a rig's folder. */
export function pathOf(rig: { folder: string }, { camera, name }: SegmentListing): string {
  return join(rig.folder, 'recordings', camera, `${name}.mp4`);
}

/** Sequences of track 1 that a file holds. */
export async function sequencesIn(path: string): Promise<number[]> {
  const file = await readFile(path);
  const scan = await scanSegment(
    async (offset, length) => file.subarray(offset, offset + length),
    file.length,
  );
  assert.equal(scan.damage, undefined);
  return scan.fragments.flatMap(({ offset, bytes }) => {
    const parsed = parseFragment(file.subarray(offset, offset + bytes));
    assert(parsed.ok);
    return parsed.value.batches[0]?.samples.map(({ sequence }) => sequence) ?? [];
  });
}

/** 0, 1 … below `count`. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, sequence) => sequence);
