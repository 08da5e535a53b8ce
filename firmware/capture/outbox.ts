/**
 * The outbox of one camera: samples that no server has acknowledged as durable, kept in RAM by GOP.
 *
 * Video and audio share the ring; a GOP begins with each video keyframe (without video: every second). What was
 * acknowledged is dropped a whole GOP at a time, when all of it is durable. When the bound is reached the oldest GOP
 * goes, counted, and its time is reported as a gap.
 *
 * Invariants: samples of a track are in sequence order; bytes ≤ `bytesMax` and span ≤ `secondsMax`, except that the
 * newest GOP is always kept. Each entry has a number that rises by one; a reader that keeps the next number it wants
 * can always tell what it missed.
 */
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';

/** One run of the pipeline: its tracks (track id = place + 1) all have its capture id. */
export interface Capture {
  readonly captureId: string;
  readonly tracks: readonly TrackDescription[];
}

/** A sample and what is needed to understand it. */
export interface CapturedSample {
  readonly type: 'sample';
  readonly capture: Capture;
  readonly trackId: number;
  readonly sample: Sample;
  readonly mapping: UtcMapping;
}

/** A time, µs UTC, without samples, and why. */
export interface CapturedGap {
  readonly type: 'gap';
  readonly fromUs: number;
  readonly toUs: number;
  readonly reason: 'capture-restarted' | 'outbox-overflow';
}

/** Anything that leaves the camera in order. */
export type OutboxItem = CapturedSample | CapturedGap;

interface Group {
  /** number of the first item */
  readonly first: number;
  readonly items: OutboxItem[];
  readonly startPtsUs: number;
  bytes: number;
}

/** What an acknowledgement covers: a track of a capture, up to and including a sequence. */
export interface Durable {
  readonly captureId: string;
  readonly trackId: number;
  readonly through: number;
}

export interface OutboxOptions {
  readonly bytesMax: number;
  readonly secondsMax: number;
}

/** Groups without video are this long. */
const audioGroupUs = 1_000_000;

function trackKey(captureId: string, trackId: number): string {
  return `${captureId}/${trackId}`;
}

export class Outbox {
  private readonly options: OutboxOptions;
  private readonly groups: Group[] = [];
  private readonly durable = new Map<string, number>();
  private next = 0;
  private total = 0;
  private hasVideo = false;
  /** samples given up because nobody took them in time */
  overflowed = 0;

  constructor(options: OutboxOptions) {
    this.options = options;
  }

  get bytes(): number {
    return this.total;
  }

  /** Number the next item will get. */
  get end(): number {
    return this.next;
  }

  /** Adds a sample at the end; returns the gap that an overflow tore, if one did. */
  addSample(captured: Omit<CapturedSample, 'type'>): CapturedGap | undefined {
    const { capture, trackId, sample } = captured;
    const isVideo = capture.tracks[trackId - 1]?.kind === 'video';
    if (isVideo) this.hasVideo = true;
    this.add({ type: 'sample', ...captured }, this.beginsGroup(isVideo, sample), sample.ptsUs, sample.bytes);
    return this.overflow();
  }

  /** Adds an explained gap. */
  addGap(gap: Omit<CapturedGap, 'type'>): void {
    this.add({ type: 'gap', ...gap }, this.groups.length === 0, 0, 0);
  }

  private beginsGroup(isVideo: boolean, sample: Sample): boolean {
    const newest = this.groups.at(-1);
    if (newest === undefined) return true;
    if (isVideo) return sample.keyframe;
    return !this.hasVideo && sample.ptsUs - newest.startPtsUs >= audioGroupUs;
  }

  private add(item: OutboxItem, begins: boolean, startPtsUs: number, bytes: number): void {
    if (begins) this.groups.push({ first: this.next, items: [], startPtsUs, bytes: 0 });
    const group = this.groups.at(-1) as Group;
    group.items.push(item);
    group.bytes += bytes;
    this.total += bytes;
    this.next += 1;
  }

  private overflow(): CapturedGap | undefined {
    let gap: { fromUs: number; toUs: number } | undefined;
    const newest = (): number => this.groups.at(-1)?.startPtsUs ?? 0;
    while (
      this.groups.length > 1 &&
      (this.total > this.options.bytesMax ||
        newest() - (this.groups[0] as Group).startPtsUs > this.options.secondsMax * 1_000_000)
    ) {
      const lost = this.dropOldest();
      if (lost !== undefined) gap = { fromUs: gap?.fromUs ?? lost.fromUs, toUs: lost.toUs };
    }
    if (gap === undefined) return undefined;
    const item = { type: 'gap', ...gap, reason: 'outbox-overflow' } as const;
    this.add(item, false, 0, 0);
    return item;
  }

  /** The UTC span of what was lost; undefined when all of it was durable already. */
  private dropOldest(): { fromUs: number; toUs: number } | undefined {
    const group = this.groups.shift() as Group;
    this.total -= group.bytes;
    const lost = group.items.filter((item) => item.type === 'sample' && !this.isDurable(item));
    this.overflowed += lost.length;
    const times = lost.map((item) => (item.type === 'sample' ? item.sample.ptsUs + item.mapping.offsetUs : 0));
    if (times.length === 0) return undefined;
    const last = lost.at(-1);
    const tail = last?.type === 'sample' ? last.sample.durationUs : 0;
    return { fromUs: Math.min(...times), toUs: Math.max(...times) + tail };
  }

  private isDurable(item: OutboxItem): boolean {
    if (item.type !== 'sample') return true;
    return (this.durable.get(trackKey(item.capture.captureId, item.trackId)) ?? -1) >= item.sample.sequence;
  }

  /** Forgets what is durable: whole GOPs from the oldest on. */
  acknowledge(durable: readonly Durable[]): void {
    for (const { captureId, trackId, through } of durable) {
      const key = trackKey(captureId, trackId);
      this.durable.set(key, Math.max(through, this.durable.get(key) ?? -1));
    }
    while (this.groups.length > 1 && (this.groups[0] as Group).items.every((item) => this.isDurable(item))) {
      this.total -= (this.groups.shift() as Group).bytes;
    }
    this.forgetOldCaptures();
  }

  /** Acknowledgements of captures that have left the ring are of no use. */
  private forgetOldCaptures(): void {
    if (this.durable.size <= 8) return;
    const present = new Set<string>();
    for (const group of this.groups) {
      for (const item of group.items) {
        if (item.type === 'sample') present.add(trackKey(item.capture.captureId, item.trackId));
      }
    }
    for (const key of this.durable.keys()) if (!present.has(key)) this.durable.delete(key);
  }

  /** Where a new manager begins: the start of the oldest GOP that is not durable as a whole. */
  resumeAt(): number {
    return this.groups[0]?.first ?? this.next;
  }

  /**
   * The item with this number. Undefined at the end. A number that has been dropped yields the oldest item kept;
   * the caller goes on from the number it gets back.
   */
  read(number: number): { number: number; item: OutboxItem } | undefined {
    const oldest = this.groups[0];
    if (oldest === undefined || number >= this.next) return undefined;
    if (number <= oldest.first) return { number: oldest.first, item: oldest.items[0] as OutboxItem };
    let low = 0;
    let high = this.groups.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.groups[middle] as Group).first <= number) low = middle;
      else high = middle - 1;
    }
    const group = this.groups[low] as Group;
    return { number, item: group.items[number - group.first] as OutboxItem };
  }
}
