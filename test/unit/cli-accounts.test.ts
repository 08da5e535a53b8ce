// Users, tokens and the audit log on the command line, and how the command line shows who it is.
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { type AccountTerminal, addAccountCommands } from '../../firmware/cli/account-commands.ts';
import { chooseServer } from '../../firmware/cli/api-client.ts';
import { authorizationFor } from '../../firmware/cli/credentials.ts';
import { firstLine } from '../../firmware/cli/secret-input.ts';
import { localKeyName, writeLocalKey } from '../../firmware/io/local-key-file.ts';
import { type CommandResult, fakeServer, runCommandLine } from '../support/command-line.ts';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
}

const anna = { user: 'anna', role: 'viewer', cameras: ['door'], createdAt: '2026-11-22T12:00:00.000Z' };
const token = {
  id: 'ss-1.1',
  name: 'Phone',
  role: 'viewer',
  cameras: 'all',
  createdAt: '2026-11-22T12:00:00.000Z',
  createdBy: 'root',
  expiresAt: null,
};
const entry = {
  at: '2026-11-22T12:00:00.000Z',
  server: 'ss-1',
  user: 'anna',
  action: 'watch',
  camera: 'door',
  detail: 'live',
  from: '192.0.2.1',
};

/** A server that knows anna and one token. */
async function scene(unreachable: string[] = []) {
  const asked: Asked[] = [];
  const server = await fakeServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const text = server.bodies.at(-1) ?? '';
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    asked.push({ method, path: url, body, authorization: headers.authorization });
    const answer = (status: number, json?: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(json && JSON.stringify(json));
    };
    if (method === 'DELETE') return answer(204);
    if (url.startsWith('/api/audit'))
      return answer(200, { entries: [entry], unreachable, more: false, next: null });
    if (url === '/api/users') return answer(200, { users: [anna] });
    if (method === 'PUT')
      return answer(200, { ...anna, user: decodeURIComponent(url.slice('/api/users/'.length)) });
    if (method === 'POST') return answer(201, { ...token, token: 'starling_ss-1.1_secret' });
    return answer(200, { tokens: [token] });
  });
  return { server, asked, [Symbol.asyncDispose]: () => server.close() };
}

function run(args: readonly string[], given: Partial<AccountTerminal> = {}): Promise<CommandResult> {
  const add: Parameters<typeof runCommandLine>[0] = (program, terminal) => {
    addAccountCommands(program, {
      ...terminal,
      askSecret: async () => 'correct horse',
      typed: false,
      ...given,
    });
  };
  return runCommandLine(add, args);
}

test('a user is made with the rights that are given and a password that is asked for', async () => {
  await using it = await scene();
  const args = [
    'users',
    'add',
    'berta',
    '--role',
    'operator',
    '--camera',
    'door',
    'yard',
    '--server',
    it.server.url,
  ];
  const { code, out } = await run(args);
  assert.equal(code, 0);
  assert.match(out, /^USER +ROLE +CAMERAS +SINCE\nberta /);
  assert.deepEqual(it.asked.at(-1), {
    method: 'PUT',
    path: '/api/users/berta',
    body: { role: 'operator', cameras: ['door', 'yard'], password: 'correct horse' },
    authorization: undefined,
  });
});

test('a password that is typed is typed twice, and the two must be the same', async () => {
  await using it = await scene();
  const typed = ['correct horse', 'correct house'];
  const questions: string[] = [];
  const askSecret = async (question: string): Promise<string> => {
    questions.push(question);
    return typed.shift() ?? '';
  };
  const { code, err } = await run(['users', 'password', 'anna', '--server', it.server.url], {
    askSecret,
    typed: true,
  });
  assert.deepEqual([code, questions], [2, ['New password of anna', 'The same again']]);
  assert.match(err, /differ/);
  assert.ok(
    it.asked.every(({ method }) => method === 'GET'),
    'nothing was changed',
  );
});

test('changing a user keeps what is not given, and neither makes nor takes over one by a slip', async () => {
  await using it = await scene();
  const at = ['--server', it.server.url];
  assert.equal((await run(['users', 'set', 'anna', '--role', 'operator', ...at])).code, 0);
  assert.deepEqual(it.asked.at(-1)?.body, { role: 'operator', cameras: ['door'] });
  assert.equal((await run(['users', 'set', 'anna', '--all-cameras', ...at])).code, 0);
  assert.deepEqual(it.asked.at(-1)?.body, { role: 'viewer', cameras: 'all' });
  assert.equal((await run(['users', 'set', 'anna', '--role', 'admin', ...at])).code, 0);
  assert.deepEqual(it.asked.at(-1)?.body, { role: 'admin', cameras: 'all' });
  const changes = it.asked.filter(({ method }) => method === 'PUT').length;
  assert.equal((await run(['users', 'set', 'ana', '--role', 'admin', ...at])).code, 3);
  assert.equal((await run(['users', 'add', 'Anna', ...at])).code, 2);
  assert.equal((await run(['users', 'set', 'anna', '--role', 'king', ...at])).code, 2);
  assert.equal(it.asked.filter(({ method }) => method === 'PUT').length, changes);
});

test('users and tokens are lists for people and JSON for programs, and go by name and id', async () => {
  await using it = await scene();
  const at = ['--server', it.server.url];
  assert.equal(
    (await run(['users', 'list', ...at])).out,
    'USER  ROLE    CAMERAS  SINCE\nanna  viewer  door     2026-11-22T12:00:00.000Z\n',
  );
  assert.deepEqual(JSON.parse((await run(['users', 'list', '--json', ...at])).out), { users: [anna] });
  assert.match(
    (await run(['tokens', 'list', ...at])).out,
    /^ID +NAME +ROLE .*\nss-1\.1 +Phone +viewer +all +root +never\n$/,
  );
  assert.equal((await run(['users', 'remove', 'anna', ...at])).code, 0);
  assert.equal((await run(['tokens', 'remove', 'ss-1.1', ...at])).code, 0);
  assert.deepEqual(
    it.asked.slice(-2).map(({ method, path: asked }) => `${method} ${asked}`),
    ['DELETE /api/users/anna', 'DELETE /api/tokens/ss-1.1'],
  );
});

test('a token goes to stdout alone, so that it can be kept', async () => {
  await using it = await scene();
  const { out, err, code } = await run(['tokens', 'add', 'Phone', '--days', '30', '--server', it.server.url]);
  assert.deepEqual([out, code], ['starling_ss-1.1_secret\n', 0]);
  assert.match(err, /not shown again/);
  assert.deepEqual(it.asked[0]?.body, { name: 'Phone', role: 'viewer', cameras: 'all', days: 30 });
  assert.equal((await run(['tokens', 'add', 'Phone', '--days', 'many', '--server', it.server.url])).code, 2);
});

test('the audit log is a table; servers that did not answer are named, and the end is 6', async () => {
  await using it = await scene(['ss-2']);
  const { out, err, code } = await run([
    'audit',
    '--user',
    'anna',
    '--camera',
    'door',
    '--server',
    it.server.url,
  ]);
  assert.match(
    out,
    /^TIME +USER +ACTION .*\n2026-11-22T12:00:00\.000Z +anna +watch +door +live +192\.0\.2\.1 +ss-1\n$/,
  );
  assert.deepEqual([code, it.asked[0]?.path], [6, '/api/audit?limit=50&user=anna&camera=door']);
  assert.match(err, /ss-2/);
});

test('a password comes from the first line of standard input', async () => {
  const input = new PassThrough();
  input.end('correct horse\nanything\n');
  assert.equal(await firstLine(input), 'correct horse');
  const nothing = new PassThrough();
  nothing.end();
  await assert.rejects(firstLine(nothing), /no password/);
  const endless = new PassThrough();
  endless.end('x'.repeat(100_000));
  await assert.rejects(firstLine(endless), /no password/);
});

/** A home folder, and a server's folder with its settings. */
async function places(t: TestContext) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'starling-cli-'));
  t.after(() => rm(folder, { recursive: true }));
  const home = path.join(folder, 'home');
  const settings = path.join(folder, 'unit.yaml');
  const data = path.join(folder, 'data');
  await mkdir(path.join(home, '.config', 'starling'), { recursive: true });
  await mkdir(data);
  await writeFile(
    settings,
    'unit: ss-1\nrole: server\nsite: { name: home }\nserver: { http: { port: 8311 } }\n',
  );
  return { home, settings, data, tokenFile: path.join(home, '.config', 'starling', 'token') };
}

const here = 'http://127.0.0.1:8311';

test('the command line shows the token it is given, else the one it keeps, else the key of this machine', async (t) => {
  const { home, settings, data, tokenFile } = await places(t);
  const environment: NodeJS.ProcessEnv = { HOME: home };
  assert.equal(authorizationFor(here, environment), undefined);
  const named = { ...environment, STARLING_CONFIG: settings };
  assert.equal(authorizationFor(here, named), undefined);
  await using key = await writeLocalKey(data, { url: here, key: 'starling_local_x' });
  assert.equal(authorizationFor(here, named), 'Bearer starling_local_x');
  assert.equal(authorizationFor('http://localhost:8311', named), 'Bearer starling_local_x');
  await writeFile(tokenFile, 'starling_ss-1.1_y\n', { mode: 0o600 });
  assert.equal(authorizationFor(here, environment), 'Bearer starling_ss-1.1_y');
  assert.equal(authorizationFor(here, named), 'Bearer starling_local_x');
  assert.equal(
    authorizationFor(here, { ...named, STARLING_TOKEN: 'starling_ss-1.1_z' }),
    'Bearer starling_ss-1.1_z',
  );
  void key;
});

test('the key of a machine goes to the server that wrote it, and nowhere else', async (t) => {
  const { home, settings, data } = await places(t);
  await using key = await writeLocalKey(data, { url: here, key: 'starling_local_x' });
  const environment = { HOME: home, STARLING_CONFIG: settings };
  for (const other of [
    'http://127.0.0.1:8312',
    'https://127.0.0.1:8311',
    'http://192.0.2.1:8311',
    'http://nvr:8311',
  ]) {
    assert.equal(authorizationFor(other, environment), undefined, other);
  }
  assert.equal(chooseServer(undefined, environment), here);
  assert.equal(chooseServer('http://nvr:1', environment), 'http://nvr:1');
  void key;
});

test('a token is not sent over a network in the clear', () => {
  const environment = { HOME: '/nonexistent', STARLING_TOKEN: 'starling_ss-1.1_x' };
  for (const safe of [
    'https://nvr.example.org',
    'http://127.0.0.1:8300',
    'http://[::1]:8300',
    'http://localhost:1',
  ]) {
    assert.equal(authorizationFor(safe, environment), 'Bearer starling_ss-1.1_x');
  }
  const refusal = (error: unknown): boolean => error instanceof Failure && error.code === 'USAGE';
  assert.throws(() => authorizationFor('http://nvr.example.org', environment), refusal);
  assert.throws(() => authorizationFor(here, { ...environment, STARLING_TOKEN: 'a b' }), refusal);
});

test('a token file that others can read is refused with what to do', async (t) => {
  const { home, tokenFile } = await places(t);
  await writeFile(tokenFile, 'starling_ss-1.1_y\n');
  await chmod(tokenFile, 0o640);
  const refusal = (error: unknown): boolean =>
    error instanceof Failure &&
    error.code === 'ACCESS_DENIED' &&
    error.advice.includes(`chmod 600 ${tokenFile}`);
  assert.throws(() => authorizationFor(here, { HOME: home }), refusal);
});

test('settings that are named must be those of a server; a damaged key is none', async (t) => {
  const { home, settings, data } = await places(t);
  const environment = { HOME: home, STARLING_CONFIG: settings };
  for (const text of ['', 'garbage', '{"url":"x","key":"y"}', '{"url":"http://127.0.0.1:8311"}']) {
    await writeFile(path.join(data, localKeyName), text);
    assert.equal(authorizationFor(here, environment), undefined, text);
  }
  assert.throws(
    () => chooseServer(undefined, { ...environment, STARLING_CONFIG: `${settings}.not` }),
    /cannot read/,
  );
  await writeFile(
    settings,
    'unit: cam-1\nrole: camera\nsite: { name: home }\ncamera: { cameras: [{ id: a }] }\n',
  );
  assert.throws(() => chooseServer(undefined, environment), /is of a camera/);
});

test('a server that wants to know who asks gets an answer of what to do', async () => {
  await using server = await fakeServer((_, response) => {
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end('{"error":"who asks?","advice":"Sign in."}');
  });
  const { code, err } = await run(['users', 'list', '--server', server.url]);
  assert.equal(code, 4);
  assert.match(err, /who asks\?\nSet STARLING_TOKEN/);
});
