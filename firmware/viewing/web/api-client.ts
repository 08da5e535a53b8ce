/**
 * Asks the server that this page came from. Every request has a time limit; every failure is an `ApiFailure` that says
 * what to do. Nothing is retried here: who asks knows when to ask again. An answer 401 is also told to whoever shows the
 * sign-in form.
 */
import type { CamerasAnswer, ErrorAnswer, RecordingsAnswer, SiteAnswer } from '../api.ts';
import type { TimeRange } from './time-range.ts';

const timeoutMs = 5_000;
/** A camera that is asked to change its stream answers within this. */
const changeTimeoutMs = 12_000;
/** A day of one camera is far below this many lists. */
const pagesMax = 50;

/** `UNREACHABLE`: no answer; `REFUSED`: the server answered that it will not; `ABORTED`: nobody wants the answer. */
export type ApiFailureCode = 'UNREACHABLE' | 'REFUSED' | 'ABORTED';

/** What a server said with its refusal. */
interface Refused {
  readonly status?: number;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** A request that failed: the environment's fault, with advice for the person at the page. */
export class ApiFailure extends Error {
  readonly code: ApiFailureCode;
  readonly advice: string;
  /** of HTTP; undefined without an answer */
  readonly status: number | undefined;
  /** how long the server wants to be left alone; undefined when it did not say */
  readonly retryAfterMs: number | undefined;

  constructor(code: ApiFailureCode, message: string, advice: string, refused: Refused = {}) {
    super(message, { cause: refused.cause });
    this.name = 'ApiFailure';
    this.code = code;
    this.advice = advice;
    this.status = refused.status;
    this.retryAfterMs = refused.retryAfterMs;
  }
}

let unidentified: () => void = () => {};

/** Calls back when the server no longer knows who asks. */
export function onUnidentified(callback: () => void): void {
  unidentified = callback;
}

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

/** Bytes [start, start + length) of a file, fewer at its end; `total` is the file's size now. */
export async function getBytes(
  url: string,
  range: { start: number; length: number },
  signal: AbortSignal,
): Promise<{ start: number; bytes: Uint8Array; total: number }> {
  const headers = { range: `bytes=${range.start}-${range.start + range.length - 1}` };
  const response = await request(url, { headers, signal }, 20_000);
  const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]);
  if (response.status === 416)
    return { start: range.start, bytes: new Uint8Array(0), total: total || range.start };
  if (!response.ok) throw await refusal(response, url);
  const bytes = new Uint8Array(await bodyOf(response.arrayBuffer(), signal));
  // a server may answer with the whole file
  if (response.status !== 206) return { start: 0, bytes, total: bytes.length };
  return { start: range.start, bytes, total: total || range.start + bytes.length };
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

/** GET, and the answer's JSON. */
export async function getJson<T>(path: string, signal: AbortSignal): Promise<T> {
  const headers = { accept: 'application/json' };
  const response = await request(path, { headers, signal }, timeoutMs);
  if (!response.ok) throw await refusal(response, path);
  return (await bodyOf(response.json(), signal)) as T;
}

/** A request that changes something, with a JSON body and perhaps a condition; the answer's JSON, if it has any. */
export async function sendJson<T = undefined>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body: unknown,
  conditions: { readonly 'if-none-match'?: '*' } = {},
): Promise<T> {
  const { signal } = new AbortController();
  const headers: Record<string, string> = { accept: 'application/json', 'x-starling': '1', ...conditions };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const text = body === undefined ? null : JSON.stringify(body);
  const response = await request(path, { method, headers, signal, body: text }, changeTimeoutMs);
  if (!response.ok) throw await refusal(response, path);
  if (response.status === 204) return undefined as T;
  return (await bodyOf(response.json(), signal)) as T;
}

interface Question {
  readonly method?: string;
  readonly headers: Record<string, string>;
  readonly body?: string | null;
  readonly signal: AbortSignal;
}

/** One request with a time limit. Rejects with ApiFailure when there is no answer. */
export async function request(path: string, options: Question, limitMs: number): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), limitMs);
  const giveUp = () => late.abort();
  options.signal.addEventListener('abort', giveUp);
  try {
    if (options.signal.aborted) late.abort();
    return await fetch(path, { ...options, signal: late.signal, cache: 'no-store' });
  } catch (cause) {
    throw silence(cause, options.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** An answer's body. Rejects with ApiFailure when the connection breaks. */
export async function bodyOf<T>(body: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await body;
  } catch (cause) {
    throw silence(cause, signal);
  }
}

function silence(cause: unknown, signal: AbortSignal): ApiFailure {
  if (signal.aborted) return new ApiFailure('ABORTED', 'No longer needed.', '', { cause });
  const advice = 'Check that the server is running and that this device is on its network.';
  return new ApiFailure('UNREACHABLE', 'This server does not answer.', advice, { cause });
}

/** What the server said with a status of 400 or more. */
export async function refusal(response: Response, path: string): Promise<ApiFailure> {
  const { status } = response;
  const answer = (await response.json().catch(() => ({}))) as Partial<ErrorAnswer>;
  // a wrong password is told beside the form that sent it
  if (status === 401 && !path.startsWith('/api/session')) unidentified();
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const message = sentence(answer.error ?? `the server answered ${status}`);
  return new ApiFailure('REFUSED', message, answer.advice ?? '', {
    status,
    ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1_000 } : {}),
  });
}

/** Servers say `no such camera`; people read `No such camera.` */
function sentence(text: string): string {
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
}
