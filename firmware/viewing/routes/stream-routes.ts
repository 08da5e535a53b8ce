/**
 * How a camera streams. GET tells what is in force, PATCH changes some of it, or goes back to the settings of the unit.
 * Any server may be asked: it passes the question on to the camera's manager, once.
 *
 * Invariants: values are checked here and again by the camera; an answer comes within `managerMs`.
 */
import type { Context } from 'hono';
import type { Clock } from '../../base/clock.ts';
import type { StreamAnswer } from '../api.ts';
import { describeDone } from '../audited-requests.ts';
import type { Directory, PeerClient } from '../directory.ts';
import { forward } from '../forwarding.ts';
import { unknownCamera } from '../known-cameras.ts';
import { type Api, cameraParams, describeRoute, type Env, json, jsonBody, Refusal, z } from '../routing.ts';
import { streamAnswer, streamWish } from '../schemas/stream-schemas.ts';
import type { StreamAccess, StreamWish } from '../stream-access.ts';

const managerMs = 6_000;

export interface StreamRouteOptions {
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly clock: Clock;
  readonly streams: StreamAccess;
}

const path = '/api/cameras/{camera}/stream';
const responses = {
  200: json(streamAnswer, 'what is in force'),
  409: { description: 'the camera refuses, or its manager has just changed' },
};

const getRoute = describeRoute('viewer', {
  method: 'get',
  path,
  tags: ['cameras'],
  summary: 'How a camera streams',
  request: { params: cameraParams, query: z.strictObject({}) },
  responses,
});

const patchRoute = describeRoute(
  'operator',
  {
    method: 'patch',
    path,
    tags: ['cameras'],
    summary: 'Changes how a camera streams, until it is reset',
    request: { params: cameraParams, query: z.strictObject({}), body: jsonBody(streamWish) },
    responses,
  },
  // A change may restart the capture, which costs every viewer a moment.
  { forwarded: true, limit: { burst: 20, perMinute: 30 } },
);

export function addStreamRoutes(api: Api, options: StreamRouteOptions): void {
  api.openapi(getRoute, (c) => answer(c, c.req.valid('param').camera, { reset: false }, options));
  api.openapi(patchRoute, (c) => {
    const { reset = false, ...change } = c.req.valid('json');
    const wish = { ...change, reset };
    // What is refused is not written down.
    describeDone(c, { detail: `stream: ${changeText(wish)}` });
    return answer(c, c.req.valid('param').camera, wish, options);
  });
}

/** Such as `reset, frameRate 5`. */
function changeText({ reset, ...change }: StreamWish): string {
  const changes = Object.entries(change).map(([name, value]) => `${name} ${value}`);
  return [...(reset ? ['reset'] : []), ...changes].join(', ');
}

async function answer(
  c: Context<Env>,
  camera: string,
  wish: StreamWish,
  options: StreamRouteOptions,
): Promise<Response> {
  const { directory, streams } = options;
  const entry = directory.cameras().find(({ id }) => id === camera);
  if (entry === undefined) throw unknownCamera(camera);
  if (entry.manager !== directory.self) return forward(c, entry.manager, options, { timeoutMs: managerMs });
  const outcome = await streams.stream(camera, wish);
  if ('refusal' in outcome) throw new Refusal(409, outcome.refusal, `See \`starling where ${camera}\`.`);
  const { bitrateKbps, frameRate, keyframeIntervalMs, restarted } = outcome;
  const settings = { bitrateKbps, frameRate, keyframeIntervalMs };
  return c.json({ camera, manager: directory.self, ...settings, restarted } satisfies StreamAnswer);
}
