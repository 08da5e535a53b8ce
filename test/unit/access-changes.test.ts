/** What changes while a password is computed: nobody gets in, or anything done, by what held when they asked. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encodeUser, generationBytes, userKind } from '../../firmware/access/access-rows.ts';
import type { Principal } from '../../firmware/access/principal.ts';
import {
  AccessRig,
  addUser,
  cookieOf,
  entriesOf,
  identify,
  password,
  type RigServer,
  signIn,
} from '../support/access-rig.ts';
import { bareViewing } from '../support/bare-viewing.ts';

const from = { address: '192.0.2.1', secure: true };

interface Scene {
  readonly server: RigServer;
  /** who anna is in her session */
  readonly anna: Principal;
  readonly cookie: string;
  /** A row with another password arrives, as an admin writes it on another server. */
  readonly reset: () => void;
  /** A row without her arrives. */
  readonly remove: () => void;
}

const otherPassword = 'battery staple';

async function scene(role: 'viewer' | 'admin' = 'viewer'): Promise<Scene> {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'root', { role: 'admin' });
  await addUser(server, 'anna', { role });
  const { cookie, principal } = await signIn(server, 'anna');
  const { users } = server.access.accounts;
  const before = users.get('anna');
  const change = { role, cameras: 'all', password: otherPassword } as const;
  const other = await new AccessRig().server();
  await other.access.administration.putUser('anna', change, { isStillAdmin: () => true });
  const after = other.access.accounts.users.get('anna');
  assert.ok(before && after, 'known');
  const row = encodeUser({ ...before, password: after.password, generation: randomBytes(generationBytes) });
  const write = (value: Buffer | undefined): void => {
    rig.write('ss-2', { kind: userKind, id: 'anna', value });
  };
  return {
    server,
    anna: principal,
    cookie: cookieOf(cookie),
    reset: () => write(row.ok ? row.value : assert.fail(row.reason)),
    remove: () => write(undefined),
  };
}

test('a password that is changed while somebody signs in with it lets nobody in', async () => {
  const { server, reset } = await scene();
  const signingIn = server.access.signIn.signIn({ user: 'anna', password }, from);
  reset();
  const outcome = await signingIn;
  assert.equal(outcome.ok ? 200 : outcome.status, 401);
  assert.equal((await entriesOf(server))[0]?.action, 'sign-in-failed');
  await signIn(server, 'anna', { typed: otherPassword });
});

test('who is removed while they sign in is not let in', async () => {
  const { server, remove } = await scene();
  const signingIn = server.access.signIn.signIn({ user: 'anna', password }, from);
  remove();
  const outcome = await signingIn;
  assert.equal(outcome.ok ? 200 : outcome.status, 401);
});

test('a password that an admin resets while its owner changes it is what the admin said', async () => {
  const { server, anna, reset } = await scene();
  const changing = server.access.signIn.changePassword(anna, { old: password, new: 'my own choice' }, from);
  reset();
  assert.equal((await changing).ok, false);
  await assert.rejects(signIn(server, 'anna', { typed: 'my own choice' }), /401/);
  await signIn(server, 'anna', { typed: otherPassword });
});

test('a session that is signed out meanwhile changes no password', async () => {
  const { server, anna, cookie } = await scene();
  const changing = server.access.signIn.changePassword(anna, { old: password, new: 'my own choice' }, from);
  const { principal } = await identify(server, { cookie });
  server.access.signIn.signOut(principal, from);
  const outcome = await changing;
  assert.equal(outcome.ok ? 200 : outcome.status, 401);
  await signIn(server, 'anna');
});

test('an admin who is removed does not come back by what they had asked for', async () => {
  const { server, cookie, remove } = await scene('admin');
  const { access, clock } = server;
  const { ask } = bareViewing({ access, accounts: access, clock });
  const put = (user: string): Promise<Response> =>
    ask(
      `/api/users/${user}`,
      {
        method: 'PUT',
        headers: { cookie, 'x-starling': '1', 'content-type': 'application/json' },
        body: JSON.stringify({ role: 'admin', cameras: 'all', password: otherPassword }),
      },
      { secure: true },
    );
  assert.equal((await put('berta')).status, 201);
  const asked = [put('anna'), put('clara')];
  // The requests have been let in and their passwords are being computed.
  for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
  remove();
  assert.deepEqual(
    (await Promise.all(asked)).map(({ status }) => status),
    [403, 403],
  );
  assert.deepEqual(
    access.administration.users().map(({ name }) => name),
    ['berta', 'root'],
  );
});

test('an admin who is removed while their request arrives gets no token by it', async () => {
  const { server, cookie, remove } = await scene('admin');
  const { access, clock } = server;
  const { ask } = bareViewing({ access, accounts: access, clock });
  const order = Buffer.from(JSON.stringify({ name: 'for later', role: 'admin', cameras: 'all' }));
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
        remove();
        controller.enqueue(order);
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { cookie, 'x-starling': '1', 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body, duplex: 'half' } as const;
  assert.equal((await ask('/api/tokens', init, { secure: true })).status, 401);
  assert.deepEqual(access.administration.tokens(), []);
});
