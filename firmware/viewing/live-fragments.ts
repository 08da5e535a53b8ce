/**
 * One camera's live stream as fragmented MP4, built once and shared by all its viewers: the init segment, and one
 * fragment per sample, each as a whole frame of a WebSocket.
 *
 * Invariants: there are two variants of a stream, with and without audio, each with its own running fragment number;
 * a viewer takes an unbroken beginning of each GOP, so the numbers it sees rise. What nobody asks for is not built,
 * and what no sample refers to any longer is forgotten.
 */
import { fragment, initSegment, mimeType } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';
import { binaryFrame } from './framed-socket.ts';

/** What every viewer of one variant shares. */
export interface LiveStream {
  /** for MediaSource */
  readonly mime: string;
  /** pixels; 0 without video */
  readonly width: number;
  readonly height: number;
  /** frame of a WebSocket */
  readonly init: Buffer;
  /** id of the video track among the published tracks; undefined without video */
  readonly videoTrackId: number | undefined;
  /** The sample as one fragment in a frame; undefined when this variant leaves its track out. */
  fragmentOf(trackId: number, sample: Sample): Buffer | undefined;
}

interface Variants {
  video?: LiveStream;
  audio?: LiveStream;
}

/** By the identity of the published list: the hub hands the same one to every viewer. */
const streams = new WeakMap<readonly TrackDescription[], Variants>();

/** The stream of these tracks, main rendition only; undefined when nothing is left of them. */
export function liveStream(tracks: readonly TrackDescription[], audio: boolean): LiveStream | undefined {
  const variants = streams.get(tracks) ?? {};
  streams.set(tracks, variants);
  const variant = audio ? 'audio' : 'video';
  const stream = variants[variant] ?? build(tracks, audio);
  if (stream !== undefined) variants[variant] = stream;
  return stream;
}

function build(tracks: readonly TrackDescription[], audio: boolean): LiveStream | undefined {
  const chosen = tracks.filter((track) => track.rendition === 'main' && (audio || track.kind === 'video'));
  if (chosen.length === 0) return undefined;
  const video = chosen.find((track) => track.kind === 'video');
  const frames = new WeakMap<Sample, Buffer>();
  /** what all viewers ask for one after another */
  let newest: { sample: Sample; frame: Buffer } | undefined;
  let sequenceNumber = 0;
  return {
    mime: mimeType(chosen),
    width: video?.format.width ?? 0,
    height: video?.format.height ?? 0,
    init: binaryFrame([initSegment(chosen)]),
    videoTrackId: video && tracks.indexOf(video) + 1,
    fragmentOf(trackId, sample) {
      if (newest?.sample === sample) return newest.frame;
      const known = frames.get(sample);
      if (known !== undefined) return known;
      const track = tracks[trackId - 1];
      const place = track === undefined ? -1 : chosen.indexOf(track);
      if (place < 0) return undefined;
      sequenceNumber += 1;
      const built = fragment({ sequenceNumber, batches: [{ trackId: place + 1, samples: [sample] }] });
      const frame = binaryFrame(built.parts);
      frames.set(sample, frame);
      newest = { sample, frame };
      return frame;
    },
  };
}
