/**
 * Asks a server from the command line, over the HTTP API that the page uses too.
 *
 * Which server: `--server`, else the environment's STARLING_SERVER, else the one on this machine. Who asks it:
 * `credentials.ts`. Node's own client is used because it shows trailers, which `fetch` does not.
 */
import http from 'node:http';
import https from 'node:https';
import { Failure, type FailureCode, messageOf } from '../base/failure.ts';
import { hasErrno } from '../io/text-files.ts';
import { authoritiesFor, authorizationFor, signInAdvice } from './credentials.ts';
import { findLocalServer } from './local-servers.ts';

const defaultServer = 'http://127.0.0.1:8300';
const connectMs = 5_000;
/** A server that sends nothing for so long has died. */
const silenceMs = 60_000;
const jsonBytesMax = 64 * 1024 * 1024;

/** The base URL without a slash at its end. Rejects what is no http(s) URL with Failure USAGE. */
export function chooseServer(
  option: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const named = option ?? environment['STARLING_SERVER'];
  const given = named ?? findLocalServer(environment)?.url ?? defaultServer;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Failure('USAGE', `${given} is no server`, { advice: `Write a URL such as ${defaultServer}.` });
  }
  return url.href.replace(/\/+$/, '');
}

/** How it is asked, where that is not a plain GET. */
interface Asking {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  /** sent as JSON */
  readonly body?: unknown;
}

/** An answer with status 200, 201, 202 or 204; its body must be read or destroyed. */
export async function openAnswer(
  server: string,
  path: string,
  { method = 'GET', headers = {}, body }: Asking = {},
): Promise<http.IncomingMessage> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const authorization = authorizationFor(server);
  const shown = authorization === undefined ? {} : { authorization };
  const options = { method, headers: { ...headers, ...bodyHeaders(text), ...shown, te: 'trailers' } };
  return new Promise((resolve, reject) => {
    const request = server.startsWith('https:')
      ? https.request(`${server}${path}`, { ...options, ca: authoritiesFor() })
      : http.request(`${server}${path}`, options);
    const late = setTimeout(() => request.destroy(new Error('no answer in time')), connectMs);
    request.setTimeout(silenceMs, () => request.destroy(new Error('no answer in time')));
    request.once('error', (cause) => {
      clearTimeout(late);
      reject(noAnswer(server, cause));
    });
    request.once('response', (response) => {
      clearTimeout(late);
      if ([200, 201, 202, 204].includes(response.statusCode ?? 0)) resolve(response);
      else void refusal(server, response, authorization !== undefined).then(reject);
    });
    request.end(text);
  });
}

function bodyHeaders(text: string): Record<string, string> {
  const length = { 'content-length': String(Buffer.byteLength(text)) };
  return text === '' ? {} : { ...length, 'content-type': 'application/json' };
}

/** A JSON answer. */
export function getJson<T>(server: string, path: string, headers: Asking['headers'] = {}): Promise<T> {
  return askJson(server, path, { headers });
}

/** It is meant: a page of another site cannot say so. */
const meant = { 'x-starling': '1', 'content-length': '0' };

/** The answer to a POST. */
export function postJson<T>(server: string, path: string, body?: unknown): Promise<T> {
  return askJson(server, path, { method: 'POST', headers: meant, body });
}

/** The answer to a PUT; with `if-match: *` only what is there is changed, with `if-none-match: *` nothing is. */
export function putJson<T>(
  server: string,
  path: string,
  body: unknown,
  condition?: 'if-match' | 'if-none-match',
): Promise<T> {
  const headers = condition === undefined ? meant : { ...meant, [condition]: '*' };
  return askJson(server, path, { method: 'PUT', headers, body });
}

/** The answer to a PATCH. */
export function patchJson<T>(server: string, path: string, body: unknown): Promise<T> {
  return askJson(server, path, { method: 'PATCH', headers: meant, body });
}

/** The answer to a DELETE. */
export function deleteJson<T = undefined>(server: string, path: string): Promise<T> {
  return askJson(server, path, { method: 'DELETE', headers: meant });
}

/** Whether nobody listens where the server was. */
export function isRefused(thrown: unknown): boolean {
  return thrown instanceof Failure && hasErrno(thrown.cause, 'ECONNREFUSED');
}

/** Waits before something is asked again. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function askJson<T>(server: string, path: string, asking: Asking): Promise<T> {
  const answer = await openAnswer(server, path, asking);
  const body = await readText(server, answer);
  if (answer.statusCode === 204) return undefined as T;
  try {
    return JSON.parse(body) as T;
  } catch (cause) {
    const advice = 'Check that the URL is that of a Starling server.';
    throw new Failure('SERVER_FAILED', `${server} did not answer with JSON`, { advice, cause });
  }
}

async function readText(server: string, response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > jsonBytesMax) throw new Error('the answer is too long');
      chunks.push(chunk);
    }
  } catch (cause) {
    throw noAnswer(server, cause);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function noAnswer(server: string, cause: unknown): Failure {
  const advice = 'Start a server with `starling run`, or name another with --server or STARLING_SERVER.';
  return new Failure('UNREACHABLE', `no server answers at ${server}: ${messageOf(cause)}`, { advice, cause });
}

const codeByStatus: Readonly<Record<number, FailureCode>> = {
  400: 'USAGE',
  401: 'ACCESS_DENIED',
  403: 'ACCESS_DENIED',
  404: 'NOT_FOUND',
  421: 'ACCESS_DENIED',
  502: 'UNREACHABLE',
  503: 'UNREACHABLE',
  504: 'UNREACHABLE',
};

/** What the server said no with. */
async function refusal(server: string, response: http.IncomingMessage, isKnown: boolean): Promise<Failure> {
  const status = response.statusCode ?? 0;
  const code = codeByStatus[status] ?? 'SERVER_FAILED';
  try {
    const { error, advice } = JSON.parse(await readText(server, response)) as Record<string, unknown>;
    if (typeof error === 'string' && typeof advice === 'string') {
      return new Failure(code, error, { advice: status === 401 && !isKnown ? signInAdvice : advice });
    }
  } catch {
    // an answer without our JSON is not one of ours
  }
  const advice = 'Check that the URL is that of a Starling server.';
  return new Failure(code, `${server} answered with status ${status}`, { advice });
}
