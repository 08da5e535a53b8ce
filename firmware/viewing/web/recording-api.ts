/** Requests about recordings: keyframes, protected ranges, links to files. Times in ms UTC. */
import type { LinkAnswer, ProtectedAnswer, ProtectedRangeAnswer } from '../api.ts';
import { cameraPath, videoUrl } from './api-client.ts';
import { getJson, refusal, request, sendJson } from './request.ts';
import type { TimeRange } from './time-range.ts';

const keyframeTimeoutMs = 5_000;

export interface KeyframeAnswer {
  /** undefined: nobody has one at or before the time */
  readonly bytes: Uint8Array | undefined;
  readonly atMs: number | undefined;
  /** when the next one is; undefined when it is not known */
  readonly nextMs: number | undefined;
  /** some servers did not answer, and may have one in between */
  readonly unsure: boolean;
}

/** The keyframe nearest at or before a time. */
export function getKeyframe(camera: string, ms: number, signal: AbortSignal): Promise<KeyframeAnswer> {
  const path = `${cameraPath(camera)}/keyframe.mp4?at=${new Date(ms).toISOString()}`;
  return request(path, { headers: {}, signal }, keyframeTimeoutMs, async (response) => {
    const timeOf = (name: string): number | undefined => {
      const time = Date.parse(response.headers.get(name) ?? '');
      return Number.isNaN(time) ? undefined : time;
    };
    const { headers } = response;
    const unsure = headers.has('x-starling-unreachable') && headers.get('x-starling-continuous') !== '1';
    const known = { atMs: timeOf('x-starling-at'), nextMs: timeOf('x-starling-next'), unsure };
    if (response.status === 404) return { ...known, bytes: undefined };
    if (!response.ok) throw await refusal(response, path);
    return { ...known, bytes: new Uint8Array(await response.arrayBuffer()) };
  });
}

/** What retention keeps of a camera for ever. */
export async function getKept(camera: string, signal: AbortSignal): Promise<ProtectedRangeAnswer[]> {
  return (await getJson<ProtectedAnswer>(`${cameraPath(camera)}/protected`, signal)).ranges;
}

export function keepRange(camera: string, range: TimeRange, note: string): Promise<ProtectedRangeAnswer> {
  return sendJson('POST', `${cameraPath(camera)}/protected`, { ...isoRange(range), note });
}

export function releaseRange(camera: string, id: string): Promise<ProtectedAnswer> {
  return sendJson('DELETE', `${cameraPath(camera)}/protected/${encodeURIComponent(id)}`, undefined);
}

/** Formats of a file: one that players can begin before it is all there, and one that every editor opens. */
export type FileFormat = 'fragmented' | 'mp4';

export function fileUrl(camera: string, range: TimeRange, format: FileFormat): string {
  return `${videoUrl(camera, range)}${format === 'mp4' ? '&format=mp4' : ''}`;
}

/** An address of the file that needs no session, for the browser's own download. It is signed: only as it is, it is good. */
export function makeFileLink(camera: string, range: TimeRange, format: FileFormat): Promise<LinkAnswer> {
  return sendJson('POST', `${cameraPath(camera)}/links`, { what: 'video', ...isoRange(range), format });
}

function isoRange({ fromMs, toMs }: TimeRange): { from: string; to: string } {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}
