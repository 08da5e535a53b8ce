/**
 * Segments in memory, as servers would have them after a camera sent them stretches of its captures, and holders that
 * answer from them. A capture has 8 s of video (10 frames/s, 1 s GOPs) and sound; a payload says whose it is.
 */
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import type { Sample } from '../../firmware/media/sample.ts';
import type { SegmentDetail } from '../../firmware/recording/archive.ts';
import { FragmentAssembler } from '../../firmware/recording/fragment-assembler.ts';
import type { Holder } from '../../firmware/viewing/holders.ts';
import { audioTrack, videoTrack } from './media-samples.ts';

export const noonUs = Date.parse('2026-11-22T12:00:00Z') * 1000;
const frameUs = 100_000;
const soundUs = 64_000;
const gopFrames = 10;
export const gops = 8;
/** With B-frames pictures are shown in another order than they are decoded; counted in frames after the decode time. */
const reordered = [1, 3, 0, 0, 3, 0, 0, 3, 0, 0];

/** All that one capture of the camera made. */
function captured(bFrames: boolean): { video: Sample[]; audio: Sample[] } {
  const sample = (sequence: number, decodeUs: number, durationUs: number, kind: number): Sample => {
    const compositionUs = kind === 1 && bFrames ? (reordered[sequence % gopFrames] ?? 0) * frameUs : 0;
    const keyframe = kind === 2 || sequence % gopFrames === 0;
    const payload = Buffer.from([kind, sequence >> 8, sequence & 0xff]);
    const ptsUs = decodeUs + compositionUs;
    return { sequence, ptsUs, durationUs, compositionUs, keyframe, payload: [payload], bytes: 3 };
  };
  const lengthUs = gops * gopFrames * frameUs;
  return {
    video: Array.from({ length: gops * gopFrames }, (_, i) => sample(i, i * frameUs, frameUs, 1)),
    audio: Array.from({ length: Math.floor(lengthUs / soundUs) }, (_, i) =>
      sample(i, i * soundUs, soundUs, 2),
    ),
  };
}

/** A stretch of a capture that a server got at one go. */
export interface Delivery {
  readonly holder: number;
  readonly capture: number;
  /** where it begins, and how many frames it goes on */
  readonly gop: number;
  readonly frames: number;
  /** sound begins and ends so many samples off the picture */
  readonly soundLate: number;
  readonly soundEarly: number;
  /** fragments in one segment */
  readonly perSegment: number;
  /** its clock differs by so much, µs */
  readonly clockOffUs: number;
  /** fragments at the end that did not reach the disk */
  readonly lostTail: number;
  /** of its pictures, when it is not the usual one */
  readonly width?: number;
}

export interface StoredSegment {
  readonly holder: string;
  readonly detail: SegmentDetail;
  readonly file: Buffer;
  readonly samples: { readonly video: Sample[]; readonly audio: Sample[] };
}

export function store(delivery: Delivery, place: number, bFrames: boolean): StoredSegment[] {
  const captureId = `boot.${delivery.capture}`;
  const usual = videoTrack(captureId);
  const { width = usual.format.width } = delivery;
  const tracks = [{ ...usual, format: { ...usual.format, width } }, audioTrack(captureId)];
  const all = captured(bFrames);
  const first = delivery.gop * gopFrames;
  const video = all.video.slice(first, first + delivery.frames);
  const sound = (frame: number): number => Math.floor((frame * frameUs) / soundUs);
  const audio = all.audio.slice(
    Math.max(0, sound(first) + delivery.soundLate),
    sound(first + delivery.frames) + delivery.soundEarly,
  );
  const assembler = new FragmentAssembler(tracks);
  const arrivals = [
    ...video.map((sample) => ({ trackId: 1, sample, atUs: sample.ptsUs - sample.compositionUs })),
    ...audio.map((sample) => ({ trackId: 2, sample, atUs: sample.ptsUs })),
  ].sort((a, b) => a.atUs - b.atUs);
  const assembled = [
    ...arrivals.flatMap(({ trackId, sample }) => assembler.push(trackId, sample)),
    ...assembler.flush(),
  ];
  const kept = assembled.slice(0, Math.max(1, assembled.length - delivery.lostTail));
  const offsetUs = noonUs + delivery.capture * 3_600_000_000 + delivery.clockOffUs;
  const mapping = { offsetUs, uncertaintyUs: 1 };
  const segments: StoredSegment[] = [];
  let rest = kept;
  while (rest.length > 0) {
    let count = Math.min(delivery.perSegment, rest.length);
    while (count < rest.length && !rest[count]?.startsOnKeyframe) count += 1;
    const content = rest.slice(0, count);
    rest = rest.slice(count);
    const init = initSegment(tracks);
    const parts: Uint8Array[] = [init];
    const fragments: SegmentDetail['fragments'][number][] = [];
    let offset = init.length;
    for (const { batches } of content) {
      const built = fragment({ sequenceNumber: 1, batches, mapping, captureId });
      parts.push(...built.parts);
      const listed = batches.map(({ trackId, samples }) => {
        return { trackId, firstSequence: samples[0]?.sequence ?? 0, count: samples.length };
      });
      const { bytes, fromPtsUs, toPtsUs } = built;
      fragments.push({ offset, bytes, fromPtsUs, toPtsUs, mapping, tracks: listed });
      offset += bytes;
    }
    const fromUs = (fragments[0]?.fromPtsUs ?? 0) + offsetUs;
    const toUs = Math.max(...fragments.map(({ toPtsUs }) => toPtsUs)) + offsetUs;
    const name = `2026-11-22/120000.000Z-${place}-${segments.length}`;
    const listing = {
      camera: 'door',
      name,
      fromUs,
      toUs,
      bytes: offset,
      captureId,
      epoch: place,
      open: false,
    };
    const of = (trackId: number): Sample[] => {
      return content.flatMap(({ batches }) =>
        batches.flatMap((batch) => (batch.trackId === trackId ? [...batch.samples] : [])),
      );
    };
    segments.push({
      holder: `s${delivery.holder}`,
      detail: { listing, initBytes: init.length, tracks, fragments },
      file: Buffer.concat(parts),
      samples: { video: of(1), audio: of(2) },
    });
  }
  return segments;
}

export function holdersOf(stored: readonly StoredSegment[]): Holder[] {
  const find = (server: string, name: string): StoredSegment | undefined =>
    stored.find(({ holder, detail }) => holder === server && detail.listing.name === name);
  return [...new Set(stored.map(({ holder }) => holder))].map((server) => ({
    server,
    list: (_, { fromUs, toUs }) => {
      const overlaps = ({ detail: { listing } }: StoredSegment): boolean =>
        listing.fromUs < toUs && listing.toUs > fromUs;
      const own = stored.filter((one) => one.holder === server && overlaps(one));
      const segments = own.map(({ detail }) => detail.listing).sort((a, b) => a.fromUs - b.fromUs);
      return Promise.resolve({ segments, gaps: [], truncated: false });
    },
    detail: (_, name) => Promise.resolve(find(server, name)?.detail),
    read: (_, name, offset, length) =>
      Promise.resolve(find(server, name)?.file.subarray(offset, offset + length) ?? Buffer.alloc(0)),
  }));
}
