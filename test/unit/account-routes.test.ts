// The routes about people, as a browser uses them: signing in, users, tokens, links, the audit log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AuditAnswer,
  ErrorAnswer,
  LinkAnswer,
  NewTokenAnswer,
  SessionAnswer,
  TokensAnswer,
  UsersAnswer,
} from '../../firmware/viewing/api.ts';
import {
  AccessRig,
  addUser,
  cookieOf,
  entriesOf,
  password,
  type RigServer,
  signIn,
} from '../support/access-rig.ts';
import { type BareViewing, bareViewing, cameraEntry } from '../support/bare-viewing.ts';

interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly json: T;
}

class Browser {
  private readonly viewing: BareViewing;
  /** cookie or authorization */
  shown: Record<string, string>;

  constructor(viewing: BareViewing, shown: Record<string, string> = {}) {
    this.viewing = viewing;
    this.shown = shown;
  }

  async ask<T = ErrorAnswer>(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const init = {
      method,
      headers: {
        ...this.shown,
        'x-starling': '1',
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    };
    const response = await this.viewing.ask(path, init, { remoteAddress: '192.0.2.1', secure: true });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      json: (isJson ? JSON.parse(text) : text) as T,
    };
  }

  status = async (method: string, path: string, body?: object): Promise<number> =>
    (await this.ask(method, path, body)).status;
}

interface Scene {
  readonly rig: AccessRig;
  readonly server: RigServer;
  readonly admin: Browser;
  readonly as: (user: string) => Promise<Browser>;
  readonly nobody: Browser;
}

async function scene(open = false): Promise<Scene> {
  const rig = new AccessRig();
  const server = await rig.server('s1', { open });
  const { access } = server;
  const viewing = bareViewing({
    access,
    accounts: access,
    clock: rig.clock,
    directory: { site: 'home', self: 's1', servers: () => [], cameras: () => [cameraEntry('door', 's1')] },
  });
  const as = async (user: string): Promise<Browser> =>
    new Browser(viewing, { cookie: cookieOf((await signIn(server, user)).cookie) });
  await addUser(server, 'root', { role: 'admin' });
  return { rig, server, as, admin: await as('root'), nobody: new Browser(viewing) };
}

test('signing in answers who it is and sets the cookie, with which everything else is asked', async () => {
  const { server, nobody } = await scene();
  await addUser(server, 'anna', { role: 'operator', cameras: ['door'] });
  assert.equal((await nobody.ask('GET', '/api/session')).status, 401);
  const { status, json, headers } = await nobody.ask<SessionAnswer>('POST', '/api/session', {
    user: 'Anna',
    password,
  });
  assert.equal(status, 200);
  const expected = { user: 'anna', role: 'operator', cameras: ['door'], via: 'session' };
  assert.deepEqual(json, { ...expected, expiresAt: '2026-11-23T00:00:00.000Z' });
  nobody.shown = { cookie: cookieOf(headers.get('set-cookie') ?? '') };
  assert.deepEqual((await nobody.ask('GET', '/api/session')).json, json);
  const out = await nobody.ask('DELETE', '/api/session');
  assert.equal(out.status, 204);
  assert.match(out.headers.get('set-cookie') ?? '', /Max-Age=0/);
  assert.equal((await nobody.ask('GET', '/api/session')).status, 401);
});

test('a wrong password is 401, too many are 429 with the time to wait', async () => {
  const { nobody } = await scene();
  const wish = { user: 'root', password: 'wrong' };
  for (let tries = 0; tries < 5; tries++)
    assert.equal(await nobody.status('POST', '/api/session', wish), 401);
  const { status, headers, json } = await nobody.ask('POST', '/api/session', wish);
  assert.deepEqual([status, headers.get('retry-after')], [429, '1']);
  assert.match(json.advice, /1 s/);
});

test('whoever signs in over an old session is the new user, and not the old one again', async () => {
  const { rig, server, admin, as } = await scene();
  await addUser(server, 'anna');
  const browser = await as('anna');
  rig.clock.advance(4 * 3_600_000);
  browser.shown = { ...browser.shown };
  const { headers } = await browser.ask('POST', '/api/session', { user: 'root', password });
  const cookies = headers.getSetCookie();
  assert.equal(cookies.length, 1);
  browser.shown = { cookie: cookieOf(cookies[0] ?? '') };
  assert.equal((await browser.ask<SessionAnswer>('GET', '/api/session')).json.user, 'root');
  // A session that is only used is renewed.
  const renewed = await admin.ask('GET', '/api/session');
  assert.match(renewed.headers.get('set-cookie') ?? '', /^__Host-starling-home=/);
});

test('a user changes their own password, and only with a session', async () => {
  const { server, admin, as } = await scene();
  await addUser(server, 'anna');
  const anna = await as('anna');
  const path = '/api/session/password';
  assert.equal(await anna.status('PUT', path, { old: 'wrong', new: 'battery staple' }), 403);
  assert.equal(await anna.status('PUT', path, { old: password, new: 'short' }), 400);
  const changed = await anna.ask('PUT', path, { old: password, new: 'battery staple' });
  assert.equal(changed.status, 204);
  assert.equal(await anna.status('GET', '/api/session'), 401);
  anna.shown = { cookie: cookieOf(changed.headers.get('set-cookie') ?? '') };
  assert.equal(await anna.status('GET', '/api/session'), 200);
  const token = await admin.ask<NewTokenAnswer>('POST', '/api/tokens', {
    name: 'x',
    role: 'viewer',
    cameras: 'all',
  });
  anna.shown = { authorization: `Bearer ${token.json.token}` };
  assert.equal(await anna.status('PUT', path, { old: 'a', new: 'battery staple' }), 403);
});

test('users are made, changed and removed, and an admin always stays', async () => {
  const { admin } = await scene();
  const anna = { role: 'viewer', cameras: ['door'] };
  assert.equal(await admin.status('PUT', '/api/users/anna', anna), 409);
  assert.equal(await admin.status('PUT', '/api/users/anna', { ...anna, password: 'short' }), 400);
  assert.equal(await admin.status('PUT', '/api/users/anna', { ...anna, password, more: 1 }), 400);
  assert.equal(await admin.status('PUT', '/api/users/.anna', { ...anna, password }), 400);
  const made = await admin.ask('PUT', '/api/users/Anna', { ...anna, password });
  assert.deepEqual(
    [made.status, made.json],
    [201, { user: 'anna', ...anna, createdAt: '2026-11-22T12:00:00.000Z' }],
  );
  assert.equal(await admin.status('PUT', '/api/users/anna', { role: 'operator', cameras: 'all' }), 200);
  const { users } = (await admin.ask<UsersAnswer>('GET', '/api/users')).json;
  assert.deepEqual(
    users.map(({ user, role, cameras }) => [user, role, cameras]),
    [
      ['anna', 'operator', 'all'],
      ['root', 'admin', 'all'],
    ],
  );
  assert.equal(await admin.status('PUT', '/api/users/anna', { role: 'admin', cameras: ['door'] }), 409);
  const demoted = await admin.ask('PUT', '/api/users/root', { role: 'viewer', cameras: 'all' });
  assert.deepEqual([demoted.status, demoted.json.error], [409, 'root is the last admin']);
  assert.equal(await admin.status('DELETE', '/api/users/root'), 409);
  assert.equal(await admin.status('DELETE', '/api/users/anna'), 204);
  assert.equal(await admin.status('DELETE', '/api/users/anna'), 404);
  assert.equal(await admin.status('DELETE', '/api/users/__proto__'), 404);
});

test('whoever only wants to make a user changes none that is there', async () => {
  const { admin } = await scene();
  const anna = { role: 'viewer', cameras: ['door'], password };
  const put = (path: string, body: object, match: string) =>
    admin.ask('PUT', path, body, { 'if-none-match': match });
  assert.equal((await put('/api/users/anna', anna, '*')).status, 201);
  const again = await put('/api/users/Anna', { role: 'operator', cameras: 'all', password }, '*');
  assert.deepEqual([again.status, again.json.error], [412, 'there is a user anna already']);
  const { users } = (await admin.ask<UsersAnswer>('GET', '/api/users')).json;
  assert.deepEqual(
    users.map(({ user, role }) => [user, role]),
    [
      ['anna', 'viewer'],
      ['root', 'admin'],
    ],
  );
  assert.equal((await put('/api/users/anna', anna, '"an-etag"')).status, 400);
});

test('whoever only wants to change a user makes none that is gone', async () => {
  const { admin } = await scene();
  const change = { role: 'viewer', cameras: ['door'], password };
  const put = (match: string) => admin.ask('PUT', '/api/users/anna', change, { 'if-match': match });
  const first = await put('*');
  assert.deepEqual([first.status, first.json.error], [412, 'there is no user anna any longer']);
  assert.equal((await admin.ask('PUT', '/api/users/anna', change)).status, 201);
  assert.equal((await put('*')).status, 200);
  assert.equal((await put('"an-etag"')).status, 400);
  assert.equal((await admin.ask('DELETE', '/api/users/anna')).status, 204);
  assert.equal((await put('*')).status, 412);
  const { users } = (await admin.ask<UsersAnswer>('GET', '/api/users')).json;
  assert.deepEqual(
    users.map(({ user }) => user),
    ['root'],
  );
});

test('a token is shown once, counts, and is revoked by its id', async () => {
  const { admin, nobody } = await scene();
  const wish = { name: 'Home Assistant', role: 'viewer', cameras: ['door'], days: 30 };
  for (const bad of [
    { name: '' },
    { days: 0 },
    { days: 4_000 },
    { name: 'a\nb' },
    { role: 'root' },
    { cameras: ['../x'] },
  ]) {
    assert.equal(await admin.status('POST', '/api/tokens', { ...wish, ...bad }), 400, JSON.stringify(bad));
  }
  const made = await admin.ask<NewTokenAnswer>('POST', '/api/tokens', wish);
  const { token, ...rest } = made.json;
  assert.equal(made.status, 201);
  const { days: _, ...given } = wish;
  assert.deepEqual(rest, {
    id: 's1.1',
    ...given,
    createdAt: '2026-11-22T12:00:00.000Z',
    createdBy: 'root',
    expiresAt: '2026-12-22T12:00:00.000Z',
  });
  const list = await admin.ask<TokensAnswer>('GET', '/api/tokens');
  assert.deepEqual(list.json.tokens, [rest]);
  nobody.shown = { authorization: `Bearer ${token}` };
  const session = await nobody.ask<SessionAnswer>('GET', '/api/session');
  assert.deepEqual(
    [session.json.user, session.json.via, session.json.expiresAt],
    ['token:s1.1', 'token', rest.expiresAt],
  );
  assert.equal(await nobody.status('GET', '/api/tokens'), 403);
  assert.equal(await admin.status('DELETE', '/api/tokens/s1.1'), 204);
  assert.equal(await admin.status('DELETE', '/api/tokens/s1.1'), 404);
  assert.equal(await nobody.status('GET', '/api/session'), 401);
});

test('a link shows what it says without signing in, until it expires, and nothing else', async () => {
  const { rig, server, as, nobody } = await scene();
  await addUser(server, 'anna', { cameras: ['door'] });
  const anna = await as('anna');
  const path = '/api/cameras/door/links';
  const range = { from: '2026-11-22T11:00:00Z', to: '2026-11-22T11:10:00Z' };
  for (const bad of [
    { what: 'all' },
    { what: 'video' },
    { what: 'live', seconds: 59 },
    { what: 'live', seconds: 604_801 },
  ]) {
    assert.equal(await anna.status('POST', path, bad), 400, JSON.stringify(bad));
  }
  assert.equal(await anna.status('POST', '/api/cameras/yard/links', { what: 'live' }), 403);
  const made = await anna.ask<LinkAnswer>('POST', path, { what: 'playlist', ...range, seconds: 600 });
  assert.deepEqual([made.status, made.json.expiresAt], [201, '2026-11-22T12:10:00.000Z']);
  const { url } = made.json;
  // Nothing is recorded: it was let in, and found nothing.
  assert.equal(await nobody.status('GET', url), 404);
  assert.equal(await nobody.status('GET', url.replace('from=', 'from=1&x=')), 401);
  assert.equal(await nobody.status('GET', url.replace('playlist.m3u8', 'video.mp4')), 401);
  rig.clock.advance(600_000);
  const late = await nobody.ask('GET', url);
  assert.deepEqual([late.status, late.json.error], [401, 'this link has expired']);
});

test('where nobody is asked, everybody is in, and links need no signature', async () => {
  const { nobody } = await scene(true);
  const session = await nobody.ask<SessionAnswer>('GET', '/api/session');
  assert.deepEqual(session.json, {
    user: 'everybody',
    role: 'admin',
    cameras: 'all',
    via: 'open',
    expiresAt: null,
  });
  const link = await nobody.ask<LinkAnswer>('POST', '/api/cameras/door/links', { what: 'frame' });
  assert.equal(link.json.url, '/api/cameras/door/frame.jpg');
});

test('the log says what was done, by whom and from where, the newest first; nothing that was refused', async () => {
  const { rig, server, admin } = await scene();
  await admin.ask('PUT', '/api/users/anna', { role: 'viewer', cameras: 'all', password });
  await admin.ask('DELETE', '/api/users/nobody');
  await admin.ask('POST', '/api/tokens', { name: 'Phone', role: 'viewer', cameras: ['door'] });
  await admin.ask('GET', '/api/cameras/door/playlist.m3u8');
  await admin.ask('DELETE', '/api/users/anna');
  const { json } = await admin.ask<AuditAnswer>('GET', '/api/audit?limit=3');
  assert.deepEqual(
    json.entries.map(({ server: of, user, action, camera, detail, from }) => {
      return { server: of, user, action, camera, detail, from };
    }),
    [
      { server: 's1', user: 'root', action: 'delete', camera: null, detail: 'user anna', from: '192.0.2.1' },
      {
        server: 's1',
        user: 'root',
        action: 'change',
        camera: null,
        detail: 'new token s1.1 (Phone) viewer door',
        from: '192.0.2.1',
      },
      {
        server: 's1',
        user: 'root',
        action: 'change',
        camera: null,
        detail: 'new user anna viewer all cameras',
        from: '192.0.2.1',
      },
    ],
  );
  assert.equal(json.more, true);
  const rest = await admin.ask<AuditAnswer>('GET', `/api/audit?before=${json.next}`);
  assert.deepEqual(
    rest.json.entries.map(({ action }) => action),
    ['sign-in'],
  );
  assert.deepEqual([rest.json.more, rest.json.next], [false, null]);
  assert.equal(await admin.status('GET', '/api/audit?limit=501'), 400);
  assert.equal(await admin.status('GET', '/api/audit?before=yesterday'), 400);
  assert.equal((await entriesOf(server)).length, 4);
  rig.clock.advance(1);
});
