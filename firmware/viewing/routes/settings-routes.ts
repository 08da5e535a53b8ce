/**
 * What people set about cameras and servers, and cameras that are gone for good. Every server of the site knows it all,
 * so this server's answer is everybody's.
 */
import type { CameraSettings, ServerSettings } from '../../site/site-settings.ts';
import type {
  CameraRemovedAnswer,
  CameraSettingsAnswer,
  CameraSettingsChange,
  ServerSettingsAnswer,
  ServerSettingsChange,
} from '../api.ts';
import { describeDone } from '../audited-requests.ts';
import { type CameraSources, isKnown, unknownCamera } from '../known-cameras.ts';
import { type Api, cameraParams, describeRoute, json, jsonBody, Refusal, z } from '../routing.ts';
import { id } from '../schemas/fields.ts';
import {
  cameraRemovedAnswer,
  cameraSettingsAnswer,
  cameraSettingsChange,
  serverSettingsAnswer,
  serverSettingsChange,
} from '../schemas/settings-schemas.ts';
import type { CameraSettingsWish, ServerSettingsWish, SettingsAccess } from '../settings-access.ts';

export interface SettingsRouteOptions extends CameraSources {
  readonly settings: SettingsAccess;
}

const cameraPath = '/api/cameras/{camera}/settings';
const serverPath = '/api/servers/{server}/settings';
const serverParams = z.object({ server: id });
const tags = ['settings'];
const refused = { 409: { description: 'the site document is full' } };

const cameraRoute = describeRoute('viewer', {
  method: 'get',
  path: cameraPath,
  tags,
  summary: 'What is set about a camera',
  request: { params: cameraParams },
  responses: { 200: json(cameraSettingsAnswer, 'the same on every server') },
});

const cameraChangeRoute = describeRoute('admin', {
  method: 'patch',
  path: cameraPath,
  tags,
  summary: 'Names a camera, puts it into a group, keeps its recordings longer or shorter',
  request: { params: cameraParams, body: jsonBody(cameraSettingsChange) },
  responses: { 200: json(cameraSettingsAnswer, 'what holds now'), ...refused },
});

const removeRoute = describeRoute('admin', {
  method: 'delete',
  path: '/api/cameras/{camera}',
  tags,
  summary:
    'Takes a camera off the lists whose unit is gone for good; its recordings stay until retention deletes them',
  request: { params: cameraParams },
  responses: {
    200: json(cameraRemovedAnswer, 'it is on no list any more, and comes back if its unit does'),
    409: { description: 'it is there, or the site document is full' },
  },
});

const serverRoute = describeRoute('viewer', {
  method: 'get',
  path: serverPath,
  tags,
  summary: 'What is set about a server',
  request: { params: serverParams },
  responses: { 200: json(serverSettingsAnswer, 'the same on every server') },
});

const serverChangeRoute = describeRoute('admin', {
  method: 'patch',
  path: serverPath,
  tags,
  summary: 'Names a server, keeps what it has recorded longer or shorter',
  request: { params: serverParams, body: jsonBody(serverSettingsChange) },
  responses: { 200: json(serverSettingsAnswer, 'what holds now'), ...refused },
});

export function addSettingsRoutes(api: Api, options: SettingsRouteOptions): void {
  addCameraSettings(api, options);
  addServerSettings(api, options);
  addRemoval(api, options);
}

function addCameraSettings(api: Api, options: SettingsRouteOptions): void {
  const { settings } = options;
  api.openapi(cameraRoute, async (c) => {
    const { camera } = c.req.valid('param');
    if (!(await isKnown(camera, options))) throw unknownCamera(camera);
    return c.json(cameraAnswer(camera, settings.ofCamera(camera)));
  });
  api.openapi(cameraChangeRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const change = c.req.valid('json');
    if (!(await isKnown(camera, options))) throw unknownCamera(camera);
    const changed = settings.changeCamera(camera, cameraWish(change));
    if (!changed.ok) throw refusedChange(changed.reason);
    describeDone(c, { camera, detail: changeText(change) });
    return c.json(cameraAnswer(camera, changed.value));
  });
}

function addServerSettings(api: Api, options: SettingsRouteOptions): void {
  const { settings, directory } = options;
  const known = (server: string): string => {
    if (directory.servers().some((entry) => entry.id === server)) return server;
    throw new Refusal(404, `no server is named ${server}`, 'See /api/site for those there are.');
  };
  api.openapi(serverRoute, (c) => {
    const server = known(c.req.valid('param').server);
    return c.json(serverAnswer(server, settings.ofServer(server)));
  });
  api.openapi(serverChangeRoute, (c) => {
    const server = known(c.req.valid('param').server);
    const change = c.req.valid('json');
    const changed = settings.changeServer(server, serverWish(change));
    if (!changed.ok) throw refusedChange(changed.reason);
    describeDone(c, { detail: `server ${server}: ${changeText(change)}` });
    return c.json(serverAnswer(server, changed.value));
  });
}

function addRemoval(api: Api, options: SettingsRouteOptions): void {
  const { settings, directory } = options;
  api.openapi(removeRoute, (c) => {
    const { camera } = c.req.valid('param');
    const entry = directory.cameras().find((one) => one.id === camera);
    if (entry === undefined) throw unknownCamera(camera);
    if (entry.state === 'online') {
      throw new Refusal(409, `${camera} is there`, `Switch off ${entry.unit} first.`);
    }
    const removed = settings.removeCamera(camera, entry.epoch);
    if (!removed.ok) throw refusedChange(removed.reason);
    describeDone(c, { camera, detail: 'taken off the lists' });
    return c.json({ camera, recordings: 'kept' } satisfies CameraRemovedAnswer);
  });
}

function refusedChange(reason: string): Refusal {
  return new Refusal(409, reason, 'See the log of this server.');
}

/** Such as `name, days 30`; what people write is not repeated. */
function changeText(change: CameraSettingsChange | ServerSettingsChange): string {
  return Object.entries(change)
    .map(([name, value]) => (typeof value === 'number' ? `${name} ${value}` : name))
    .join(', ');
}

function cameraWish({ days, maxMb, ...names }: CameraSettingsChange): CameraSettingsWish {
  return { ...given(names), ...cleared({ days, maxMb }) };
}

function serverWish({ days, ...names }: ServerSettingsChange): ServerSettingsWish {
  return { ...given(names), ...cleared({ days }) };
}

/** Only what is there. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Null takes a setting back; undefined leaves it. */
function cleared<T extends { readonly [name: string]: number | null | undefined }>(
  values: T,
): { [K in keyof T]?: number | undefined } {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value ?? undefined]),
  ) as { [K in keyof T]?: number | undefined };
}

function cameraAnswer(camera: string, { name, group, days, maxMb }: CameraSettings): CameraSettingsAnswer {
  return { camera, name, group, days: days ?? null, maxMb: maxMb ?? null };
}

function serverAnswer(server: string, { name, days }: ServerSettings): ServerSettingsAnswer {
  return { server, name, days: days ?? null };
}
