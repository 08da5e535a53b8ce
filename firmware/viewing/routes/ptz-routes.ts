/**
 * Pan, tilt, zoom. Any server may be asked: it passes the question on to the camera's manager, once. Where a camera looks
 * is answered from what it said last, so it may be asked often.
 *
 * Invariants: commands that come faster than the camera takes them become one (roles/camera-steering.ts); an answer
 * comes within `managerMs`; what turns by velocity stops by itself (ptz/steering.ts), whatever happens to pages, servers
 * and links.
 */
import type { Context } from 'hono';
import type { Clock } from '../../base/clock.ts';
import type { SteerCommand } from '../../ptz/steering.ts';
import type { Directory, PeerClient } from '../directory.ts';
import { forward } from '../forwarding.ts';
import { unknownCamera } from '../known-cameras.ts';
import type { PtzAccess } from '../ptz-access.ts';
import { ptzAnswerOf, steerCommandOf } from '../ptz-command.ts';
import { type Api, cameraParams, describeRoute, type Env, json, jsonBody, Refusal } from '../routing.ts';
import { presetName, ptzAnswer, ptzCommand } from '../schemas/ptz-schemas.ts';

const managerMs = 6_000;
/** A hand on the pad says so twice a second, a nervous one far more often. */
const limit = { burst: 100, perMinute: 1_200 };

export interface PtzRouteOptions {
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly clock: Clock;
  readonly ptz: PtzAccess;
}

const path = '/api/cameras/{camera}/ptz';
const presetPath = '/api/cameras/{camera}/presets/{preset}';
const presetParams = cameraParams.extend({ preset: presetName });
const tags = ['cameras'];
const responses = {
  200: json(ptzAnswer, 'where it looks now'),
  409: { description: 'the camera cannot be turned, refuses, or its manager has just changed' },
};

const getRoute = describeRoute('viewer', {
  method: 'get',
  path,
  tags,
  summary: 'Where a camera looks, and where it can',
  request: { params: cameraParams },
  responses,
});

const postRoute = describeRoute(
  'operator',
  {
    method: 'post',
    path,
    tags,
    summary: 'Turns and zooms a camera',
    request: { params: cameraParams, body: jsonBody(ptzCommand) },
    responses,
  },
  { forwarded: true, limit },
);

const saveRoute = describeRoute(
  'operator',
  {
    method: 'put',
    path: presetPath,
    tags,
    summary: 'Remembers where a camera looks now',
    request: { params: presetParams },
    responses,
  },
  { forwarded: true, limit },
);

const dropRoute = describeRoute(
  'operator',
  {
    method: 'delete',
    path: presetPath,
    tags,
    summary: 'Forgets a preset',
    request: { params: presetParams },
    responses,
  },
  { forwarded: true, limit },
);

export function addPtzRoutes(api: Api, options: PtzRouteOptions): void {
  api.openapi(getRoute, (c) => {
    const { camera } = c.req.valid('param');
    return elsewhere(c, camera, options) ?? c.json(ptzAnswerOf(camera, options.ptz.of(camera)));
  });
  api.openapi(postRoute, (c) => {
    const { camera } = c.req.valid('param');
    const wish = c.req.valid('json');
    return elsewhere(c, camera, options) ?? steer(c, camera, steerCommandOf(wish), options);
  });
  api.openapi(saveRoute, (c) => {
    const { camera, preset } = c.req.valid('param');
    return elsewhere(c, camera, options) ?? steer(c, camera, { verb: 'save', name: preset }, options);
  });
  api.openapi(dropRoute, (c) => {
    const { camera, preset } = c.req.valid('param');
    return elsewhere(c, camera, options) ?? steer(c, camera, { verb: 'drop', name: preset }, options);
  });
}

/** The manager's answer, unless that is this server. */
function elsewhere(c: Context<Env>, camera: string, options: PtzRouteOptions): Promise<Response> | undefined {
  const { directory } = options;
  const entry = directory.cameras().find(({ id }) => id === camera);
  if (entry === undefined) throw unknownCamera(camera);
  if (entry.manager === directory.self) return undefined;
  return forward(c, entry.manager, options, { timeoutMs: managerMs });
}

async function steer(
  c: Context<Env>,
  camera: string,
  command: SteerCommand,
  { ptz }: PtzRouteOptions,
): Promise<Response> {
  const state = ptz.of(camera);
  if (state === undefined) {
    throw new Refusal(409, `${camera} cannot be turned`, 'Its unit.yaml has no mount, or it is not there.');
  }
  const named = command.verb === 'recall' || command.verb === 'drop' ? command.name : undefined;
  if (named !== undefined && !state.presets.some(({ name }) => name === named)) {
    throw new Refusal(404, `no preset of ${camera} is named ${named}`, `See ${path} for those there are.`);
  }
  const refusal = await ptz.command(camera, command);
  if (refusal !== undefined) throw new Refusal(409, refusal, `See \`starling ptz ${camera}\`.`);
  return c.json(ptzAnswerOf(camera, ptz.of(camera)));
}
