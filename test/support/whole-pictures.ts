/**
 * Whether the recordings of a test source lack pictures, and whose fault that is. A camera numbers what its capture
 * process gives it (the sequence), and the source has drawn a number into each picture before. So:
 *
 * - a sequence that is missing was captured and is not on the disk: it was lost;
 * - where pictures come out broken, something was lost between the encoder and the numbering;
 * - a drawn number that is missing, between two sequences that follow each other and are that much further apart in
 *   time, was never drawn: the source leaves pictures out when the machine lets it or its encoder wait for a second.
 */
import { readFileSync } from 'node:fs';
import { parseFragment, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import { assertPlayable, picturesOf } from './recorded-video.ts';

/** A picture on the disk: its number in the capture, its time on the camera's clock, and the number drawn into it. */
export interface StoredPicture {
  readonly sequence: number;
  readonly ptsUs: number;
  readonly frameNumber: number;
}

/** The pictures of one file, in its order. */
export interface StoredPictures {
  readonly path: string;
  readonly camera: string;
  /** of the start of the camera, dot, how often it had started to capture before */
  readonly captureId: string;
  readonly pictures: readonly StoredPicture[];
}

/** What is wrong with recordings, for a person. */
export interface WholePictures {
  /** what was captured and is not on the disk as it was */
  readonly lost: readonly string[];
  /** what the sources never drew */
  readonly leftOut: readonly string[];
}

/** Reads a segment and decodes its pictures. Rejects when it is not whole, or when ffmpeg or ffprobe complain about it. */
export async function readPictures(
  path: string,
  { width, height }: { width: number; height: number },
): Promise<StoredPictures> {
  const file = readFileSync(path);
  const readAt = (offset: number, length: number): Promise<Buffer> =>
    Promise.resolve(file.subarray(offset, offset + length));
  const { tracks, fragments, damage } = await scanSegment(readAt, file.length, { payload: true });
  if (damage !== undefined) throw new Error(`${path}: ${damage}`);
  const videoTrack = 1 + tracks.findIndex(({ kind }) => kind === 'video');
  const samples = fragments.flatMap(({ offset, bytes }) => {
    const parsed = parseFragment(file.subarray(offset, offset + bytes));
    if (!parsed.ok) throw new Error(`${path}: ${parsed.reason}`);
    return parsed.value.batches.flatMap((batch) => (batch.trackId === videoTrack ? batch.samples : []));
  });
  // What is shown behind a hole is broken: this says more.
  const holes = holesOf(path, samples);
  if (holes.length > 0) throw new Error(holes.join('; '));
  await assertPlayable(path);
  const decoded = await picturesOf(path, width, height);
  if (decoded.length !== samples.length)
    throw new Error(`${path}: ${decoded.length} pictures decoded of ${samples.length}`);
  const pictures = samples.map(({ sequence, ptsUs }, place) => {
    return { sequence, ptsUs, frameNumber: decoded[place]?.frameNumber ?? Number.NaN };
  });
  const { camera = '', captureId = '' } = tracks[0] ?? {};
  return { path, camera, captureId, pictures };
}

/** Judges all files of a network together: what one server has not may be another's, but each file is without holes. */
export function judgePictures(files: readonly StoredPictures[], frameRate: number): WholePictures {
  const lost: string[] = [];
  const leftOut: string[] = [];
  for (const { path, pictures } of files) {
    if (pictures.length === 0) lost.push(`${path} has no picture`);
    lost.push(...holesOf(path, pictures));
  }
  for (const captureId of new Set(files.map((file) => file.captureId))) {
    const own = files.filter((file) => file.captureId === captureId);
    const name = `${own[0]?.camera}, capture ${captureId}`;
    const found = judgeCapture(own, frameRate);
    lost.push(...found.lost.map((fault) => `${name} ${fault}`));
    // The capture process of a camera counts; nothing says how much it would have drawn in between.
    if (!captureId.endsWith('.0')) leftOut.push(`${name} is not the first`);
    if (found.leftOut > 0) leftOut.push(`${name} left out ${found.leftOut} beside ${found.pictures}`);
  }
  return { lost, leftOut };
}

/** In a file each picture follows the one before it. */
function holesOf(path: string, pictures: readonly { sequence: number }[]): string[] {
  return pictures.flatMap(({ sequence }, place) => {
    const before = pictures[place - 1];
    if (before === undefined || sequence === before.sequence + 1) return [];
    return [`${path} has picture ${sequence} behind ${before.sequence}`];
  });
}

/** One capture, from its very first picture: nothing but time passes between pictures that follow each other. */
function judgeCapture(
  files: readonly StoredPictures[],
  frameRate: number,
): { lost: string[]; leftOut: number; pictures: number } {
  const lost: string[] = [];
  const known = new Map<number, StoredPicture>();
  for (const picture of files.flatMap(({ pictures }) => pictures)) {
    const { sequence, frameNumber, ptsUs } = known.get(picture.sequence) ?? picture;
    if (frameNumber !== picture.frameNumber || ptsUs !== picture.ptsUs)
      lost.push(`has two different pictures ${sequence}`);
    known.set(sequence, picture);
  }
  const periodUs = 1_000_000 / frameRate;
  let leftOut = 0;
  let before: StoredPicture | undefined;
  for (const picture of [...known.values()].sort((a, b) => a.sequence - b.sequence)) {
    const expected = before === undefined ? 0 : before.sequence + 1;
    if (picture.sequence !== expected) lost.push(`lacks pictures ${expected} to ${picture.sequence - 1}`);
    else if (before !== undefined) {
      const step = picture.frameNumber - before.frameNumber;
      const laterUs = picture.ptsUs - before.ptsUs;
      if (step < 1 || Math.abs(laterUs - step * periodUs) > periodUs / 2)
        lost.push(`shows frame ${picture.frameNumber} ${laterUs} µs after frame ${before.frameNumber}`);
      else leftOut += step - 1;
    }
    before = picture;
  }
  return { lost, leftOut, pictures: known.size };
}
