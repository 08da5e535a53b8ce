/**
 * The keyframe nearest at or before a time, whichever server holds it: as one sample of fragmented MP4, with its time
 * and the next one's. What this server has itself is answered without asking anybody; else the holder that answered
 * last for this time is asked first, then all others at once.
 *
 * Invariants: a server is asked for its own recordings only; what it says is checked and bounded; servers that do not
 * answer are named, and hold an answer up for `peerMs` at most, the one that is asked first once more. Times are µs UTC.
 */
import { Failure } from '../base/failure.ts';
import { codecString, fragment, initSegment } from '../media/fragmented-mp4.ts';
import { parseFragment, parseInit } from '../media/mp4-scanner.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';
import { sampleBytesMax } from '../media/sample.ts';
import type { Archive } from '../recording/archive.ts';
import type { Directory } from './directory.ts';
import { getPeer, type PeerAccess } from './holders.ts';
import { findKeyframe, wholeMs } from './keyframes.ts';
import { formatMs, formatSeconds, parseTime } from './time-query.ts';

/** How long another server may take. */
const peerMs = 2_000;
/** A keyframe with its init segment. */
const answerBytesMax = sampleBytesMax + 256 * 1024;
/** Cameras of which it is remembered who answered, and for which times. */
const hintsMax = 512;
/** A holder that had one time probably has the times around it. */
const hintUs = 60_000_000;

export const atHeader = 'x-starling-at';
const nextHeader = 'x-starling-next';
/** `1`: from this keyframe to the next nothing is missing */
const continuousHeader = 'x-starling-continuous';

/** A keyframe with its picture. */
export interface Keyframe {
  readonly track: TrackDescription;
  readonly atUs: number;
  readonly durationUs: number;
  readonly uncertaintyUs: number;
  readonly sequence: number;
  /** NAL units with their lengths */
  readonly payload: Buffer;
  readonly continuous: boolean;
}

export interface NearestKeyframe {
  /** undefined when nobody reachable has one at or before the time */
  readonly keyframe: Keyframe | undefined;
  /** the first one after it */
  readonly nextUs: number | undefined;
  /** servers that did not answer */
  readonly unreachable: readonly string[];
}

export interface KeyframeSources extends PeerAccess {
  readonly directory: Directory;
  readonly archive: Archive;
}

/** What one server has. */
type Answer = Omit<NearestKeyframe, 'unreachable'>;

export class KeyframeFinder {
  private readonly hints = new Map<string, { server: string; atUs: number }>();

  /** Looks everywhere, or here alone (`own`). */
  async nearest(
    camera: string,
    timeUs: number,
    sources: KeyframeSources & { own: boolean },
  ): Promise<NearestKeyframe> {
    const own = await ownAnswer(sources.archive, camera, timeUs);
    const others = sources.own ? [] : sources.directory.servers().filter(({ state }) => state !== 'self');
    if (others.length === 0 || own.keyframe?.continuous === true) return { ...own, unreachable: [] };
    const question = { camera, timeUs, sources };
    const reachable = others.filter(({ state }) => state === 'reachable').map(({ id }) => id);
    const hint = this.hints.get(camera);
    const isLikely = (server: string): boolean =>
      server === hint?.server && Math.abs(hint.atUs - timeUs) < hintUs;
    const first = await askAll(reachable.filter(isLikely), question);
    for (const { server, answer } of first) {
      if (answer === undefined) this.hints.delete(camera);
      if (answer?.keyframe?.continuous !== true) continue;
      this.remember(camera, server, timeUs);
      return { ...answer, unreachable: [] };
    }
    const rest = reachable.filter((server) => !isLikely(server));
    const answers = [...first, ...(await askAll(rest, question))];
    const best = bestOf([own, ...answers.flatMap(({ answer }) => answer ?? [])]);
    const from = answers.find(
      ({ answer }) => answer?.keyframe !== undefined && answer.keyframe === best.keyframe,
    );
    if (from !== undefined) this.remember(camera, from.server, timeUs);
    const silent = answers.filter(({ answer }) => answer === undefined).map(({ server }) => server);
    const unreachable = others.filter(({ state }) => state === 'unreachable').map(({ id }) => id);
    return { ...best, unreachable: [...unreachable, ...silent].sort() };
  }

  private remember(camera: string, server: string, atUs: number): void {
    this.hints.delete(camera);
    this.hints.set(camera, { server, atUs });
    const oldest = this.hints.size > hintsMax ? this.hints.keys().next().value : undefined;
    if (oldest !== undefined) this.hints.delete(oldest);
  }
}

async function ownAnswer(archive: Archive, camera: string, timeUs: number): Promise<Answer> {
  const { found, nextUs } = await findKeyframe(archive, camera, timeUs);
  if (found === undefined) return { keyframe: undefined, nextUs };
  const { track, atUs, durationUs, uncertaintyUs, sequence, continuous, segment } = found;
  const payload = await archive.read(camera, segment.name, found.offset, found.bytes);
  if (payload.length < found.bytes) {
    const advice = 'Run starling check on this server.';
    throw new Failure('FILE_IO', `${camera}/${segment.name} is shorter than its index says`, { advice });
  }
  return { keyframe: { track, atUs, durationUs, uncertaintyUs, sequence, payload, continuous }, nextUs };
}

/** The latest keyframe of all, and the first one after it. */
function bestOf(answers: readonly Answer[]): Answer {
  let keyframe: Keyframe | undefined;
  for (const answer of answers) {
    if (answer.keyframe === undefined) continue;
    const same = keyframe !== undefined && answer.keyframe.atUs === keyframe.atUs && !keyframe.continuous;
    if (keyframe === undefined || answer.keyframe.atUs > keyframe.atUs || same) keyframe = answer.keyframe;
  }
  const later = answers.flatMap(({ nextUs }) => nextUs ?? []).filter((us) => us > (keyframe?.atUs ?? 0));
  return { keyframe, nextUs: later.length === 0 ? undefined : Math.min(...later) };
}

interface Question {
  readonly camera: string;
  readonly timeUs: number;
  readonly sources: PeerAccess;
}

/** Asks servers at once; `answer` is undefined for those that gave none. */
function askAll(
  servers: readonly string[],
  { camera, timeUs, sources }: Question,
): Promise<{ server: string; answer: Answer | undefined }[]> {
  const path = `/api/cameras/${camera}/keyframe.mp4?at=${formatSeconds(timeUs)}`;
  return Promise.all(
    servers.map(async (server) => {
      try {
        const limits = { timeoutMs: peerMs, bytesMax: answerBytesMax, headers: {} };
        const { status, headers, bytes } = await getPeer(sources, server, path, limits);
        const answer = readAnswer(camera, { status, headers, bytes });
        // One of the future would win over all that were asked for.
        const isLater = wholeMs(answer?.keyframe?.atUs ?? 0) > wholeMs(timeUs);
        return { server, answer: isLater ? undefined : answer };
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        return { server, answer: undefined };
      }
    }),
  );
}

/** Reads what another server says; undefined when it makes no sense. */
export function readAnswer(
  camera: string,
  answer: { status: number; headers: Readonly<Record<string, string>>; bytes: Buffer },
): Answer | undefined {
  const { status, headers, bytes } = answer;
  const nextUs = timeOf(headers[nextHeader]);
  if (status === 404) return { keyframe: undefined, nextUs };
  const atUs = timeOf(headers[atHeader]);
  const init = status === 200 ? parseInit(bytes) : undefined;
  if (atUs === undefined || init?.ok !== true) return undefined;
  const [track] = init.value.tracks;
  const parsed = parseFragment(bytes.subarray(init.value.initBytes));
  const sample = parsed.ok ? parsed.value.batches[0]?.samples[0] : undefined;
  if (track?.kind !== 'video' || track.camera !== camera || sample === undefined || !sample.keyframe) {
    return undefined;
  }
  const { durationUs, sequence } = sample;
  const exactUs = parsed.ok ? (parsed.value.mapping?.offsetUs ?? atUs) : atUs;
  return {
    keyframe: {
      track,
      atUs: wholeMs(exactUs) === atUs ? exactUs : atUs,
      durationUs,
      uncertaintyUs: (parsed.ok ? parsed.value.mapping?.uncertaintyUs : undefined) ?? 0,
      sequence,
      payload: Buffer.concat(sample.payload),
      continuous: headers[continuousHeader] === '1',
    },
    nextUs,
  };
}

function timeOf(text: string | undefined): number | undefined {
  const time = text === undefined ? undefined : parseTime(text);
  return time?.ok === true ? time.value : undefined;
}

/** The keyframe as `ftyp moov moof mdat`, at media time 0, one sample. */
export function keyframeMp4(keyframe: Keyframe): Buffer {
  const { track, atUs, durationUs, uncertaintyUs, sequence, payload } = keyframe;
  const sample: Sample = {
    sequence,
    ptsUs: 0,
    durationUs,
    compositionUs: 0,
    keyframe: true,
    payload: [payload],
    bytes: payload.length,
  };
  const built = fragment({
    sequenceNumber: 1,
    batches: [{ trackId: 1, samples: [sample] }],
    mapping: { offsetUs: atUs, uncertaintyUs },
    captureId: track.captureId,
  });
  return Buffer.concat([initSegment([track]), ...built.parts]);
}

/** The headers that go with it, or with the refusal when there is none. */
export function keyframeHeaders({ keyframe, nextUs, unreachable }: NearestKeyframe): Record<string, string> {
  const headers: Record<string, string> = {};
  if (nextUs !== undefined) headers[nextHeader] = formatMs(nextUs);
  if (unreachable.length > 0) headers['x-starling-unreachable'] = unreachable.join(',');
  if (keyframe === undefined) return headers;
  headers[atHeader] = formatMs(keyframe.atUs);
  headers['content-type'] = `video/mp4; codecs="${codecString(keyframe.track.format)}"`;
  if (keyframe.continuous) headers[continuousHeader] = '1';
  return headers;
}
