/** What changes while a password is computed: nobody gets in, or anything done, by what held when they asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { userKind } from '../../firmware/access/access-rows.ts';
import { AccessRig, addUser, cookieOf, type RigServer, signIn } from '../support/access-rig.ts';
import { bareViewing } from '../support/bare-viewing.ts';

interface Scene {
  readonly server: RigServer;
  readonly cookie: string;
  /** A row without her arrives. */
  readonly remove: () => void;
}

const otherPassword = 'battery staple';

async function scene(role: 'viewer' | 'admin' = 'viewer'): Promise<Scene> {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'root', { role: 'admin' });
  await addUser(server, 'anna', { role });
  const { cookie } = await signIn(server, 'anna');
  const write = (value: Buffer | undefined): void => {
    rig.write('ss-2', { kind: userKind, id: 'anna', value });
  };
  return {
    server,
    cookie: cookieOf(cookie),
    remove: () => write(undefined),
  };
}

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
