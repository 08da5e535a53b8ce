/** What the page asks the server that it came from, and where what it shows is; the requests themselves are in `request.ts`. */
import type { CamerasAnswer, RecordingsAnswer, SiteAnswer } from '../api.ts';
import { getJson } from './request.ts';
import type { TimeRange } from './time-range.ts';

export { ApiFailure, getBytes, getJson, onUnidentified, refusal, sendJson } from './request.ts';

/** A day of one camera is far below this many lists. */
const pagesMax = 50;

/** The site and its servers, as the connected server sees them. */
export function getSite(signal: AbortSignal): Promise<SiteAnswer> {
  return getJson<SiteAnswer>('/api/site', signal);
}

/** All cameras of the site. */
export function getCameras(signal: AbortSignal): Promise<CamerasAnswer> {
  return getJson<CamerasAnswer>('/api/cameras', signal);
}

/** One list of recordings that overlap the range; may be `truncated`. */
export function getRecordingsPage(
  camera: string,
  range: TimeRange,
  signal: AbortSignal,
): Promise<RecordingsAnswer> {
  return getJson<RecordingsAnswer>(`${cameraPath(camera)}/recordings?${rangeQuery(range)}`, signal);
}

/** All recordings that overlap the range, asked for as often as the server cuts its list. */
export async function getRecordings(
  camera: string,
  range: TimeRange,
  signal: AbortSignal,
): Promise<RecordingsAnswer> {
  const all = await getRecordingsPage(camera, range, signal);
  let last = all;
  for (let page = 1; last.truncated && page < pagesMax; page += 1) {
    const end = last.segments.at(-1)?.to;
    if (end === undefined) break;
    last = await getRecordingsPage(camera, { fromMs: Date.parse(end), toMs: range.toMs }, signal);
    const known = new Set(all.segments.map((segment) => segment.url));
    const fresh = last.segments.filter((segment) => !known.has(segment.url));
    if (fresh.length === 0) break;
    const knownGaps = new Set(all.gaps.map((gap) => gap.from));
    all.segments.push(...fresh);
    all.gaps.push(...last.gaps.filter((gap) => !knownGaps.has(gap.from)));
    all.unreachable = [...new Set([...all.unreachable, ...last.unreachable])];
    all.truncated = last.truncated;
  }
  return all;
}

/** Address of the live WebSocket. */
export function liveUrl(camera: string, audio: boolean): string {
  const url = new URL(`${cameraPath(camera)}/live${audio ? '?audio=1' : ''}`, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  return url.href;
}

/** Address of a stretch of recording as one file. */
export function videoUrl(camera: string, range: TimeRange): string {
  return `${cameraPath(camera)}/video.mp4?${rangeQuery(range)}`;
}

/** Whether a camera may have sound; unknown counts as yes. */
export function maySound(camera: { codecs: string | null } | undefined): boolean {
  const codecs = camera?.codecs ?? undefined;
  return codecs === undefined || /mp4a|opus/i.test(codecs);
}

/** The path that everything about a camera begins with. */
export function cameraPath(camera: string): string {
  return `/api/cameras/${encodeURIComponent(camera)}`;
}

function rangeQuery(range: TimeRange): string {
  const query = { from: new Date(range.fromMs).toISOString(), to: new Date(range.toMs).toISOString() };
  return new URLSearchParams(query).toString();
}
