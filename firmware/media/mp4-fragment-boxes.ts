/**
 * The boxes of a fragment, one function each, written into one buffer that the caller has sized: ISO/IEC 14496-12
 * §8.8 (movie fragments), §8.16.5 (producer reference time), §11.1 (user extensions).
 *
 * Invariants: `planRun` knows the exact size of a track fragment before anything is written; samples keep their PTS
 * even when they arrive disordered: decode times then stand still and a signed composition offset carries the
 * difference (right up to ± 35 min inside one fragment, far more than a fragment lasts). Times are µs. This is the
 * recorder's hot path: no objects per sample.
 */
import assert from 'node:assert';
import type { Sample, UtcMapping } from './sample.ts';
import { fragmentBoxType } from './self-description.ts';

/** `tr_flags` of a sample (§8.8.3.1): depends on no other, or depends on others and is no sync sample. */
const keyframeFlags = 0x0200_0000;
const deltaFlags = 0x0101_0000;

/** §8.8.8: which optional fields a `trun` carries. */
const trunDataOffset = 0x1;
const trunDuration = 0x100;
const trunSize = 0x200;
const trunSampleFlags = 0x400;
const trunComposition = 0x800;

/** Consecutive samples of one track, and the size and shape of their `traf`. */
export interface Run {
  readonly trackId: number;
  readonly samples: readonly Sample[];
  /** the next sample's PTS */
  readonly endPtsUs: number | undefined;
  /** PTS that is media time 0 */
  readonly originUs: number;
  readonly first: Sample;
  readonly trunFlags: number;
  readonly trafBytes: number;
  readonly payloadBytes: number;
}

/** Sizes the track fragment of at least one sample. */
export function planRun(content: Pick<Run, 'trackId' | 'samples' | 'endPtsUs' | 'originUs'>): Run {
  const { samples } = content;
  const first = samples[0];
  assert(first !== undefined);
  let payloadBytes = 0;
  let trunFlags = trunDataOffset | trunDuration | trunSize;
  let sampleBytes = 8;
  let mixed = false;
  let composed = first.ptsUs < content.originUs;
  let previousPtsUs = first.ptsUs;
  for (const sample of samples) {
    payloadBytes += sample.bytes;
    if (sample.keyframe !== first.keyframe) mixed = true;
    if (sample.compositionUs !== 0 || sample.ptsUs < previousPtsUs) composed = true;
    previousPtsUs = sample.ptsUs;
  }
  if (mixed) {
    trunFlags |= trunSampleFlags;
    sampleBytes += 4;
  }
  if (composed) {
    trunFlags |= trunComposition;
    sampleBytes += 4;
  }
  const trafBytes = 8 + 20 + 20 + 20 + samples.length * sampleBytes;
  return { ...content, first, trunFlags, trafBytes, payloadBytes };
}

/** Size and type of a box (§4.2). */
export function writeBox(target: Buffer, at: number, bytes: number, type: string): void {
  target.writeUInt32BE(bytes, at);
  target.write(type, at + 4, 4, 'latin1');
}

function writeU64(target: Buffer, at: number, value: number): void {
  target.writeUInt32BE(Math.floor(value / 0x1_0000_0000) >>> 0, at);
  target.writeUInt32BE(value >>> 0, at + 4);
}

/** Seconds from 1900 (NTP) to 1970. */
const ntpEpochSeconds = 2_208_988_800;

/** Producer reference time (§8.16.5) at offset 0; flags 24: the UTC at which the pictured event happened. */
export function writePrft(target: Buffer, run: Run, mapping: UtcMapping): void {
  const mediaUs = Math.max(0, run.first.ptsUs - run.originUs);
  const utcUs = run.originUs + mediaUs + mapping.offsetUs;
  const seconds = Math.floor(utcUs / 1_000_000);
  const fraction = Math.floor(((utcUs - seconds * 1_000_000) / 1_000_000) * 0x1_0000_0000);
  writeBox(target, 0, 32, 'prft');
  target.writeUInt32BE(0x0100_0018, 8);
  target.writeUInt32BE(run.trackId, 12);
  target.writeUInt32BE((seconds + ntpEpochSeconds) >>> 0, 16);
  target.writeUInt32BE(fraction >>> 0, 20);
  writeU64(target, 24, mediaUs);
}

/** Our own description (§11.1). */
export function writeUuid(target: Buffer, at: number, description: Buffer): void {
  writeBox(target, at, 24 + description.length, 'uuid');
  fragmentBoxType.copy(target, at + 8);
  description.copy(target, at + 24);
}

/** The PTS range that was written. */
export interface Extent {
  from: number;
  to: number;
}

/** Movie fragment (§8.8.4) with its header (§8.8.5). */
export function writeMoof(
  target: Buffer,
  at: number,
  bytes: number,
  sequence: number,
  runs: readonly Run[],
): Extent {
  writeBox(target, at, bytes, 'moof');
  writeBox(target, at + 8, 16, 'mfhd');
  target.writeUInt32BE(0, at + 16);
  target.writeUInt32BE(sequence >>> 0, at + 20);
  const extent = { from: Number.POSITIVE_INFINITY, to: Number.NEGATIVE_INFINITY };
  let trafAt = at + 24;
  let dataOffset = bytes + 8;
  for (const run of runs) {
    writeTraf(target, trafAt, run, dataOffset, extent);
    trafAt += run.trafBytes;
    dataOffset += run.payloadBytes;
  }
  return extent;
}

/** Track fragment (§8.8.6): header (§8.8.7, default-base-is-moof), decode time (§8.8.12), one run. */
function writeTraf(target: Buffer, at: number, run: Run, dataOffset: number, extent: Extent): void {
  const { first } = run;
  const decodeUs = Math.max(0, first.ptsUs - first.compositionUs - run.originUs);
  writeBox(target, at, run.trafBytes, 'traf');
  writeBox(target, at + 8, 20, 'tfhd');
  target.writeUInt32BE(0x02_0020, at + 16);
  target.writeUInt32BE(run.trackId, at + 20);
  target.writeUInt32BE(first.keyframe ? keyframeFlags : deltaFlags, at + 24);
  writeBox(target, at + 28, 20, 'tfdt');
  target.writeUInt32BE(0x0100_0000, at + 36);
  writeU64(target, at + 40, decodeUs);
  writeTrun(target, at + 48, run, { dataOffset, decodeUs, extent });
}

/** Track run (§8.8.8): the samples one after another. */
function writeTrun(
  target: Buffer,
  at: number,
  run: Run,
  start: { dataOffset: number; decodeUs: number; extent: Extent },
): void {
  const { samples, endPtsUs, originUs } = run;
  const composed = (run.trunFlags & trunComposition) !== 0;
  const mixed = (run.trunFlags & trunSampleFlags) !== 0;
  writeBox(target, at, run.trafBytes - 48, 'trun');
  target.writeUInt32BE((composed ? 0x0100_0000 : 0) + run.trunFlags, at + 8);
  target.writeUInt32BE(samples.length, at + 12);
  target.writeUInt32BE(start.dataOffset, at + 16);
  let place = at + 20;
  let decodeUs = start.decodeUs;
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] as Sample;
    const next = samples[i + 1];
    const nextUs = next === undefined ? endPtsUs : next.ptsUs;
    const nextDecodeUs =
      nextUs === undefined ? undefined : nextUs - originUs - (next ?? run.first).compositionUs;
    const durationUs = durationOf(sample, decodeUs, nextDecodeUs, next === undefined);
    place = target.writeUInt32BE(durationUs, place);
    place = target.writeUInt32BE(sample.bytes, place);
    if (mixed) place = target.writeUInt32BE(sample.keyframe ? keyframeFlags : deltaFlags, place);
    if (composed)
      place = target.writeInt32BE(
        clamp(sample.ptsUs - originUs - decodeUs, -0x8000_0000, 0x7fff_ffff),
        place,
      );
    if (sample.ptsUs < start.extent.from) start.extent.from = sample.ptsUs;
    if (sample.ptsUs + durationUs > start.extent.to) start.extent.to = sample.ptsUs + durationUs;
    decodeUs += durationUs;
  }
}

/** Up to the next decode time; the last sample takes its nominal duration where the next is unknown or not later. */
function durationOf(
  sample: Sample,
  decodeUs: number,
  nextDecodeUs: number | undefined,
  last: boolean,
): number {
  if (nextDecodeUs === undefined || (last && nextDecodeUs <= decodeUs)) return sample.durationUs;
  return clamp(nextDecodeUs - decodeUs, 0, 0xffff_ffff);
}

function clamp(value: number, min: number, max: number): number {
  return value < min ? min : value > max ? max : value;
}
