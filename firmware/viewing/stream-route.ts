/**
 * `/api/cameras/ID/stream`: how a camera streams. GET tells what is in force, PATCH changes some of it, by query, as
 * nothing here takes a body: `?bitrateKbps=500&frameRate=10&keyframeIntervalMs=2000`, or `?reset=1` for the settings of the
 * unit. Any server may be asked: it passes the question on to the camera's manager, once.
 *
 * Invariants: values are checked here and again by the camera; a change by a person says that it is meant, one by
 * another server is of somebody who said so there; an answer comes within `askMs` and `peerMs`.
 */
import type { Context, Hono } from 'hono';
import { isId } from '../base/ids.ts';
import {
  type StreamChange,
  type StreamSettings,
  streamFault,
  streamSettingNames,
} from '../media/stream-settings.ts';
import { type Connection, refuse } from './answers.ts';
import type { Directory, PeerClient } from './directory.ts';

type Env = { Bindings: Connection };

const peerMs = 6_000;
const answerBytesMax = 16 * 1024;

/** What is wanted of a camera; nothing but `reset: false` only asks. */
export interface StreamWish extends StreamChange {
  readonly reset: boolean;
}

/** What is in force at the camera, or why it did not do what was wanted. */
export type StreamOutcome = (StreamSettings & { readonly restarted: boolean }) | { readonly refusal: string };

/** How the cameras of this server are told. */
export interface StreamAccess {
  /** Asks a camera of this server. Rejects with Failure UNREACHABLE when it does not answer in time. */
  stream(camera: string, wish: StreamWish): Promise<StreamOutcome>;
}

export interface StreamAnswer extends StreamSettings {
  camera: string;
  manager: string;
  /** the capture was restarted for the change: a moment is missing */
  restarted: boolean;
}

export interface StreamRouteOptions {
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly streams: StreamAccess;
  /** the refusal of who may not change anything */
  readonly foreign: (c: Context<Env>) => Response | undefined;
}

/** Whether a request is one that changes a stream. */
export function changesStream(method: string, path: string | undefined): boolean {
  return method === 'PATCH' && /^\/api\/cameras\/[^/]+\/stream$/.test(path ?? '');
}

export function addStreamRoute(app: Hono<Env>, options: StreamRouteOptions): void {
  const path = '/api/cameras/:id/stream';
  app.get(path, (c) => answer(c, c.req.param('id'), options));
  app.patch(path, (c) => {
    const refusal = c.env.peer === undefined ? options.foreign(c) : undefined;
    return refusal ?? answer(c, c.req.param('id'), options);
  });
}

async function answer(c: Context<Env>, camera: string, options: StreamRouteOptions): Promise<Response> {
  if (!isId(camera)) return refuse(400, 'malformed camera id', 'See /api/cameras for those there are.');
  const wish = wishOf(c);
  if (typeof wish === 'string') {
    return refuse(400, wish, 'Ask for ?bitrateKbps=, frameRate=, keyframeIntervalMs= or reset=1.');
  }
  const { directory, streams } = options;
  const entry = directory.cameras().find(({ id }) => id === camera);
  if (entry === undefined) {
    return refuse(404, `no camera is named ${camera}`, 'See /api/cameras for those there are.');
  }
  if (entry.manager !== directory.self) return relayed(c, entry.manager, options);
  const outcome = await streams.stream(camera, wish);
  if ('refusal' in outcome) return refuse(409, outcome.refusal, `See \`starling where ${camera}\`.`);
  const { bitrateKbps, frameRate, keyframeIntervalMs, restarted } = outcome;
  const settings = { bitrateKbps, frameRate, keyframeIntervalMs };
  return c.json({ camera, manager: directory.self, ...settings, restarted } satisfies StreamAnswer);
}

/** What the query asks for, or why it cannot be. */
function wishOf(c: Context<Env>): StreamWish | string {
  const query = c.req.query();
  if (c.req.method !== 'PATCH')
    return Object.keys(query).length > 0 ? 'reading takes no settings' : { reset: false };
  const wish: { -readonly [K in keyof StreamChange]: number } = {};
  let reset = false;
  for (const [name, text] of Object.entries(query)) {
    const setting = streamSettingNames.find((one) => one === name);
    if (name === 'reset' && text === '1') reset = true;
    else if (setting === undefined) return `${name.slice(0, 40)} is no setting of a stream`;
    else wish[setting] = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  }
  return streamFault(wish) ?? (Object.keys(query).length === 0 ? 'nothing to change' : { ...wish, reset });
}

/** The manager's answer. A request of another server is not passed on. */
async function relayed(c: Context<Env>, manager: string, { peers }: StreamRouteOptions): Promise<Response> {
  const missing = `${manager} manages the camera`;
  if (c.env.peer !== undefined) return refuse(409, missing, 'Ask again in a moment.');
  const { pathname, search } = new URL(c.req.url);
  const method = c.req.method === 'PATCH' ? 'PATCH' : 'GET';
  const response = await peers.get(manager, `${pathname}${search}`, { method, timeoutMs: peerMs });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) return refuse(502, `${manager} said too much`, `See the log of ${manager}.`);
    chunks.push(chunk);
  }
  const headers = { 'content-type': 'application/json' };
  return new Response(Buffer.concat(chunks), { status: response.status, headers });
}
