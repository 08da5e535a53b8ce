/**
 * The samples of one track of a progressive MP4 as its tables want them: ISO/IEC 14496-12 §8.6.1 (times), §8.7 (sizes
 * and places).
 *
 * Invariants: about 20 bytes a sample, in typed arrays; consecutive payload is one chunk; decode times never step
 * back. Times are µs, offsets bytes in the payload.
 */
import { fullBox, u32s } from './mp4-boxes.ts';
import type { TrackRun } from './mp4-reader.ts';

/** From the finest down; the first whose deltas fit is taken. */
const timescales = [1_000_000, 90_000, 1_000, 100] as const;
/** Some players read deltas as signed. */
const deltaMax = 0x7fff_ffff;

/** A list of numbers that grows. */
class Column {
  private values: Float64Array | Uint32Array | Int32Array;
  length = 0;

  constructor(empty: Float64Array | Uint32Array | Int32Array) {
    this.values = empty;
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const Kind = this.values.constructor as new (length: number) => typeof this.values;
      const grown = new Kind(Math.max(1024, this.length * 2));
      grown.set(this.values);
      this.values = grown;
    }
    this.values[this.length++] = value;
  }

  at(place: number): number {
    return this.values[place] ?? 0;
  }
}

export class SampleTable {
  private readonly decodeUs = new Column(new Float64Array(0));
  private readonly compositionUs = new Column(new Int32Array(0));
  private readonly sizes = new Column(new Uint32Array(0));
  private readonly keyframes = new Column(new Uint32Array(0));
  /** offset, and the number of samples up to its end */
  private readonly chunkOffsets = new Column(new Float64Array(0));
  private readonly chunkEnds = new Column(new Uint32Array(0));
  private nextOffset = -1;
  private longestUs = 0;
  private composed = false;
  /** until when the last sample is shown, and where the next would be decoded */
  endUs = 0;
  decodeEndUs = 0;
  /** when the first sample is shown */
  shownUs = Number.POSITIVE_INFINITY;

  get count(): number {
    return this.sizes.length;
  }

  /** Decode time of the first sample. */
  get startUs(): number {
    return this.decodeUs.at(0);
  }

  /** Adds samples whose offsets count from `base`. */
  add(samples: TrackRun['samples'], base: number): void {
    for (const sample of samples) {
      const last = this.count === 0 ? 0 : this.decodeUs.at(this.count - 1);
      const decodeUs = Math.max(last, sample.ptsUs - sample.compositionUs);
      if (this.count > 0) this.longestUs = Math.max(this.longestUs, decodeUs - last);
      this.decodeUs.push(decodeUs);
      this.compositionUs.push(sample.ptsUs - decodeUs);
      this.composed ||= sample.ptsUs !== decodeUs;
      this.sizes.push(sample.bytes);
      if (sample.keyframe) this.keyframes.push(this.count);
      const offset = base + sample.offset;
      if (offset === this.nextOffset) this.chunkEnds.length -= 1;
      else this.chunkOffsets.push(offset);
      this.chunkEnds.push(this.count);
      this.nextOffset = offset + sample.bytes;
      this.shownUs = Math.min(this.shownUs, sample.ptsUs);
      this.decodeEndUs = Math.max(this.decodeEndUs, decodeUs + sample.durationUs);
      this.endUs = Math.max(this.endUs, this.decodeEndUs, sample.ptsUs + sample.durationUs);
      this.longestUs = Math.max(this.longestUs, sample.durationUs);
    }
  }

  /** Units per second in which every delta fits. */
  timescale(): number {
    return timescales.find((scale) => (this.longestUs * scale) / 1_000_000 < deltaMax) ?? timescales[3];
  }

  /** The boxes of `stbl` behind the description; `payloadAt` is where the payload begins in the file. */
  boxes(timescale: number, payloadAt: number): Buffer[] {
    const units = (us: number): number => Math.round((us * timescale) / 1_000_000);
    const time = (place: number): number => units(this.decodeUs.at(place) - this.startUs);
    const end = units(this.decodeEndUs - this.startUs);
    const stts = runLengths(this.count, (i) => (i + 1 < this.count ? time(i + 1) : end) - time(i));
    const boxes = [fullBox('stts', 0, 0, ...stts)];
    if (this.composed) {
      const shown = (i: number): number =>
        units(this.decodeUs.at(i) - this.startUs + this.compositionUs.at(i));
      boxes.push(fullBox('ctts', 1, 0, ...runLengths(this.count, (i) => (shown(i) - time(i)) >>> 0)));
    }
    if (this.keyframes.length < this.count) boxes.push(fullBox('stss', 0, 0, ...column(this.keyframes)));
    return [
      ...boxes,
      this.stsc(),
      fullBox('stsz', 0, 0, u32s(0), ...column(this.sizes)),
      this.co64(payloadAt),
    ];
  }

  /** Sample to chunk (§8.7.4): an entry where the number of samples in a chunk changes. */
  private stsc(): Buffer {
    const entries: number[] = [];
    let previous = 0;
    for (let chunk = 0; chunk < this.chunkOffsets.length; chunk++) {
      const samples = this.chunkEnds.at(chunk) - (chunk === 0 ? 0 : this.chunkEnds.at(chunk - 1));
      if (samples !== previous) entries.push(chunk + 1, samples, 1);
      previous = samples;
    }
    const bytes = Buffer.alloc(4 + entries.length * 4);
    bytes.writeUInt32BE(entries.length / 3, 0);
    for (const [place, value] of entries.entries()) bytes.writeUInt32BE(value, 4 + place * 4);
    return fullBox('stsc', 0, 0, bytes);
  }

  /** Chunk offsets (§8.7.5). */
  private co64(payloadAt: number): Buffer {
    const bytes = Buffer.alloc(4 + this.chunkOffsets.length * 8);
    bytes.writeUInt32BE(this.chunkOffsets.length, 0);
    for (let chunk = 0; chunk < this.chunkOffsets.length; chunk++) {
      bytes.writeBigUInt64BE(BigInt(payloadAt + this.chunkOffsets.at(chunk)), 4 + chunk * 8);
    }
    return fullBox('co64', 0, 0, bytes);
  }
}

/** Count, then each value. */
function column(values: Column): Buffer[] {
  const bytes = Buffer.alloc(values.length * 4);
  for (let place = 0; place < values.length; place++) bytes.writeUInt32BE(values.at(place), place * 4);
  return [u32s(values.length), bytes];
}

/** Number of entries, then how often each value comes in a row, and the value (unsigned). */
function runLengths(count: number, valueOf: (place: number) => number): Buffer[] {
  const entries = new Column(new Uint32Array(0));
  let [repeats, value] = [0, 0];
  for (let place = 0; place < count; place++) {
    const next = valueOf(place);
    if (repeats > 0 && next !== value) {
      entries.push(repeats);
      entries.push(value);
      repeats = 0;
    }
    value = next;
    repeats += 1;
  }
  entries.push(repeats);
  entries.push(value);
  const [, bytes] = column(entries);
  return [u32s(entries.length / 2), bytes as Buffer];
}
