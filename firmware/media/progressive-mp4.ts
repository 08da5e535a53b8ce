/**
 * An export as one progressive MP4: `ftyp moov mdat`, all samples in tables, `moov` first, for programs that do not
 * know fragments. ISO/IEC 14496-12 §8.5–8.7.
 *
 * Invariants: payloads are copied as they are, in the order of the fragments; a track that begins later than the
 * file does so by an edit list, so that its first decode time is 0 and no time is lost; times are µs, but where a gap
 * is too long for a delta of 31 bits (36 min): then that track is timed to 1/90,000 s, beyond 6 h to 1 ms, beyond 24
 * days to 10 ms, always rounded from the absolute time, so that nothing adds up. Memory is bounded by `samplesMax`.
 */
import { Failure } from '../base/failure.ts';
import { box, dinf, ftyp, fullBox, hdlr, smhd, stsd, u16s, u32s, unityMatrix, vmhd } from './mp4-boxes.ts';
import { type ParsedInit, parseInit, type ReadAt, walkFragments } from './mp4-scanner.ts';
import type { TrackDescription } from './sample.ts';
import { SampleTable } from './sample-table.ts';

/** Most samples of one file: two days of picture and sound. */
const samplesMax = 16_000_000;
const initBytesMax = 256 * 1024;
const copyBytes = 1024 * 1024;
const movieTimescale = 1_000_000;
/** Seconds from 1904, where MP4 counts from, to 1970. */
const mp4EpochSeconds = 2_082_844_800;

export interface ProgressiveOptions {
  /** the fragmented file */
  readonly read: ReadAt;
  readonly size: number;
  /** Takes the bytes of the new file, one piece after another. */
  readonly write: (bytes: Buffer) => Promise<void>;
  /** bytes of the fragmented file that are done */
  readonly onProgress?: (bytes: number) => void;
}

/** A stretch of payload that is copied. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** What a progressive file consists of, but for the payload itself; one table for each track, with its samples. */
export interface ProgressivePlan {
  readonly tracks: readonly TrackDescription[];
  readonly tables: readonly SampleTable[];
  readonly payloadBytes: number;
  /** UTC of the file's time 0, µs */
  readonly startUs: number;
}

interface Plan extends ProgressivePlan {
  readonly stretches: readonly Stretch[];
}

/** Writes the fragmented file `read` as a progressive one. Rejects with a Failure when it is none, or too long. */
export async function writeProgressive(options: ProgressiveOptions): Promise<void> {
  const plan = await planFile(options);
  await options.write(progressiveHead(plan));
  for (const { start, end } of plan.stretches) {
    for (let at = start; at < end; ) {
      const bytes = await options.read(at, Math.min(copyBytes, end - at));
      if (bytes.length === 0) throw notOurs('it became shorter');
      await options.write(bytes);
      at += bytes.length;
    }
    options.onProgress?.(end);
  }
}

/** All of a file that comes before the payload: `ftyp moov`, and the beginning of `mdat`. */
export function progressiveHead(plan: ProgressivePlan): Buffer {
  const head = ftyp();
  const moovBytes = moov(plan, 0).length;
  return Buffer.concat([head, moov(plan, head.length + moovBytes + 16), mdatHead(plan.payloadBytes)]);
}

/** Reads all but the payload. */
async function planFile({ read, size }: ProgressiveOptions): Promise<Plan> {
  const init = parseInit(await read(0, Math.min(size, initBytesMax)));
  if (!init.ok) throw notOurs(init.reason);
  const { tracks } = init.value;
  const tables = tracks.map(() => new SampleTable());
  const stretches: Stretch[] = [];
  let [payloadBytes, samples, readBytes] = [0, 0, init.value.initBytes];
  let startUs: number | undefined;
  for await (const { listing, runs, moofStart, payload } of walkFragments(read, size, init.value)) {
    startUs ??= listing.mapping.offsetUs;
    for (const run of runs) {
      samples += run.samples.length;
      if (samples > samplesMax) throw tooLong();
      tables[run.trackId - 1]?.add(run.samples, moofStart - payload.start + payloadBytes);
    }
    stretches.push(payload);
    payloadBytes += payload.end - payload.start;
    readBytes += listing.bytes;
  }
  if (readBytes < size) throw notOurs(`damaged at byte ${readBytes}`);
  return { ...present(init.value, tables), stretches, payloadBytes, startUs: startUs ?? 0 };
}

/** Tracks that have samples; a track without any is of no use to a player. */
function present({ tracks }: ParsedInit, tables: readonly SampleTable[]): Pick<Plan, 'tracks' | 'tables'> {
  const kept = tables.flatMap((table, place) => (table.count > 0 ? [place] : []));
  if (kept.length === 0) throw notOurs('nothing is in it');
  return {
    tracks: kept.map((place) => tracks[place] as TrackDescription),
    tables: kept.map((place) => tables[place] as SampleTable),
  };
}

function notOurs(why: string): Failure {
  return new Failure('FILE_IO', `the exported file cannot be read back: ${why}`, { advice: 'Export again.' });
}

function tooLong(): Failure {
  return new Failure('USAGE', `a progressive file has ${samplesMax} samples at the most, about two days`, {
    advice: 'Export a shorter range, or with --format fragmented, which has no limit.',
  });
}

/** Media data (§8.1.1), its size in 64 bits. */
function mdatHead(payloadBytes: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(1, 0);
  head.write('mdat', 4, 4, 'latin1');
  head.writeBigUInt64BE(BigInt(payloadBytes) + 16n, 8);
  return head;
}

/** Movie (§8.2.1); chunk offsets count from `payloadAt`. */
function moov(plan: ProgressivePlan, payloadAt: number): Buffer {
  const created = Math.floor(plan.startUs / 1_000_000) + mp4EpochSeconds;
  const traks = plan.tracks.map((track, place) => {
    return trak({ track, trackId: place + 1, table: plan.tables[place] as SampleTable, created, payloadAt });
  });
  const endUs = Math.max(...plan.tables.map((table) => table.endUs));
  return box('moov', mvhd(created, endUs, plan.tracks.length + 1), ...traks);
}

/** Movie header (§8.2.2), version 1. */
function mvhd(created: number, endUs: number, nextTrackId: number): Buffer {
  return fullBox(
    'mvhd',
    1,
    0,
    u64s(created, created),
    u32s(movieTimescale),
    u64s(endUs),
    u32s(0x10000, 0x0100_0000, 0, 0),
    unityMatrix,
    Buffer.alloc(24),
    u32s(nextTrackId),
  );
}

interface TrackPlan {
  readonly track: TrackDescription;
  readonly trackId: number;
  readonly table: SampleTable;
  /** seconds since 1904 */
  readonly created: number;
  readonly payloadAt: number;
}

/** Track (§8.3.1). */
function trak(plan: TrackPlan): Buffer {
  const { table } = plan;
  const edits = table.shownUs === 0 ? [] : [box('edts', elst(table))];
  return box('trak', tkhd(plan), ...edits, mdia(plan));
}

/** Track header (§8.3.2), version 1; flags 3: enabled and in the movie. */
function tkhd({ track: { format }, trackId, table, created }: TrackPlan): Buffer {
  const volume = format.codec === 'aac' ? 0x0100 : 0;
  return fullBox(
    'tkhd',
    1,
    3,
    u64s(created, created),
    u32s(trackId, 0),
    u64s(table.endUs),
    u32s(0, 0),
    u16s(0, 0, volume, 0),
    unityMatrix,
    u32s(format.width * 0x10000, format.height * 0x10000),
  );
}

/** Edit list (§8.6.6), version 1: nothing until the first sample is shown, then the track from that sample on. */
function elst(table: SampleTable): Buffer {
  const emptyUs = Math.max(table.shownUs, table.startUs);
  const fromUs = emptyUs - table.startUs;
  const nothing = Buffer.alloc(8, 0xff);
  const normal = u16s(1, 0);
  const media = u64s(Math.round((fromUs * table.timescale()) / 1_000_000));
  return fullBox(
    'elst',
    1,
    0,
    u32s(2),
    u64s(emptyUs),
    nothing,
    normal,
    u64s(table.endUs - emptyUs),
    media,
    normal,
  );
}

/** Media (§8.4.1). */
function mdia({ track: { format }, table, created, payloadAt }: TrackPlan): Buffer {
  const timescale = table.timescale();
  const duration = Math.round(((table.decodeEndUs - table.startUs) * timescale) / 1_000_000);
  const mdhd = fullBox(
    'mdhd',
    1,
    0,
    u64s(created, created),
    u32s(timescale),
    u64s(duration),
    u16s(0x55c4, 0),
  );
  const header = format.codec === 'aac' ? smhd() : vmhd();
  const stbl = box('stbl', stsd(format), ...table.boxes(timescale, payloadAt));
  return box('mdia', mdhd, hdlr(format), box('minf', header, dinf(), stbl));
}

function u64s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => void bytes.writeBigUInt64BE(BigInt(Math.max(0, value)), i * 8));
  return bytes;
}
