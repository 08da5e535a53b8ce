/**
 * Every route of the API, how it is asked in a test, and what each kind of person gets. The order of the statuses is
 * that of `people`. `here` is asked of server a about what is its own, `there` of server a about what is b's (or of b
 * itself, where the request names neither camera nor server).
 */

export const people = ['nobody', 'viewer of another camera', 'viewer', 'operator', 'admin'] as const;
export type Person = (typeof people)[number];

/** What a request is about. */
export interface Subject {
  readonly server: string;
  readonly camera: string;
}

export const here: Subject = { server: 'a', camera: 'door' };
export const there: Subject = { server: 'b', camera: 'yard' };

export interface RouteRow {
  /** path and query; by default the route's, with `{camera}` and `{server}` filled in */
  readonly target?: (subject: Subject) => string;
  readonly body?: unknown;
  /** statuses, in the order of `people` */
  readonly here: string;
  /** by default the same */
  readonly there?: string;
  /** asked of b itself */
  readonly atOther?: true;
}

const everybody = '200 200 200 200 200';
const everyUser = '401 200 200 200 200';
const whoSees = '401 403 200 200 200';
const operators = '401 403 403 200 200';
const admins = '401 403 403 403 200';
const range = 'from=2026-11-22T12:00:00Z&to=2026-11-22T12:00:03Z';
const rights = { role: 'viewer', cameras: ['door'] };

const page: RouteRow = { here: everybody, atOther: true };

export const routeTable: Readonly<Record<string, RouteRow>> = {
  'GET /': page,
  'GET /page.js': page,
  'GET /page.css': page,
  'GET /metrics': { here: '401 403 403 403 200', atOther: true },

  'GET /api/site': { here: everyUser, atOther: true },
  'GET /api/cameras': { here: everyUser, atOther: true },
  'GET /api/openapi.json': { here: everyUser, atOther: true },
  'GET /api/status': { target: ({ server }) => `/api/status?server=${server}`, here: everyUser },
  'GET /api/disks': { target: ({ server }) => `/api/disks?server=${server}`, here: everyUser },
  'GET /api/tables': { target: ({ server }) => `/api/tables?server=${server}`, here: everyUser },
  'GET /api/log': { target: ({ server }) => `/api/log?server=${server}`, here: everyUser },
  'GET /api/events': { target: ({ camera }) => `/api/events?camera=${camera}`, here: whoSees },
  'GET /api/where/{camera}': { here: whoSees },
  'POST /api/leave': { here: '401 403 403 403 202', atOther: true },

  'GET /api/cameras/{camera}/live': { here: '401 403 426 426 426' },
  'GET /api/cameras/{camera}/recordings': {
    target: ({ camera }) => `/api/cameras/${camera}/recordings?${range}`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/segments/{server}/{day}/{file}': {
    target: ({ camera, server }) =>
      `/api/cameras/${camera}/segments/${server}/2026-11-22/120000.000Z-1-0.mp4`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/parts/{server}/{day}/{segment}/{file}': {
    target: ({ camera, server }) =>
      `/api/cameras/${camera}/parts/${server}/2026-11-22/120000.000Z-1-0/0-2.mp4`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/video.mp4': {
    target: ({ camera }) => `/api/cameras/${camera}/video.mp4?${range}`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/playlist.m3u8': {
    target: ({ camera }) => `/api/cameras/${camera}/playlist.m3u8?${range}`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/days': {
    target: ({ camera }) => `/api/cameras/${camera}/days?month=2026-11`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/frame.jpg': { here: whoSees },
  'GET /api/cameras/{camera}/keyframe.mp4': {
    target: ({ camera }) => `/api/cameras/${camera}/keyframe.mp4?at=2026-11-22T12:00:02Z`,
    here: whoSees,
  },
  'GET /api/cameras/{camera}/protected': { here: whoSees },
  'POST /api/cameras/{camera}/protected': {
    body: { from: '2026-11-22T12:00:00Z', to: '2026-11-22T12:00:03Z' },
    here: '401 403 403 201 201',
  },
  'DELETE /api/cameras/{camera}/protected/{range}': {
    target: ({ camera }) => `/api/cameras/${camera}/protected/${camera}.a.99`,
    here: '401 403 403 404 404',
  },
  'GET /api/cameras/{camera}/stream': { here: whoSees },
  'PATCH /api/cameras/{camera}/stream': { body: { frameRate: 10 }, here: operators },
  'GET /api/cameras/{camera}/ptz': { here: whoSees },
  'POST /api/cameras/{camera}/ptz': { body: { pan: 5 }, here: operators },
  'PUT /api/cameras/{camera}/presets/{preset}': {
    target: ({ camera }) => `/api/cameras/${camera}/presets/gate`,
    here: operators,
  },
  'DELETE /api/cameras/{camera}/presets/{preset}': {
    target: ({ camera }) => `/api/cameras/${camera}/presets/gate`,
    here: '401 403 403 404 404',
  },
  'GET /api/cameras/{camera}/settings': { here: whoSees },
  'PATCH /api/cameras/{camera}/settings': { body: { name: 'Door' }, here: admins },
  'DELETE /api/cameras/{camera}': { here: '401 403 403 403 409' },
  'GET /api/servers/{server}/settings': { here: everyUser },
  'PATCH /api/servers/{server}/settings': { body: { name: 'Shed' }, here: admins },
  'POST /api/cameras/{camera}/links': { body: { what: 'live' }, here: '401 403 201 201 201' },

  'GET /api/session': { here: everyUser, atOther: true },
  'POST /api/session': {
    body: { user: 'nobody', password: 'wrong-password' },
    here: '401 401 401 401 401',
    atOther: true,
  },
  'DELETE /api/session': { here: '204 204 204 204 204', atOther: true },
  'PUT /api/session/password': {
    body: { old: 'wrong-password', new: 'another-password' },
    // A token has no password.
    here: '401 403 403 403 403',
    atOther: true,
  },
  'GET /api/users': { here: admins, atOther: true },
  'PUT /api/users/{user}': {
    target: () => '/api/users/bob',
    body: { ...rights, password: 'long-enough-1' },
    here: '401 403 403 403 201',
    there: '401 403 403 403 200',
    atOther: true,
  },
  'DELETE /api/users/{user}': {
    target: () => '/api/users/ghost',
    here: '401 403 403 403 404',
    atOther: true,
  },
  'GET /api/tokens': { here: admins, atOther: true },
  'POST /api/tokens': { body: { name: 'probe', ...rights }, here: '401 403 403 403 201', atOther: true },
  'DELETE /api/tokens/{token}': {
    target: () => '/api/tokens/a.60',
    here: '401 403 403 403 404',
    atOther: true,
  },
  'GET /api/audit': { here: admins, atOther: true },
};
