/**
 * Holders: the servers that have recordings of a camera, this one's archive and every other server over the network,
 * behind one interface, so that lists and playback do not care where a fragment lies.
 *
 * Invariants: a peer answers from its own archive only (`x-starling-own`); everything it says is checked and bounded:
 * what lies outside the range that was asked for is left out, and a list that is not full was not cut; an answer that
 * does not come in time, or makes no sense, is Failure UNREACHABLE. Times are µs UTC.
 */
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { type Gap, gapReasons } from '../media/sample.ts';
import type { Archive, SegmentDetail, SegmentListing } from '../recording/archive.ts';
import type { Directory, PeerClient, PeerRequest, PeerResponse } from './directory.ts';
import { ownHeader } from './peer-headers.ts';
import { detailBytesMax, parseDetail, segmentNameJson } from './segment-json.ts';
import { formatSeconds, parseTime, type TimeRange } from './time-query.ts';

/** Most segments in one list. */
export const segmentsPerListMax = 10_000;
/** How long another server may take to answer with a list or a segment's inside. */
export const peerAnswerMs = 2_000;
/** How long it may take to send the bytes of one read. */
const peerReadMs = 20_000;
const peerJsonBytesMax = 32 * 1024 * 1024;

/** What one holder has of a camera. */
export interface HolderList {
  readonly segments: readonly SegmentListing[];
  readonly gaps: readonly Gap[];
  /** cut at `segmentsPerListMax`; ask again from the last segment's start */
  readonly truncated: boolean;
}

/** One server's recordings. All methods reject with a Failure when the server or the file cannot be read. */
export interface Holder {
  readonly server: string;
  list(camera: string, range: TimeRange): Promise<HolderList>;
  /** Undefined when it has no such segment any longer. */
  detail(camera: string, name: string): Promise<SegmentDetail | undefined>;
  /** Exactly the bytes [offset, offset + length) of a segment. */
  read(camera: string, name: string, offset: number, length: number): Promise<Buffer>;
}

/** This server's archive. */
export function ownHolder(server: string, archive: Archive): Holder {
  return {
    server,
    async list(camera, range) {
      const [segments, gaps] = await Promise.all([
        archive.segments(camera, { ...range, limit: segmentsPerListMax + 1 }),
        archive.gaps(camera, range),
      ]);
      const truncated = segments.length > segmentsPerListMax;
      return { segments: segments.slice(0, segmentsPerListMax), gaps, truncated };
    },
    detail: (camera, name) => archive.detail(camera, name),
    async read(camera, name, offset, length) {
      const bytes = await archive.read(camera, name, offset, length);
      if (bytes.length === length) return bytes;
      throw new Failure('FILE_IO', `${camera}/${name} is shorter than its index says`, {
        advice: 'Run starling check on this server.',
      });
    },
  };
}

/** How other servers are asked. */
export interface PeerAccess {
  readonly peers: PeerClient;
  readonly clock: Clock;
}

/** Another server, asked over the network. */
function peerHolder(server: string, access: PeerAccess): Holder {
  const unreadable = (what: string): Failure =>
    new Failure('UNREACHABLE', `${server} gave ${what}`, {
      advice: 'Check that all servers run the same version.',
    });
  const base = (camera: string): string => `/api/cameras/${camera}`;
  return {
    server,
    async list(camera, { fromUs, toUs }) {
      const path = `${base(camera)}/recordings?from=${formatSeconds(fromUs)}&to=${formatSeconds(toUs)}`;
      const { status, json } = await getPeerJson(access, server, path, peerAnswerMs);
      if (status === 404) return { segments: [], gaps: [], truncated: false };
      const answer = recordingsJson.safeParse(json).data;
      if (answer === undefined) throw unreadable('no list of recordings');
      const asked = (one: TimeRange): boolean => one.fromUs < toUs && one.toUs > fromUs;
      const segments = answer.segments.filter(asked).map((segment) => ({ ...segment, camera }));
      const gaps = answer.gaps.filter(asked).map((gap) => ({ ...gap, camera }));
      return { segments, gaps, truncated: answer.truncated && segments.length >= segmentsPerListMax };
    },
    async detail(camera, name) {
      const path = `${base(camera)}/segments/${server}/${name}.json`;
      const { status, json } = await getPeerJson(access, server, path, peerAnswerMs, detailBytesMax);
      if (status === 404) return undefined;
      const detail = parseDetail(json);
      if (detail === undefined || detail.listing.camera !== camera || detail.listing.name !== name) {
        throw unreadable(`no description of ${name}`);
      }
      return detail;
    },
    async read(camera, name, offset, length) {
      const headers = { range: `bytes=${offset}-${offset + length - 1}` };
      const path = `${base(camera)}/segments/${server}/${name}.mp4`;
      const limits = { timeoutMs: peerReadMs, bytesMax: length, headers };
      const { status, bytes } = await getPeer(access, server, path, limits);
      if (status !== 206 || bytes.length !== length) throw unreadable(`not all bytes of ${name}`);
      return bytes;
    },
  };
}

/** All holders that can be asked now, and the servers that cannot. */
export function holdersOf(
  directory: Directory,
  parts: PeerAccess & { archive: Archive },
): { holders: Holder[]; unreachable: string[] } {
  const holders = [ownHolder(directory.self, parts.archive)];
  const unreachable: string[] = [];
  for (const { id, state } of directory.servers()) {
    if (id === directory.self) continue;
    if (state === 'unreachable') unreachable.push(id);
    else holders.push(peerHolder(id, parts));
  }
  return { holders, unreachable };
}

const timeJson = z.string().transform((text, context) => {
  const time = parseTime(text);
  if (time.ok) return time.value;
  context.addIssue('not a time');
  return z.NEVER;
});

const recordingsJson = z.object({
  segments: z
    .array(
      z
        .object({
          name: segmentNameJson,
          from: timeJson,
          to: timeJson,
          bytes: z.number().int().nonnegative(),
          captureId: z.string().max(64),
          epoch: z.number().int().nonnegative(),
          open: z.boolean(),
        })
        .transform(({ from, to, ...rest }) => ({ ...rest, fromUs: from, toUs: to })),
    )
    .max(segmentsPerListMax),
  gaps: z
    .array(
      z
        .object({ from: timeJson, to: timeJson, reason: z.enum(gapReasons) })
        .transform(({ from, to, reason }) => ({ fromUs: from, toUs: to, reason })),
    )
    .max(segmentsPerListMax),
  truncated: z.boolean(),
});

/** A JSON answer of another server within `timeoutMs`; an error status other than 404 is a Failure. */
export async function getPeerJson(
  access: PeerAccess,
  server: string,
  path: string,
  timeoutMs: number,
  bytesMax: number = peerJsonBytesMax,
): Promise<{ status: number; json: unknown }> {
  const limits = { timeoutMs, bytesMax, headers: {} };
  const { status, bytes } = await getPeer(access, server, path, limits);
  if (status === 200 || status === 404) {
    try {
      return { status, json: JSON.parse(bytes.toString('utf8')) };
    } catch {
      // falls through: an answer that is no JSON is as good as none
    }
  }
  throw new Failure('UNREACHABLE', `${server} answered ${status} to ${path}`, {
    advice: `See the log of ${server}.`,
  });
}

/** A whole answer, from the question to the last byte within `timeoutMs`; given up, too, when `signal` is aborted. */
export async function getPeer(
  { peers, clock }: PeerAccess,
  server: string,
  path: string,
  { bytesMax, signal, ...request }: PeerRequest & { bytesMax: number },
): Promise<{ status: number; headers: Readonly<Record<string, string>>; bytes: Buffer }> {
  const late = new AbortController();
  const cancel = clock.after(request.timeoutMs, () => late.abort());
  try {
    const response = await peers.get(server, path, {
      ...request,
      headers: { ...request.headers, [ownHeader]: '1' },
      signal: signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]),
    });
    const { status, headers } = response;
    return { status, headers, bytes: await readBody(response, bytesMax) };
  } finally {
    cancel();
  }
}

/** The whole body, at most `bytesMax`; a longer one, or one that breaks off, is a Failure. */
async function readBody(response: PeerResponse, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new Failure('UNREACHABLE', 'an answer of another server broke off', {
      advice: 'Try again; the network or that server may be overloaded.',
      cause,
    });
  }
  return Buffer.concat(chunks, bytes);
}
