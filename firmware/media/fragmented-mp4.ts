/**
 * Fragmented MP4 as it is stored, streamed live and exported: an init segment (`ftyp moov`), then fragments
 * (`[prft] [uuid] moof mdat`), ISO/IEC 14496-12 §8.8.
 *
 * Invariants: track id = place + 1; media time is µs, PTS − origin, and nothing is ever rounded; the origin is in the
 * `uuid` box, so the capture clock is never lost; payloads are passed on by reference; one header buffer of exact size
 * per fragment.
 */
import assert from 'node:assert';
import { encode } from '../base/codec.ts';
import { fragmentMark } from './fragment-mark.ts';
import { ftyp, moov } from './mp4-boxes.ts';
import { planRun, type Run, writeBox, writeMoof, writePrft, writeUuid } from './mp4-fragment-boxes.ts';
import type { Sample, TrackDescription, TrackFormat, UtcMapping } from './sample.ts';
import { fragmentBox, markBytes, tracksMax } from './self-description.ts';

/** Most samples in one fragment, over all tracks. */
export const fragmentSamplesMax = 16_384;

/** Consecutive samples of one track; sequences run without a break. `endPtsUs` is the next sample's PTS, if known. */
export interface Batch {
  readonly trackId: number;
  readonly samples: readonly Sample[];
  readonly endPtsUs?: number | undefined;
}

/** What goes into one fragment. Batches without samples are left out; put video first, `prft` speaks of the first. */
export interface FragmentOptions {
  readonly sequenceNumber: number;
  readonly batches: readonly Batch[];
  readonly mapping?: UtcMapping | undefined;
  readonly captureId?: string | undefined;
  /** PTS that is media time 0 (default 0), not later than the first decode time of the file */
  readonly originUs?: number | undefined;
}

/** A fragment ready for one writev: `parts` is `header` and then the payloads by reference, `bytes` long in all. */
export interface Fragment {
  readonly header: Buffer;
  readonly parts: Uint8Array[];
  readonly bytes: number;
  /** PTS of the first sample and end of the last, of all tracks, µs */
  readonly fromPtsUs: number;
  readonly toPtsUs: number;
}

/** `ftyp` and `moov` for these tracks, at most 16. */
export function initSegment(tracks: readonly TrackDescription[]): Buffer {
  assert(tracks.length > 0 && tracks.length <= tracksMax, `${tracks.length} tracks`);
  return Buffer.concat([ftyp(), moov(tracks)]);
}

/**
 * Muxes samples of one or more tracks into a fragment (ISO/IEC 14496-12 §8.8, §8.16.5). With a mapping it begins
 * with `prft`; with a mapping or a capture id it carries the `uuid` box that makes it self-describing. At least one
 * sample and at most `fragmentSamplesMax`; payloads below 4 GiB.
 */
export function fragment(options: FragmentOptions): Fragment {
  const runs: Run[] = [];
  let samples = 0;
  let payloadBytes = 0;
  let moofBytes = 8 + 16;
  for (const batch of options.batches) {
    if (batch.samples.length === 0) continue;
    const { trackId, samples: content, endPtsUs } = batch;
    const run = planRun({ trackId, samples: content, endPtsUs, originUs: options.originUs ?? 0 });
    runs.push(run);
    samples += batch.samples.length;
    payloadBytes += run.payloadBytes;
    moofBytes += run.trafBytes;
  }
  const first = runs[0];
  assert(first !== undefined && samples <= fragmentSamplesMax, `${samples} samples in a fragment`);
  assert(payloadBytes + 8 <= 0xffff_ffff, `${payloadBytes} bytes in a fragment`);

  const description = describe(options, runs);
  const prftBytes = options.mapping === undefined ? 0 : 32;
  const uuidBytes = description === undefined ? 0 : 24 + description.length;
  const header = Buffer.allocUnsafe(prftBytes + uuidBytes + moofBytes + 8);
  if (options.mapping !== undefined) writePrft(header, first, options.mapping);
  if (description !== undefined) writeUuid(header, prftBytes, description);
  const extent = writeMoof(header, prftBytes + uuidBytes, moofBytes, options.sequenceNumber, runs);
  writeBox(header, header.length - 8, payloadBytes + 8, 'mdat');

  const parts: Uint8Array[] = [header];
  for (const run of runs) {
    for (const sample of run.samples) {
      for (const part of sample.payload) parts.push(part);
    }
  }
  if (description !== undefined) {
    header.writeUInt32BE(fragmentMark(header, parts.slice(1)), prftBytes + uuidBytes - markBytes);
  }
  return { header, parts, bytes: header.length + payloadBytes, fromPtsUs: extent.from, toPtsUs: extent.to };
}

/** The content of the `uuid` box, or undefined when there is nothing to say. */
function describe(options: FragmentOptions, runs: readonly Run[]): Buffer | undefined {
  if (options.mapping === undefined && options.captureId === undefined) return undefined;
  return encode(fragmentBox, {
    captureId: options.captureId,
    mapping: options.mapping,
    originUs: options.originUs ?? 0,
    tracks: runs.map(({ trackId, samples, first }) => ({
      trackId,
      firstSequence: first.sequence,
      count: samples.length,
    })),
    // Filled in when all else is written.
    mark: 0,
  });
}

/** RFC 6381 name of a codec: `avc1.PPCCLL` from avcC, `mp4a.40.N` from the AudioSpecificConfig. */
export function codecString(format: TrackFormat): string {
  if (format.codec === 'h264') return `avc1.${format.config.subarray(1, 4).toString('hex')}`;
  const first = format.config[0] ?? 0;
  const objectType = first >> 3;
  // 31 escapes to six more bits (ISO/IEC 14496-3 §1.6.2.1)
  const escaped = 32 + (((first & 7) << 3) | ((format.config[1] ?? 0) >> 5));
  return `mp4a.40.${objectType === 31 ? escaped : objectType}`;
}

/** Media type for MediaSource, such as `video/mp4; codecs="avc1.42c01e,mp4a.40.2"`. */
export function mimeType(tracks: readonly TrackDescription[]): string {
  const type = tracks.some((track) => track.kind === 'video') ? 'video' : 'audio';
  return `${type}/mp4; codecs="${tracks.map((track) => codecString(track.format)).join(',')}"`;
}

/** Whether samples of both may follow one init segment: same kinds, codecs, configs and sizes, in the same order. */
export function compatible(a: readonly TrackDescription[], b: readonly TrackDescription[]): boolean {
  return a.length === b.length && a.every((track, place) => sameTrack(track, b[place]));
}

function sameTrack(a: TrackDescription, b: TrackDescription | undefined): boolean {
  if (b === undefined || a.kind !== b.kind) return false;
  const x = a.format;
  const y = b.format;
  return (
    x.codec === y.codec &&
    x.width === y.width &&
    x.height === y.height &&
    x.sampleRate === y.sampleRate &&
    x.channels === y.channels &&
    x.config.equals(y.config)
  );
}
