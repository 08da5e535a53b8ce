/**
 * The outbox of one camera: samples that no server has acknowledged as durable, kept in RAM by GOP.
 *
 * Video and audio share the ring; a GOP begins with each video keyframe (without video: every second; at last after
 * `groupUsMax`, should the video be silent while the sound goes on, or a source's GOP be longer). What was acknowledged
 * is dropped a whole GOP at a time, when all of it is durable: what stays can be decoded from its beginning on. When the bound is reached the oldest GOP goes, counted, and leaves a gap in its
 * place, which is told to every reader that comes by until a server has samples that were captured after the loss. The
 * gap's reason is that there was no manager when it was torn, or that the manager did not keep up.
 *
 * Invariants: samples of a track are in sequence order; bytes ≤ `bytesMax`, span ≤ `secondsMax` and samples ≤
 * `samplesPerSecondMax` × `secondsMax`, except that the newest GOP is kept, which has at most the larger of `bytesMax`
 * and 8 MiB, and `groupItemsMax` items, and one sample more. An explained gap begins a GOP, so that it goes only when
 * samples behind it are durable: links keep order, so it has been told by then.
 */
import { type Sample, sampleBytesMax, type UtcMapping } from '../media/sample.ts';
import type {
  Backlog,
  BacklogIntake,
  BacklogItem,
  CapturedGap,
  CapturedSample,
  Durable,
  Resume,
} from './backlog.ts';
import { unknownUs } from './utc-mapping.ts';

interface Group {
  /** number of the first item */
  readonly first: number;
  readonly items: BacklogItem[];
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
/** Most items in a group: 20 s of 60 pictures and 47 pieces of sound, and room. A source may claim any times. */
const groupItemsMax = 4_096;
/** As many: each costs some RAM besides its bytes. */
const samplesPerSecondMax = 200;

function trackKey(captureId: string, trackId: number): string {
  return `${captureId}/${trackId}`;
}

/** Whether its pictures, if it has any, begin with a keyframe. */
function beginsDecodable({ items }: Group): boolean {
  for (const item of items) {
    if (item.type === 'gap' || item.capture.tracks[item.trackId - 1]?.kind !== 'video') continue;
    return item.sample.keyframe;
  }
  return true;
}

/** One loss in place of two; the longer one's reason. */
function joinLosses(a: Loss, b: Loss): Loss {
  const fromUs = Math.min(a.gap.fromUs, b.gap.fromUs);
  const toUs = Math.max(a.gap.toUs, b.gap.toUs);
  const longer = a.gap.toUs - a.gap.fromUs > b.gap.toUs - b.gap.fromUs ? a : b;
  return { gap: { ...longer.gap, fromUs, toUs }, number: b.number, end: b.end };
}

export class Outbox implements Backlog, BacklogIntake {
  private readonly options: OutboxOptions;
  private readonly groups: Group[] = [];
  private readonly durable = new Map<string, Durable>();
  /** latest sequence of each track */
  private readonly newest = new Map<string, number>();
  private next = 0;
  private total = 0;
  private samples = 0;
  private managed = true;
  private doneUs: number | undefined;
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

  /** From the oldest GOP that is kept to the newest. */
  get spanUs(): number {
    const oldest = this.groups[0]?.startPtsUs;
    return oldest === undefined ? 0 : Math.max(0, (this.groups.at(-1)?.startPtsUs ?? oldest) - oldest);
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
    this.samples += 1;
    this.newest.set(trackKey(capture.captureId, trackId), sample.sequence);
    while (this.isOver()) this.dropOldest();
  }

  /** Adds an explained gap; the next sample follows it in the same group. */
  addGap(gap: Omit<CapturedGap, 'type'>): void {
    const newest = this.groups.at(-1);
    this.add({ type: 'gap', ...gap }, newest === undefined || newest.startPtsUs !== undefined);
  }

  redate(mapping: UtcMapping, shiftUs: number): void {
    const shifted = (gap: CapturedGap): CapturedGap => {
      return { ...gap, fromUs: gap.fromUs + shiftUs, toUs: gap.toUs + shiftUs };
    };
    for (const loss of this.losses) loss.gap = shifted(loss.gap);
    for (const { items } of this.groups) {
      for (const [place, item] of items.entries()) {
        if (item.type === 'gap') items[place] = shifted(item);
        else if (item.mapping.uncertaintyUs >= unknownUs) items[place] = { ...item, mapping };
      }
    }
  }

  /** End of the newest sample that is durable, µs UTC; undefined while none of a known date is. */
  durableUs(): number | undefined {
    for (const { items } of this.groups) for (const item of items) if (this.isDone(item)) this.noteDone(item);
    return this.doneUs;
  }

  private noteDone(item: BacklogItem): void {
    if (item.type === 'gap' || item.mapping.uncertaintyUs >= unknownUs) return;
    const { ptsUs, durationUs } = item.sample;
    const endUs = ptsUs + durationUs + item.mapping.offsetUs;
    // Dates may step back.
    this.doneUs = endUs;
  }

  setManaged(managed: boolean): void {
    this.managed = managed;
  }

  private beginsGroup(isVideo: boolean, sample: Sample): boolean {
    const newest = this.groups.at(-1);
    if (newest === undefined) return true;
    if (newest.startPtsUs === undefined) return false;
    if (isVideo && sample.keyframe) return true;
    const bytesMax = Math.max(this.options.bytesMax, sampleBytesMax);
    if (newest.items.length >= groupItemsMax || newest.bytes >= bytesMax) return true;
    const spanUs = sample.ptsUs - newest.startPtsUs;
    return spanUs >= (this.hasVideo ? groupUsMax : audioGroupUs);
  }

  private add(item: BacklogItem, begins: boolean): Group {
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
    const { bytesMax, secondsMax } = this.options;
    if (this.total > bytesMax || spanUs > secondsMax * 1_000_000) return true;
    return this.samples > secondsMax * samplesPerSecondMax;
  }

  private shiftGroup(): Group {
    const group = this.groups.shift() as Group;
    this.total -= group.bytes;
    this.samples -= group.items.reduce((sum, { type }) => sum + (type === 'sample' ? 1 : 0), 0);
    return group;
  }

  /** Gives the oldest group up; the gap grows by what of it is not durable. */
  private dropOldest(): void {
    const group = this.shiftGroup();
    const reason = this.managed ? 'outbox-overflow' : 'server-unreachable';
    for (const [place, item] of group.items.entries()) {
      const number = group.first + place;
      if (item.type === 'gap') this.lose(item, number);
      if (item.type === 'gap' || this.isDurable(item)) continue;
      this.overflowed += 1;
      const fromUs = item.sample.ptsUs + item.mapping.offsetUs;
      this.lose({ type: 'gap', fromUs, toUs: fromUs + item.sample.durationUs, reason }, number);
    }
  }

  private lose(gap: CapturedGap, number: number): void {
    this.losses.push({ gap, number, end: this.next });
    const [a, b] = this.losses.slice(-2);
    if (a === undefined || b === undefined) return;
    if (a.gap.reason === b.gap.reason && b.gap.fromUs - a.gap.toUs <= gapSlackUs) {
      this.losses.splice(-2, 2, joinLosses(a, b));
    } else if (this.losses.length > lossesMax) {
      this.losses.splice(0, 2, joinLosses(this.losses[0] as Loss, this.losses[1] as Loss));
    }
  }

  private isDurable(item: CapturedSample): boolean {
    return (
      (this.durable.get(trackKey(item.capture.captureId, item.trackId))?.through ?? -1) >=
      item.sample.sequence
    );
  }

  /** Forgets what is durable: whole GOPs from the oldest on. */
  acknowledge(durable: readonly Durable[]): void {
    for (const one of durable) {
      const key = trackKey(one.captureId, one.trackId);
      // Nobody has what was not captured yet.
      const through = Math.min(one.through, this.newest.get(key) ?? -1);
      if (through > (this.durable.get(key)?.through ?? -1)) this.durable.set(key, { ...one, through });
    }
    // Links keep order: a server that has what came after a loss has been told of it, or got what was lost.
    while (this.losses[0] !== undefined && this.hasDurableFrom(this.losses[0].end)) this.losses.shift();
    for (let done = this.doneGroups(); done > 0; done--) {
      for (const item of this.shiftGroup().items) this.noteDone(item);
    }
    this.forgetOldCaptures();
  }

  /** How many of the oldest groups are done, and not needed to decode the next; never all. */
  private doneGroups(): number {
    let done = 0;
    for (const [place, { items }] of this.groups.entries()) {
      const next = this.groups[place + 1];
      if (next === undefined || !items.every((item) => this.isDone(item))) break;
      if (beginsDecodable(next)) done = place + 1;
    }
    return done;
  }

  private hasDurableFrom(number: number): boolean {
    for (const { first, items } of this.groups) {
      const later = items.slice(Math.max(0, number - first));
      if (later.some((item) => item.type === 'sample' && this.isDurable(item))) return true;
    }
    return false;
  }

  private isDone(item: BacklogItem): boolean {
    return item.type === 'gap' || this.isDurable(item);
  }

  /** Acknowledgements of captures that have left the ring are of no use. */
  private forgetOldCaptures(): void {
    if (Math.max(this.durable.size, this.newest.size) <= 8) return;
    const present = new Set<string>();
    for (const group of this.groups) {
      for (const item of group.items) {
        if (item.type === 'sample') present.add(trackKey(item.capture.captureId, item.trackId));
      }
    }
    for (const known of [this.durable, this.newest]) {
      for (const key of known.keys()) if (!present.has(key)) known.delete(key);
    }
  }

  /** Where a new manager begins: the oldest gap, or the start of the oldest GOP that is not durable as a whole. */
  resumeAt(): number {
    return this.losses[0]?.number ?? this.groups[0]?.first ?? this.next;
  }

  resume(): Resume {
    const firsts = new Map<string, number>();
    for (const { captureId, trackId, through } of this.durable.values()) {
      firsts.set(trackKey(captureId, trackId), through + 1);
    }
    for (const [key, first] of this.firstKeyframes()) firsts.set(key, first);
    const wants = (item: BacklogItem): boolean => {
      if (item.type === 'gap') return true;
      return item.sample.sequence >= (firsts.get(trackKey(item.capture.captureId, item.trackId)) ?? 0);
    };
    return { number: this.resumeAt(), wants };
  }

  /** Where video tracks of which something is durable begin: the last keyframe from which the rest can be decoded. */
  private firstKeyframes(): Map<string, number> {
    const keyframes = new Map<string, number>();
    for (const { items } of this.groups) {
      for (const item of items) {
        if (item.type === 'gap' || item.capture.tracks[item.trackId - 1]?.kind !== 'video') continue;
        const key = trackKey(item.capture.captureId, item.trackId);
        const through = this.durable.get(key)?.through;
        if (through === undefined) continue;
        const { keyframe, sequence } = item.sample;
        if (!keyframes.has(key) || (keyframe && sequence <= through + 1)) keyframes.set(key, sequence);
      }
    }
    return keyframes;
  }

  read(number: number): { number: number; item: BacklogItem } | undefined {
    const oldest = this.groups[0];
    if (oldest === undefined || number >= this.next) return undefined;
    const loss = this.losses.find((one) => one.number >= number);
    if (loss !== undefined) return { number: loss.number, item: loss.gap };
    if (number <= oldest.first) return { number: oldest.first, item: oldest.items[0] as BacklogItem };
    let low = 0;
    let high = this.groups.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.groups[middle] as Group).first <= number) low = middle;
      else high = middle - 1;
    }
    const group = this.groups[low] as Group;
    return { number, item: group.items[number - group.first] as BacklogItem };
  }
}
