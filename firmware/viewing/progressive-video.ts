/**
 * A stretch of one camera as one progressive MP4, for programs that do not know fragments: sample tables first, then
 * the payload, read straight from the stored files of all holders. No temporary file: what is held of a video is its
 * head (about 20 bytes a sample) and where its payload lies.
 *
 * Invariants: a video that was planned never changes, so byte ranges of it fit together (the entity tag says which it
 * is); planning reads everything once, `planningMax` at a time; at most `videosMax` videos of at most
 * `progressiveUsMax` and `samplesMax` are held, for `keptMs` after they were used last; a plan that nobody has waited for
 * in `keptMs` is given up. Times are µs UTC.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { progressiveHead } from '../media/progressive-mp4.ts';
import type { TrackDescription } from '../media/sample.ts';
import { SampleTable } from '../media/sample-table.ts';
import { fragmentsInOrder, type LocatedFragment } from './fragment-order.ts';
import { Gate } from './gate.ts';
import type { Holder } from './holders.ts';
import { knownMissing, nothingFound, type PlaybackSources } from './playback.ts';
import { listAllRecordings } from './recordings.ts';
import { type RemuxedChunk, Remuxer } from './remuxer.ts';
import type { TimeRange } from './time-query.ts';
import { mergeRanges, subtractRanges } from './time-ranges.ts';

/** Longest range in one file: it is read once before the first byte is sent. */
export const progressiveUsMax = 2 * 3600 * 1_000_000;
/** Two hours of 60 pictures a second with sound, some 20 MB of tables. */
const samplesMax = 1_000_000;
const videosMax = 4;
const keptMs = 120_000;
const planningMax = 2;
const waitingMax = 8;
const readBytes = 1024 * 1024;
/** Shorter holes are the seams of segments; shorter pieces are their rounded ends. */
const seamUs = 1_000_000;
const roundingUs = 100_000;

/** Payload in a stored file: bytes [start, end). */
interface Stretch {
  readonly server: string;
  readonly name: string;
  readonly start: number;
  end: number;
}

/** A video that can be read anywhere. */
export interface ProgressiveVideo {
  /** UTC of the file's time 0 */
  readonly startUs: number;
  readonly bytes: number;
  readonly etag: string;
  /** ranges that are missing because servers do not answer */
  readonly missing: readonly TimeRange[];
  /** Bytes [from, to). Rejects with a Failure when a holder cannot be read any longer. */
  read(from: number, to: number, holders: readonly Holder[]): AsyncGenerator<Buffer, void, void>;
}

interface Kept {
  readonly video: Promise<ProgressiveVideo>;
  usedAtMs: number;
  /** whether it has had its turn */
  readonly turn: { readonly begun: boolean };
  /** those who wait for the plan */
  waiting: number;
  readonly giveUp: AbortController;
  /** nobody waits: it is about to be given up */
  cancelGiveUp: (() => void) | undefined;
}

export class ProgressiveVideos {
  private readonly clock: Clock;
  private readonly kept = new Map<string, Kept>();
  private readonly gate = new Gate('a progressive video', { atOnce: planningMax, waitingMax });

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * Plans the video, or gives the one that was planned. Rejects with NOT_FOUND, USAGE or BUSY, and when `signal` is
   * aborted. Who has left may come back: a proxy that waits for a minute asks for the same again.
   */
  async video(
    camera: string,
    range: TimeRange,
    sources: PlaybackSources & { own: boolean },
    signal: AbortSignal,
  ): Promise<ProgressiveVideo> {
    if (signal.aborted) throw unwanted();
    const nowMs = this.clock.monotonicMs();
    const key = `${camera}/${range.fromUs}/${range.toUs}/${sources.own}`;
    for (const [other, { usedAtMs, waiting }] of this.kept) {
      if (waiting === 0 && nowMs - usedAtMs > keptMs) this.kept.delete(other);
    }
    const kept = this.kept.get(key) ?? this.begin(key, (given) => plan(camera, range, sources, given));
    kept.usedAtMs = nowMs;
    this.kept.delete(key);
    this.kept.set(key, kept);
    const oldest = this.kept.size > videosMax ? this.kept.keys().next().value : undefined;
    if (oldest !== undefined) this.kept.delete(oldest);
    return this.wait(key, kept, signal);
  }

  private begin(key: string, make: (signal: AbortSignal) => Promise<ProgressiveVideo>): Kept {
    const giveUp = new AbortController();
    const turn = { begun: false };
    const planned = this.gate.run(() => {
      turn.begun = true;
      return make(giveUp.signal);
    }, giveUp.signal);
    const kept: Kept = { video: planned, usedAtMs: 0, turn, waiting: 0, giveUp, cancelGiveUp: undefined };
    // What failed, or is not all, is tried again by the next who asks.
    const forget = (): void => this.forget(key, kept);
    planned.then(({ missing }) => missing.length > 0 && forget(), forget);
    return kept;
  }

  private async wait(key: string, kept: Kept, signal: AbortSignal): Promise<ProgressiveVideo> {
    let left = (): void => undefined;
    const gone = new Promise<never>((_, reject) => {
      left = () => reject(unwanted());
    });
    kept.waiting += 1;
    kept.cancelGiveUp?.();
    signal.addEventListener('abort', left, { once: true });
    try {
      return await Promise.race([kept.video, gone]);
    } finally {
      signal.removeEventListener('abort', left);
      kept.waiting -= 1;
      kept.usedAtMs = this.clock.monotonicMs();
      if (signal.aborted && kept.waiting === 0) this.leave(key, kept);
    }
  }

  private leave(key: string, kept: Kept): void {
    const giveUp = (): void => {
      kept.giveUp.abort(unwanted());
      this.forget(key, kept);
    };
    if (kept.turn.begun) kept.cancelGiveUp = this.clock.after(keptMs, giveUp);
    else giveUp();
  }

  private forget(key: string, kept: Kept): void {
    if (this.kept.get(key) === kept) this.kept.delete(key);
  }
}

async function plan(
  camera: string,
  range: TimeRange,
  sources: PlaybackSources,
  signal: AbortSignal,
): Promise<ProgressiveVideo> {
  if (signal.aborted) throw unwanted();
  const list = await listAllRecordings(camera, range, sources);
  const lost: TimeRange[] = knownMissing(range, list, sources.nowUs);
  const onLost = (stretch: TimeRange): void => {
    lost.push(stretch);
  };
  const remuxer = new Remuxer(range.toUs);
  const planned = new PlannedVideo(camera);
  const fragments = fragmentsInOrder({ range, segments: list.segments, holders: sources.holders, onLost });
  for await (const fragment of fragments) {
    if (signal.aborted) throw unwanted();
    planned.locate(fragment);
    const { chunks, changed } = remuxer.add(fragment);
    for (const chunk of chunks) planned.add(chunk);
    if (changed) {
      const advice = 'Ask for a part of it, or for format=fragmented.';
      throw new Failure('USAGE', 'the pictures change their size or format in this range', { advice });
    }
  }
  for (const chunk of remuxer.finish()) planned.add(chunk);
  if (remuxer.startUs === undefined) throw nothingFound(camera, range, list.unreachable);
  return planned.finish(remuxer.startUs, lost);
}

class PlannedVideo {
  private readonly camera: string;
  private readonly stretches: Stretch[] = [];
  private readonly holds: TimeRange[] = [];
  /** where a payload was read */
  private readonly places = new WeakMap<Uint8Array, Omit<Stretch, 'end'>>();
  private tracks: readonly TrackDescription[] = [];
  private tables: SampleTable[] = [];
  private payloadBytes = 0;
  private samples = 0;

  constructor(camera: string) {
    this.camera = camera;
  }

  locate({ parsed, segment: { server, name }, payloadBase }: LocatedFragment): void {
    for (const { samples } of parsed.batches) {
      for (const { payload } of samples) {
        const [bytes] = payload;
        if (bytes !== undefined)
          this.places.set(bytes, { server, name, start: bytes.byteOffset - payloadBase });
      }
    }
  }

  add({ runs, tracks, holds }: RemuxedChunk): void {
    if (this.tables.length === 0) {
      this.tracks = tracks;
      this.tables = tracks.map(() => new SampleTable());
    }
    this.holds.push(holds);
    for (const { trackId, samples } of runs) {
      this.samples += samples.length;
      if (this.samples > samplesMax) throw tooLong();
      for (const sample of samples) {
        this.tables[trackId - 1]?.add([{ ...sample, offset: this.payloadBytes }], 0);
        this.place(sample.payload[0], sample.bytes);
      }
    }
  }

  private place(payload: Uint8Array | undefined, bytes: number): void {
    const at = payload === undefined ? undefined : this.places.get(payload);
    if (at === undefined) throw new Error('a sample from nowhere');
    const last = this.stretches.at(-1);
    if (last !== undefined && last.server === at.server && last.name === at.name && last.end === at.start) {
      last.end += bytes;
    } else {
      this.stretches.push({ ...at, end: at.start + bytes });
    }
    this.payloadBytes += bytes;
  }

  finish(startUs: number, lost: readonly TimeRange[]): ProgressiveVideo {
    const { camera, stretches, payloadBytes } = this;
    const kept = this.tables.flatMap((table, place) => (table.count > 0 ? [place] : []));
    const head = progressiveHead({
      tracks: kept.map((place) => this.tracks[place] as TrackDescription),
      tables: kept.map((place) => this.tables[place] as SampleTable),
      payloadBytes,
      startUs,
    });
    const hash = createHash('sha256').update(head);
    for (const { server, name, start, end } of stretches) hash.update(`${server}/${name}/${start}-${end}\n`);
    return {
      startUs,
      bytes: head.length + payloadBytes,
      etag: `"${hash.digest('base64url').slice(0, 22)}"`,
      missing: subtractRanges(lost, mergeRanges(this.holds, seamUs), roundingUs),
      read: (from, to, holders) => readBetween({ camera, head, stretches }, { from, to }, holders),
    };
  }
}

function unwanted(): Failure {
  return new Failure('LINK_BROKEN', 'nobody waits for this video any longer', { advice: 'Ask again.' });
}

function tooLong(): Failure {
  return new Failure('USAGE', `a progressive video has ${samplesMax} samples at the most`, {
    advice: 'Ask for a shorter range, or for format=fragmented.',
  });
}

async function* readBetween(
  { camera, head, stretches }: { camera: string; head: Buffer; stretches: readonly Stretch[] },
  { from, to }: { from: number; to: number },
  holders: readonly Holder[],
): AsyncGenerator<Buffer, void, void> {
  if (from < head.length) yield head.subarray(from, Math.min(to, head.length));
  let at = head.length;
  for (const { server, name, start, end } of stretches) {
    const [first, last] = [Math.max(from - at, 0), Math.min(to - at, end - start)];
    at += end - start;
    if (first >= last) continue;
    const holder = holders.find((one) => one.server === server);
    if (holder === undefined) {
      const advice = 'Try again when it is back.';
      throw new Failure('UNREACHABLE', `${server} cannot be reached any longer`, { advice });
    }
    for (let offset = first; offset < last; offset += readBytes) {
      yield await holder.read(camera, name, start + offset, Math.min(readBytes, last - offset));
    }
  }
}
