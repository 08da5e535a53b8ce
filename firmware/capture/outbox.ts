/**
 * The outbox of one camera: samples that no server has acknowledged as durable, kept in RAM by GOP.
 *
 * Video and audio share the ring; a GOP begins with each video keyframe (without video: every second; at last after
 * `groupUsMax`, should the video be silent while the sound goes on). What was acknowledged is dropped a whole GOP at a
 * time, when all of it is durable. When the bound is reached the oldest GOP goes, counted, and leaves a gap in its
 * place, which is told to every reader that comes by until a server has samples that were captured after the loss.
 *
 * Invariants: samples of a track are in sequence order; bytes ≤ `bytesMax` and span ≤ `secondsMax`, except that the
 * newest GOP is always kept. Each item has a number that rises by one; a reader that keeps the next number it wants
 * reads every item once, or the gap that covers it. An explained gap begins a GOP, so that it goes only when samples
 * behind it are durable: links keep order, so it has been told by then.
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
  /** of the first sample; undefined while there is none behind a gap */
  startPtsUs: number | undefined;
  bytes: number;
}

/** What an overflow tore out. */
interface Loss {
  gap: CapturedGap;
  /** the last number lost; the gap has it now */
  number: number;
  /** items from this number on were added after the loss */
  end: number;
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
/** Losses no further apart are one gap. */
const gapSlackUs = 1_000_000;
/** Losses kept apart; beyond it the two oldest become one. */
const lossesMax = 64;
/** Longest group, twice the longest GOP that can be configured. */
const groupUsMax = 20_000_000;

function trackKey(captureId: string, trackId: number): string {
  return `${captureId}/${trackId}`;
}

function joinLosses(a: Loss, b: Loss): Loss {
  const fromUs = Math.min(a.gap.fromUs, b.gap.fromUs);
  const toUs = Math.max(a.gap.toUs, b.gap.toUs);
  return { gap: { ...b.gap, fromUs, toUs }, number: b.number, end: b.end };
}

export class Outbox {
  private readonly options: OutboxOptions;
  private readonly groups: Group[] = [];
  private readonly durable = new Map<string, number>();
  private next = 0;
  private total = 0;
  private hasVideo = false;
  /** before the oldest group, in order */
  private readonly losses: Loss[] = [];
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

  /** Adds a sample at the end. */
  addSample(captured: Omit<CapturedSample, 'type'>): void {
    const { capture, trackId, sample } = captured;
    const isVideo = capture.tracks[trackId - 1]?.kind === 'video';
    if (isVideo) this.hasVideo = true;
    const group = this.add({ type: 'sample', ...captured }, this.beginsGroup(isVideo, sample));
    group.startPtsUs ??= sample.ptsUs;
    group.bytes += sample.bytes;
    this.total += sample.bytes;
    while (this.isOver()) this.dropOldest();
  }

  /** Adds an explained gap; the next sample follows it in the same group. */
  addGap(gap: Omit<CapturedGap, 'type'>): void {
    const newest = this.groups.at(-1);
    this.add({ type: 'gap', ...gap }, newest === undefined || newest.startPtsUs !== undefined);
  }

  private beginsGroup(isVideo: boolean, sample: Sample): boolean {
    const newest = this.groups.at(-1);
    if (newest === undefined) return true;
    if (newest.startPtsUs === undefined) return false;
    if (isVideo && sample.keyframe) return true;
    const spanUs = sample.ptsUs - newest.startPtsUs;
    return spanUs >= (this.hasVideo ? groupUsMax : audioGroupUs);
  }

  private add(item: OutboxItem, begins: boolean): Group {
    if (begins) this.groups.push({ first: this.next, items: [], startPtsUs: undefined, bytes: 0 });
    const group = this.groups.at(-1) as Group;
    group.items.push(item);
    this.next += 1;
    return group;
  }

  private isOver(): boolean {
    const oldest = this.groups[0];
    if (oldest === undefined || this.groups.length === 1) return false;
    const spanUs = (this.groups.at(-1)?.startPtsUs ?? 0) - (oldest.startPtsUs ?? 0);
    return this.total > this.options.bytesMax || spanUs > this.options.secondsMax * 1_000_000;
  }

  /** Gives the oldest group up; the gap grows by what of it is not durable. */
  private dropOldest(): void {
    const group = this.groups.shift() as Group;
    this.total -= group.bytes;
    for (const [place, item] of group.items.entries()) {
      const number = group.first + place;
      if (item.type === 'gap') this.lose(item, number);
      if (item.type === 'gap' || this.isDurable(item)) continue;
      this.overflowed += 1;
      const fromUs = item.sample.ptsUs + item.mapping.offsetUs;
      this.lose({ fromUs, toUs: fromUs + item.sample.durationUs }, number);
    }
  }

  private lose({ fromUs, toUs }: { fromUs: number; toUs: number }, number: number): void {
    const gap = { type: 'gap', fromUs, toUs, reason: 'outbox-overflow' } as const;
    this.losses.push({ gap, number, end: this.next });
    const [a, b] = this.losses.slice(-2);
    if (b !== undefined && a !== undefined && b.gap.fromUs - a.gap.toUs <= gapSlackUs) {
      this.losses.splice(-2, 2, joinLosses(a, b));
    } else if (this.losses.length > lossesMax) {
      this.losses.splice(0, 2, joinLosses(this.losses[0] as Loss, this.losses[1] as Loss));
    }
  }

  private isDurable(item: CapturedSample): boolean {
    return (this.durable.get(trackKey(item.capture.captureId, item.trackId)) ?? -1) >= item.sample.sequence;
  }

  /** Forgets what is durable: whole GOPs from the oldest on. */
  acknowledge(durable: readonly Durable[]): void {
    for (const { captureId, trackId, through } of durable) {
      const key = trackKey(captureId, trackId);
      this.durable.set(key, Math.max(through, this.durable.get(key) ?? -1));
    }
    // Links keep order: a server that has what came after a loss has been told of it, or got what was lost.
    while (this.losses[0] !== undefined && this.hasDurableFrom(this.losses[0].end)) this.losses.shift();
    while (this.groups.length > 1 && (this.groups[0] as Group).items.every((item) => this.isDone(item))) {
      this.total -= (this.groups.shift() as Group).bytes;
    }
    this.forgetOldCaptures();
  }

  private hasDurableFrom(number: number): boolean {
    for (const { first, items } of this.groups) {
      const later = items.slice(Math.max(0, number - first));
      if (later.some((item) => item.type === 'sample' && this.isDurable(item))) return true;
    }
    return false;
  }

  private isDone(item: OutboxItem): boolean {
    return item.type === 'gap' || this.isDurable(item);
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

  /** Where a new manager begins: the oldest gap, or the start of the oldest GOP that is not durable as a whole. */
  resumeAt(): number {
    return this.losses[0]?.number ?? this.groups[0]?.first ?? this.next;
  }

  /**
   * The item with this number. Undefined at the end. A number that has been dropped yields the next gap that an
   * overflow has torn, else the oldest item kept; the caller goes on from the number it gets back.
   */
  read(number: number): { number: number; item: OutboxItem } | undefined {
    const oldest = this.groups[0];
    if (oldest === undefined || number >= this.next) return undefined;
    const loss = this.losses.find((one) => one.number >= number);
    if (loss !== undefined) return { number: loss.number, item: loss.gap };
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
