/**
 * Every route, asked by everybody, on the own server and through another one: exactly the expected status. The routes
 * come from what is served, so that one without a row fails.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { createPeerClient, type OpenPeerClient } from '../../firmware/io/peer-client.ts';
import { issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { peerIdentity } from '../../firmware/site/identity.ts';
import { type ServedRoute, servedRoutes } from '../../firmware/viewing/served-routes.ts';
import { AccessSite } from '../support/access-site.ts';
import { openFullSite, showAnother } from '../support/full-site.ts';
import {
  here,
  type Person,
  people,
  type RouteRow,
  routeTable,
  type Subject,
  there,
} from '../support/route-table.ts';
import type { ViewingSite } from '../support/viewing-site.ts';

const mine = ['door', 'yard'];
const access = new AccessSite(['a', 'b']);
const tokens: Readonly<Record<Person, { id: string; text: string } | undefined>> = {
  nobody: undefined,
  'viewer of another camera': access.token('other', { role: 'viewer', cameras: ['attic'] }),
  viewer: access.token('viewer', { role: 'viewer', cameras: mine }),
  operator: access.token('operator', { role: 'operator', cameras: mine }),
  admin: access.token('admin', { role: 'admin', cameras: 'all' }),
};

let site: ViewingSite;
let routes: ServedRoute[];
/** server `a` as it asks b */
let peers: OpenPeerClient;

before(async () => {
  site = await openFullSite(access);
  routes = servedRoutes(site.server('a').viewing.api);
  const { authority } = site;
  const unit = await issueUnitCertificate(authority, { unit: 'a', role: 'server', cameras: [] });
  peers = createPeerClient({
    ca: authority.certificate,
    cert: unit.certificate,
    key: unit.key,
    identify: (name) => peerIdentity(name, 'demo'),
    resolve: () => ({ host: '127.0.0.1', port: site.server('b').links.port }),
  });
});

after(async () => {
  peers[Symbol.dispose]();
  await site[Symbol.asyncDispose]();
  for (const id of ['a', 'b']) assert.deepEqual(site.server(id).errors, [], `bugs of ${id}`);
});

const nameOf = ({ method, path }: ServedRoute): string => `${method} ${path}`;

function targetOf(path: string, row: RouteRow, subject: Subject): string {
  return (
    row.target?.(subject) ?? path.replace('{camera}', subject.camera).replace('{server}', subject.server)
  );
}

async function ask(
  route: ServedRoute,
  row: RouteRow,
  asked: { subject: Subject; person: Person },
): Promise<Response> {
  const { subject, person } = asked;
  const server = subject === there && row.atOther === true ? 'b' : 'a';
  const token = tokens[person];
  return fetch(site.server(server).url + targetOf(route.path, row, subject), {
    method: route.method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token.text}` }),
      ...(route.method === 'GET' ? {} : { 'x-starling': '1' }),
      ...(row.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(row.body === undefined ? {} : { body: JSON.stringify(row.body) }),
    signal: AbortSignal.timeout(10_000),
  });
}

test('every route that is served has a row, and every row a route', () => {
  assert.deepEqual(routes.map(nameOf).sort(), Object.keys(routeTable).sort());
});

for (const [name, row] of Object.entries(routeTable)) {
  for (const subject of [here, there]) {
    test(`${name} ${subject === here ? 'here' : 'through or at another server'}`, async () => {
      const route = routes.find((one) => nameOf(one) === name);
      assert(route !== undefined, 'it is not served');
      const statuses: number[] = [];
      for (const person of people) {
        const response = await ask(route, row, { subject, person });
        const bytes = Buffer.from(await response.arrayBuffer());
        statuses.push(response.status);
        if (response.status >= 400) {
          const answer = JSON.parse(bytes.toString()) as Record<string, unknown>;
          assert.deepEqual(Object.keys(answer).sort(), ['advice', 'error'], bytes.toString());
        }
        if (response.status === 401 && route.access !== 'anyone')
          assert.equal(response.headers.get('www-authenticate'), 'Bearer');
      }
      assert.equal(statuses.join(' '), subject === here ? row.here : (row.there ?? row.here));
    });
  }
}

describe('live pictures', () => {
  const watch = async (subject: Subject, headers: Record<string, string>): Promise<number> => {
    const url = `${site.server('a').url.replace('http', 'ws')}/api/cameras/${subject.camera}/live`;
    const socket = new WebSocket(url, { headers });
    socket.on('error', () => undefined);
    const opened = once(socket, 'message').then(() => 101);
    const refused = once(socket, 'unexpected-response').then(([, { statusCode }]) => Number(statusCode));
    const status = await Promise.race([opened, refused]);
    opened.catch(() => undefined);
    refused.catch(() => undefined);
    socket.terminate();
    return status;
  };

  for (const subject of [here, there]) {
    test(`are for those who may see the camera, ${subject === here ? 'here' : 'through another server'}`, async () => {
      const statuses: number[] = [];
      for (const person of people) {
        const token = tokens[person];
        statuses.push(
          await watch(subject, token === undefined ? {} : { authorization: `Bearer ${token.text}` }),
        );
      }
      assert.deepEqual(statuses, [401, 403, 101, 101, 101]);
    });
  }

  test('are not for a page of another site, whoever is signed in there', async () => {
    const authorization = `Bearer ${tokens.admin?.text}`;
    assert.equal(await watch(here, { authorization, origin: 'http://evil.example' }), 403);
    assert.equal(await watch(here, { authorization, origin: 'null' }), 403);
    assert.equal(await watch(here, { authorization, origin: site.server('a').url }), 101);
  });

  for (const subject of [here, there]) {
    const where = subject === here ? 'here' : 'through another server';
    test(`end within seconds when the token they were opened with is revoked, ${where}`, async () => {
      const token = access.token('short', { role: 'viewer', cameras: mine });
      const url = `${site.server('a').url.replace('http', 'ws')}/api/cameras/${subject.camera}/live`;
      const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token.text}` } });
      const texts: string[] = [];
      socket.on('message', (data: Buffer, isBinary: boolean) => {
        if (!isBinary) texts.push(data.toString());
      });
      await once(socket, 'message');
      const started = performance.now();
      assert.equal(access.of('b').administration.removeToken(token.id).ok, true);
      const signal = AbortSignal.timeout(10_000);
      const [code] = (await once(socket, 'close', { signal })) as [number];
      assert.equal(code, 1008);
      assert.match(texts.at(-1) ?? '', /"state":"ended".*no longer watch/);
      assert.equal(performance.now() - started < 6_000, true, 'within seconds');
    });
  }
});

describe('another server that asks', () => {
  before(() => showAnother(site));

  const askPeer = async (target: string, options: { user?: string; method?: 'POST'; body?: string }) => {
    const response = await peers.get('b', target, { timeoutMs: 5_000, ...options });
    response.body.resume();
    return response.status;
  };

  test('for its own business may read everything', async () => {
    for (const { path } of routes.filter(
      ({ method, path: at }) => method === 'GET' && at.includes('{camera}'),
    )) {
      const row = routeTable[`GET ${path}`] ?? assert.fail(`no row for ${path}`);
      const status = await askPeer(targetOf(path, row, there), {});
      assert.equal(status, path.endsWith('/live') ? 426 : 200, path);
    }
  });

  test('for a user gets what that user may see, by the rights that are known here', async () => {
    for (const { path } of routes.filter(
      ({ method, path: at }) => method === 'GET' && at.includes('{camera}'),
    )) {
      const row = routeTable[`GET ${path}`] ?? assert.fail(`no row for ${path}`);
      const target = targetOf(path, row, there);
      const id = (person: Person): string => `token:${tokens[person]?.id}`;
      assert.equal(await askPeer(target, { user: id('viewer of another camera') }), 403, path);
      assert.equal(await askPeer(target, { user: 'ghost' }), 401, path);
      assert.equal(
        (await askPeer(target, { user: id('viewer') })) < 400 || path.endsWith('/live'),
        true,
        path,
      );
    }
  });

  test('changes nothing but what a person has asked it to pass on', async () => {
    for (const route of routes.filter(({ method }) => method !== 'GET')) {
      const row = routeTable[nameOf(route)] ?? assert.fail(`no row for ${nameOf(route)}`);
      const response = await peers.get('b', targetOf(route.path, row, there), {
        timeoutMs: 5_000,
        method: route.method as 'POST',
        ...(row.body === undefined ? {} : { body: JSON.stringify(row.body) }),
      });
      response.body.resume();
      assert.equal(response.status === 403, !route.forwarded, `${nameOf(route)}: ${response.status}`);
    }
    const user = `token:${tokens.viewer?.id}`;
    const asViewer = { method: 'POST', body: '{"pan":5}', user } as const;
    assert.equal(
      await askPeer('/api/cameras/yard/ptz', asViewer),
      403,
      'a viewer steers nothing this way either',
    );
  });
});

test('lists show nobody a camera that is not theirs', async () => {
  const authorization = `Bearer ${tokens['viewer of another camera']?.text}`;
  for (const path of [
    '/api/site',
    '/api/cameras',
    '/api/tables',
    '/api/status',
    '/api/log',
    '/api/tables?server=b',
  ]) {
    const response = await fetch(site.server('a').url + path, { headers: { authorization } });
    const text = await response.text();
    assert.equal(response.status, 200, path);
    assert.doesNotMatch(text, /door|yard/, path);
  }
});

test('a server gives another one nothing for a user that it does not know itself', async () => {
  const strangers = new AccessSite(['b']);
  await using divided = await openFullSite({ of: (id) => (id === 'a' ? access : strangers).of(id) });
  const { url, errors } = divided.server('a');
  const headers = { authorization: `Bearer ${tokens.viewer?.text}` };
  const elsewhere = ['segments', 'parts', 'stream', 'ptz'];
  const lists = ['recordings', 'days'];
  for (const { path } of routes.filter(
    ({ method, path: at }) => method === 'GET' && at.includes('{camera}/'),
  )) {
    const row = routeTable[`GET ${path}`] ?? assert.fail(`no row for ${path}`);
    const response = await fetch(url + targetOf(path, row, there), { headers });
    const text = await response.text();
    const [, last = ''] = /\{camera\}\/([^/]+)/.exec(path) ?? [];
    if (['protected', 'settings', 'live'].includes(last)) continue;
    if (elsewhere.includes(last)) assert.equal(response.status, 401, path);
    else if (lists.includes(last))
      assert.deepEqual((JSON.parse(text) as { unreachable: string[] }).unreachable, ['b'], path);
    else assert.equal(response.status >= 400, true, `${path}: ${response.status}`);
  }
  assert.deepEqual(errors, []);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/cameras/yard/live`, { headers });
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
  assert.equal(isBinary, false, 'no picture');
  assert.match(data.toString(), /"state":"ended"/);
});
