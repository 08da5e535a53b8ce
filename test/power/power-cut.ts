/**
 * What a disk may hold after its power was cut: a moment of the journal, and what of the last writes had
 * got to the medium.
 *
 * The model: everything before the last completed flush is on the medium. Of what was written after it, any part may be,
 * in any order, in whole sectors: none of it, all of it, the first of it, or a random part in sectors of 512 bytes or of
 * 4 KiB. One exception: ext4 takes it for granted that the two sectors of its superblock get there together (its
 * checksum is in the second), and cannot be mounted without fsck otherwise. Everything follows from (seed, number, journal).
 */
import { open } from 'node:fs/promises';
import { Stream } from '../sim/randomness.ts';
import { type BlockRecord, recordsWithin } from './block-journal.ts';
import { copySparse } from './recorded-disk.ts';

const tears = ['none', 'all', 'prefix', 'sectors-512', 'sectors-4096'] as const;
type Tear = (typeof tears)[number];

/**
 * When: just after a camera heard that its samples are safe; just before a flush was complete, when the most is at
 * stake; at any write; while a server started, for the first time or on what a run that was killed had left.
 */
const moments = ['acknowledged', 'unflushed', 'any', 'starting'] as const;
type Moment = (typeof moments)[number];

export interface Cut {
  readonly seed: number;
  readonly number: number;
  readonly moment: Moment;
  readonly tear: Tear;
  /** records before this one were done */
  readonly records: number;
  /** length of the journal then */
  readonly position: number;
}

/** Places in the journal, counted in records. */
export interface RecordRange {
  readonly from: number;
  readonly to: number;
}

export interface Moments {
  /** lengths of the journal when cameras heard of safe samples */
  readonly acknowledged: readonly number[];
  /** records of the journal in which a server started, each time */
  readonly starting: readonly RecordRange[];
}

export function describeCut({ seed, number, moment, tear, records, position }: Cut): string {
  return `cut ${number} of seed ${seed} (${moment}, ${tear}; ${records} records, ${position} bytes of the journal)`;
}

/** The cut with this number. */
export function chooseCut(
  seed: number,
  number: number,
  journal: readonly BlockRecord[],
  { acknowledged, starting }: Moments,
): Cut {
  const random = new Stream(seed, 'cut', number);
  const moment = moments[number % moments.length] as Moment;
  const tear = random.pick(tears);
  let records = random.whole(1, journal.length);
  if (moment === 'acknowledged') {
    records = recordsWithin(journal, random.pick(acknowledged));
  } else if (moment === 'unflushed') {
    const flush = (place: number): boolean => journal[place]?.kind === 'flush';
    while (records < journal.length && !(flush(records) && !flush(records - 1))) records += 1;
  } else if (moment === 'starting') {
    const { from, to } = random.pick(starting);
    records = random.whole(from, to);
  }
  return { seed, number, moment, tear, records, position: journal[records - 1]?.end ?? 0 };
}

/** How many records the medium surely holds: up to and with the last flush. */
function flushedRecords(journal: readonly BlockRecord[], records: number): number {
  for (let at = records; at > 0; at--) if (journal[at - 1]?.kind === 'flush') return at;
  return 0;
}

/** `lies`: how many of the last flushes before the cut the disk only claimed to have done. */
export interface CutOptions {
  readonly before: string;
  readonly journal: readonly BlockRecord[];
  readonly lies?: number;
}

/** Writes the disk after the cut to `image`. Returns how many writes were at stake. */
export async function imageAfter(cut: Cut, image: string, options: CutOptions): Promise<number> {
  const { before, journal, lies = 0 } = options;
  let flushed = flushedRecords(journal, cut.records);
  for (let lie = 0; lie < lies && flushed > 0; lie++) flushed = flushedRecords(journal, flushed - 1);
  await copySparse(before, image);
  const random = new Stream(cut.seed, 'tear', cut.number);
  const pending = journal.slice(flushed, cut.records).filter(({ kind }) => kind === 'write');
  const whole = cut.tear === 'prefix' ? random.whole(0, pending.length) : 0;
  const file = await open(image, 'r+');
  try {
    for (const { kind, offset, data } of journal.slice(0, flushed)) {
      if (kind === 'write') await file.write(data, 0, data.length, offset);
    }
    for (const [place, write] of pending.entries()) {
      if (cut.tear === 'all' || place < whole)
        await file.write(write.data, 0, write.data.length, write.offset);
      if (!cut.tear.startsWith('sectors')) continue;
      for (const { at, bytes } of sectorsOf(write, cut.tear === 'sectors-512' ? 512 : 4096)) {
        if (random.chance(0.5)) await file.write(write.data, at, bytes, write.offset + at);
      }
    }
  } finally {
    await file.close();
  }
  return pending.length;
}

/** ext4's superblock, bytes of the disk. */
const superblock = { from: 1024, bytes: 1024 };

/** The parts of a write that reach the disk as one. */
function sectorsOf({ offset, data }: BlockRecord, sectorBytes: number): { at: number; bytes: number }[] {
  const sectors: { at: number; bytes: number }[] = [];
  for (let at = 0; at < data.length; ) {
    const whole = offset + at === superblock.from ? superblock.bytes : 0;
    const bytes = Math.min(Math.max(whole, sectorBytes), data.length - at);
    sectors.push({ at, bytes });
    at += bytes;
  }
  return sectors;
}
