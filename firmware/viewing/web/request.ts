/**
 * Requests to the server that this page came from. Every one has a time limit, its body included; every failure is an
 * `ApiFailure` that says what to do. Nothing is retried here: who asks knows when to ask again. An answer 401 is also told
 * to whoever shows the sign-in form.
 */
import type { ErrorAnswer } from '../api.ts';

const timeoutMs = 5_000;
/** A camera that is asked to change its stream answers within this. */
const changeTimeoutMs = 12_000;
/** Of a file, without a byte. */
const bytesTimeoutMs = 20_000;

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

/** GET, and the answer's JSON. */
export function getJson<T>(path: string, signal: AbortSignal): Promise<T> {
  const headers = { accept: 'application/json' };
  return request(path, { headers, signal }, timeoutMs, async (response) => {
    if (!response.ok) throw await refusal(response, path);
    return (await response.json()) as T;
  });
}

/** A request that changes something, with a JSON body and perhaps a condition; the answer's JSON, if it has any. */
export function sendJson<T = undefined>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body: unknown,
  conditions: { readonly 'if-none-match'?: '*'; readonly 'if-match'?: '*' } = {},
): Promise<T> {
  const { signal } = new AbortController();
  const headers: Record<string, string> = { accept: 'application/json', 'x-starling': '1', ...conditions };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const text = body === undefined ? null : JSON.stringify(body);
  return request(path, { method, headers, signal, body: text }, changeTimeoutMs, async (response) => {
    if (!response.ok) throw await refusal(response, path);
    return (response.status === 204 ? undefined : await response.json()) as T;
  });
}

/** Bytes [start, start + length) of a file, fewer at its end; `total` is the file's size now. */
export function getBytes(
  url: string,
  range: { start: number; length: number },
  signal: AbortSignal,
): Promise<{ start: number; bytes: Uint8Array; total: number }> {
  const headers = { range: `bytes=${range.start}-${range.start + range.length - 1}` };
  return request(url, { headers, signal }, bytesTimeoutMs, async (response, goesOn) => {
    const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1]);
    if (response.status === 416)
      return { start: range.start, bytes: new Uint8Array(0), total: total || range.start };
    if (!response.ok) throw await refusal(response, url);
    const bytes = await bytesOf(response, goesOn);
    // a server may answer with the whole file
    if (response.status !== 206) return { start: 0, bytes, total: bytes.length };
    return { start: range.start, bytes, total: total || range.start + bytes.length };
  });
}

interface Question {
  readonly method?: string;
  readonly headers: Record<string, string>;
  readonly body?: string | null;
  readonly signal: AbortSignal;
}

/**
 * One request, and what `read` makes of the answer. Rejects with ApiFailure when the answer and its body are not there
 * within `limitMs`; a `read` that calls `goesOn` has as long again, so a large body may take its time.
 */
export async function request<T>(
  path: string,
  question: Question,
  limitMs: number,
  read: (response: Response, goesOn: () => void) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const giveUp = () => stop.abort();
  let timer = setTimeout(giveUp, limitMs);
  const goesOn = () => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, limitMs);
  };
  question.signal.addEventListener('abort', giveUp);
  try {
    if (question.signal.aborted) stop.abort();
    const init = { ...question, signal: stop.signal, cache: 'no-store' } as const;
    return await read(await fetch(path, init), goesOn);
  } catch (cause) {
    throw cause instanceof ApiFailure ? cause : silence(cause, question.signal);
  } finally {
    clearTimeout(timer);
    question.signal.removeEventListener('abort', giveUp);
  }
}

/** An answer's body; calls back at each part of it. */
async function bytesOf(response: Response, onPart: () => void): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    onPart();
    parts.push(part.value);
  }
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
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
