// Users, tokens and sessions on real servers: made on one, good on the other, and gone from both at once.
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type {
  AuditAnswer,
  LinkAnswer,
  SessionAnswer,
  SiteAnswer,
  UsersAnswer,
} from '../../firmware/viewing/api.ts';
import { until } from '../support/network.ts';
import { type SignedInSite, startSignedInSite } from '../support/signed-in-site.ts';

interface Answer<T> {
  readonly status: number;
  readonly cookie: string;
  readonly json: T;
}

class Browser {
  private cookie = '';

  async ask<T = unknown>(url: string, method = 'GET', body?: object): Promise<Answer<T>> {
    const headers = { cookie: this.cookie, 'x-starling': '1', 'content-type': 'application/json' };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    const [cookie = ''] = response.headers.getSetCookie();
    if (cookie !== '') this.cookie = cookie.split(';')[0] ?? '';
    return { status: response.status, cookie, json: (text.startsWith('{') ? JSON.parse(text) : text) as T };
  }

  signIn(server: string, user: string, password: string): Promise<Answer<SessionAnswer>> {
    return this.ask(`${server}/api/session`, 'POST', { user, password });
  }
}

let site: SignedInSite;
let [one, two] = ['', ''];
const admin = new Browser();

before(async () => {
  site = await startSignedInSite(['ss-1', 'ss-2']);
  [one, two] = [site.url('ss-1'), site.url('ss-2')];
  await until(
    'the first admin signs in',
    async () => (await admin.signIn(one, 'admin', site.password)).status === 200,
  );
  await until('the servers know each other', async () => {
    const { json } = await admin.ask<SiteAnswer>(`${one}/api/site`);
    return json.servers.filter(({ state }) => state !== 'unreachable').length === 2;
  });
});

after(() => site[Symbol.asyncDispose]());

test('nobody gets anything without signing in, and the first admin is signed in on both servers', async () => {
  const nobody = new Browser();
  for (const path of [
    '/api/site',
    '/api/cameras',
    '/api/users',
    '/metrics',
    '/api/log',
    '/api/openapi.json',
  ]) {
    assert.equal((await nobody.ask(one + path)).status, 401, path);
    assert.equal((await admin.ask(two + path)).status, 200, path);
  }
  assert.equal((await nobody.ask(`${one}/`)).status, 200);
});

test('a user that is made on one server signs in on the other, and is out of both when removed on one', async () => {
  const path = '/api/users/anna';
  const wish = { role: 'viewer', cameras: 'all', password: 'correct horse' };
  assert.equal((await admin.ask(one + path, 'PUT', wish)).status, 201);
  const anna = new Browser();
  await until(
    'anna signs in on the other',
    async () => (await anna.signIn(two, 'anna', wish.password)).status === 200,
  );
  assert.equal((await anna.ask(`${one}/api/cameras`)).status, 200);
  assert.equal((await anna.ask(`${one}/api/users`)).status, 403);
  // Through another server she has no more rights than here.
  assert.equal((await anna.ask(`${one}/api/log?server=ss-2`)).status, 200);
  assert.equal((await admin.ask(two + path, 'DELETE')).status, 204);
  assert.equal((await anna.ask(`${two}/api/cameras`)).status, 401);
  await until('she is out of the other', async () => (await anna.ask(`${one}/api/cameras`)).status === 401);
});

test('whoever signs out on one server is signed out on the other', async () => {
  const wish = { role: 'viewer', cameras: 'all', password: 'correct horse' };
  await admin.ask(`${one}/api/users/berta`, 'PUT', wish);
  const berta = new Browser();
  await until('berta signs in', async () => (await berta.signIn(two, 'berta', wish.password)).status === 200);
  const held = Object.assign(new Browser(), berta);
  assert.equal((await berta.ask(`${two}/api/session`, 'DELETE')).status, 204);
  await until(
    'the copy of her cookie is worth nothing',
    async () => (await held.ask(`${one}/api/session`)).status === 401,
  );
  assert.equal((await held.ask(`${two}/api/session`)).status, 401);
});

test('the command line of the machine needs no password; on another server it needs a token', async () => {
  const config = site.settings('ss-1');
  const mode = (await stat(join(dirname(config), 'data', 'local-key.json'))).mode & 0o777;
  assert.equal(mode, 0o600);
  const nobody = await site.starling(['status', '--server', one]);
  assert.equal(nobody.code, 4);
  assert.match(nobody.err, /STARLING_TOKEN/);
  for (const command of ['status', 'cameras', 'tables', 'log', 'neighbors', 'audit']) {
    const { code, err } = await site.starling([command, '--config', config, '--json']);
    assert.equal(code, 0, `${command}: ${err}`);
  }
  const add = ['users', 'add', 'carla', '--role', 'operator', '--config', config];
  const added = await site.starling(add, { input: 'correct horse\n' });
  assert.equal(added.code, 0, added.err);
  const carla = new Browser();
  await until(
    'carla signs in',
    async () => (await carla.signIn(two, 'carla', 'correct horse')).status === 200,
  );
  const made = await site.starling(['tokens', 'add', 'backup', '--role', 'admin', '--config', config]);
  const env = { STARLING_TOKEN: made.out.trim(), STARLING_SERVER: two };
  await until('the token counts on the other server', async () => {
    const list = await site.starling(['users', 'list', '--json'], { env });
    return (
      list.code === 0 && (JSON.parse(list.out) as UsersAnswer).users.some(({ user }) => user === 'carla')
    );
  });
  const id = /token (\S+) is made/.exec(made.err)?.[1] ?? '';
  assert.equal((await site.starling(['tokens', 'remove', id], { env })).code, 0);
  assert.equal((await site.starling(['users', 'list'], { env })).code, 4);
});

test('a link that was made on one server is good on the other without signing in, as far as it goes', async () => {
  const wish = { what: 'playlist', from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:10:00Z', seconds: 600 };
  const { status, json } = await admin.ask<LinkAnswer>(`${one}/api/cameras/door/links`, 'POST', wish);
  assert.equal(status, 201);
  const nobody = new Browser();
  // There is no such camera: it was let in, and found nothing.
  assert.equal((await nobody.ask(two + json.url)).status, 404);
  assert.equal((await nobody.ask(two + json.url.replace('door', 'yard'))).status, 401);
});

test('the audit log has what was done on both servers', async () => {
  const entries = await until('both servers have told', async () => {
    const { json } = await admin.ask<AuditAnswer>(`${one}/api/audit?limit=500`);
    assert.deepEqual(json.unreachable, []);
    return new Set(json.entries.map(({ server }) => server)).size === 2 && json.entries;
  });
  const has = (server: string, user: string, action: string, detail: RegExp): boolean =>
    entries.some((entry) => {
      return (
        entry.server === server && entry.user === user && entry.action === action && detail.test(entry.detail)
      );
    });
  assert.ok(has('ss-1', 'admin', 'change', /^new user anna viewer all cameras$/), 'anna was made');
  assert.ok(has('ss-2', 'admin', 'delete', /^user anna$/), 'anna was removed');
  assert.ok(has('ss-2', 'anna', 'sign-in', /^$/), 'anna signed in');
  assert.ok(has('ss-1', 'server:ss-1', 'change', /^new user carla/), 'carla was made at the machine');
  const mine = await admin.ask<AuditAnswer>(`${two}/api/audit?user=anna`);
  assert.deepEqual(new Set(mine.json.entries.map(({ user }) => user)), new Set(['anna']));
});

test('a server that starts again knows its users and keeps its log; a changed password stays changed', async () => {
  const fresh = 'battery staple';
  const change = { old: site.password, new: fresh };
  assert.equal((await admin.ask(`${one}/api/session/password`, 'PUT', change)).status, 204);
  await until(
    'it holds on the other',
    async () => (await new Browser().signIn(two, 'admin', fresh)).status === 200,
  );
  await site.unit('ss-1').stop();
  site.unit('ss-1').start();
  const again = new Browser();
  await until('the new password holds', async () => (await again.signIn(one, 'admin', fresh)).status === 200);
  assert.equal((await again.signIn(one, 'admin', site.password)).status, 401);
  const { json } = await admin.ask<AuditAnswer>(`${one}/api/audit?limit=500`);
  assert.ok(
    json.entries.some(({ server, detail }) => server === 'ss-1' && detail.startsWith('new user anna')),
    'kept',
  );
});
