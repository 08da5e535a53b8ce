// Who somebody is, and for how long: sessions over several servers, tokens, links, other servers, the machine's own key.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encodeRevocation, revokedKind, sessionIdBytes } from '../../firmware/access/access-rows.ts';
import {
  AccessRig,
  addUser,
  cookieOf,
  entriesOf,
  identify,
  newKey,
  oldKey,
  password,
  signIn,
} from '../support/access-rig.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

test('whoever signs in on one server is signed in on the other, with their own rights', async () => {
  const rig = new AccessRig();
  const [one, two] = [await rig.server('ss-1'), await rig.server('ss-2')];
  await addUser(one, 'Anna', { role: 'operator', cameras: ['door', 'yard'] });
  const { cookie } = await signIn(two, 'ANNA');
  assert.match(
    cookie,
    /^__Host-starling-home=[\w-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/,
  );
  const { principal } = await identify(one, { cookie: cookieOf(cookie) });
  assert.deepEqual(principal, { name: 'anna', role: 'operator', cameras: ['door', 'yard'], via: 'session' });
});

test('over plain HTTP the cookie has no prefix and is not Secure, and does not count over HTTPS', async () => {
  const server = await new AccessRig().server();
  await addUser(server, 'anna');
  const { cookie } = await signIn(server, 'anna', { secure: false });
  assert.match(cookie, /^starling-home=/);
  assert.ok(!cookie.includes('Secure'), cookie);
  assert.equal(
    (await identify(server, { cookie: cookieOf(cookie) }, { secure: false })).principal?.name,
    'anna',
  );
  assert.equal((await identify(server, { cookie: cookieOf(cookie) })).principal, undefined);
});

test('a wrong password and a name that nobody has get the same answer', async () => {
  const server = await new AccessRig().server();
  await addUser(server, 'anna');
  const from = { address: '192.0.2.1', secure: true };
  const wrong = await server.access.signIn.signIn({ user: 'anna', password: 'correct hors' }, from);
  const nobody = await server.access.signIn.signIn({ user: 'berta', password: 'correct hors' }, from);
  assert.deepEqual(wrong, nobody);
  assert.equal(wrong.ok ? 0 : wrong.status, 401);
});

test('a session ends after twelve hours, unless it is renewed, which it is after three, and after thirty days anyway', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna');
  let cookie = cookieOf((await signIn(server, 'anna')).cookie);
  rig.clock.advance(3 * hourMs - 1);
  assert.equal((await identify(server, { cookie })).headers, undefined);
  rig.clock.advance(9 * hourMs);
  const { principal, headers } = await identify(server, { cookie });
  assert.equal(principal?.name, 'anna');
  const renewed = cookieOf(headers?.['set-cookie'] ?? '');
  rig.clock.advance(1);
  assert.equal((await identify(server, { cookie })).principal, undefined);
  cookie = renewed;
  for (let days = 0.5; days < 29.7; days += 0.25) {
    rig.clock.advance(dayMs / 4);
    const again = await identify(server, { cookie });
    assert.equal(again.principal?.name, 'anna', `after ${days} days`);
    if (again.headers !== undefined) cookie = cookieOf(again.headers['set-cookie'] ?? '');
  }
  rig.clock.advance(dayMs / 4);
  assert.equal((await identify(server, { cookie })).principal, undefined);
});

test('signing out ends that session on every server, and no other', async () => {
  const rig = new AccessRig();
  const [one, two] = [await rig.server('ss-1'), await rig.server('ss-2')];
  await addUser(one, 'anna');
  const [phone, desk] = [await signIn(one, 'anna'), await signIn(two, 'anna')];
  const principal = (await identify(one, { cookie: cookieOf(phone.cookie) })).principal;
  const out = one.access.signIn.signOut(principal, { address: '', secure: true });
  assert.match(out.ok ? out.value : '', /^__Host-starling-home=; Path=\/; Max-Age=0;/);
  assert.equal((await identify(two, { cookie: cookieOf(phone.cookie) })).principal, undefined);
  assert.equal((await identify(one, { cookie: cookieOf(desk.cookie) })).principal?.name, 'anna');
});

test('however many sign out, rows are used again, and when none is free the session ends all the same', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna');
  for (let n = 1; n <= 64; n++) {
    const untilMs = rig.clock.utcMs() + dayMs;
    const value = encodeRevocation({ session: randomBytes(sessionIdBytes), untilMs });
    rig.write('ss-1', { kind: revokedKind, id: `ss-1.${n}`, value });
  }
  const size = rig.document.size;
  const out = async (): Promise<void> => {
    const { cookie, principal } = await signIn(server, 'anna');
    const gone = server.access.signIn.signOut(principal, { address: '', secure: true });
    assert.equal(gone.ok, true);
    assert.equal((await identify(server, { cookie: cookieOf(cookie) })).principal, undefined);
    assert.equal(rig.document.size, size);
  };
  const before = server.access.accounts.generationOf('anna');
  await out();
  assert.notDeepEqual(server.access.accounts.generationOf('anna'), before);
  rig.clock.advance(dayMs);
  const now = server.access.accounts.generationOf('anna');
  await out();
  assert.deepEqual(server.access.accounts.generationOf('anna'), now);
});

for (const [what, change] of [
  ['another password', { role: 'viewer', cameras: 'all', password: 'battery staple' }],
  ['another role', { role: 'operator', cameras: 'all', password: undefined }],
] as const) {
  test(`${what} ends the sessions and links of a user everywhere`, async () => {
    const rig = new AccessRig();
    const [one, two] = [await rig.server('ss-1'), await rig.server('ss-2')];
    await addUser(one, 'anna');
    const { cookie, principal } = await signIn(one, 'anna');
    const expiresAtMs = rig.clock.utcMs() + hourMs;
    const target = one.access.links.sign('/api/cameras/door/frame.jpg', { user: 'anna', expiresAtMs }) ?? '';
    assert.equal((await identify(two, {}, { target })).principal?.via, 'link');
    assert.equal(
      (await one.access.administration.putUser('anna', change, { isStillAdmin: () => true })).ok,
      true,
    );
    assert.equal((await identify(two, { cookie: cookieOf(cookie) })).principal, undefined);
    assert.equal((await identify(two, {}, { target })).principal, undefined);
    assert.equal(one.access.current(principal), undefined);
  });
}

test('other cameras hold at once for sessions that go on', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna', { cameras: ['door'] });
  const { cookie, principal } = await signIn(server, 'anna');
  assert.equal(server.access.current(principal), principal);
  const change = { role: 'viewer', cameras: ['yard'], password: undefined } as const;
  assert.equal(
    (await server.access.administration.putUser('anna', change, { isStillAdmin: () => true })).ok,
    true,
  );
  assert.deepEqual(server.access.current(principal)?.cameras, ['yard']);
  assert.deepEqual((await identify(server, { cookie: cookieOf(cookie) })).principal?.cameras, ['yard']);
});

test('whoever changes their own password stays signed in here, and is signed out elsewhere', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna');
  const [here, elsewhere] = [await signIn(server, 'anna'), await signIn(server, 'anna')];
  const { principal } = await identify(server, { cookie: cookieOf(here.cookie) });
  assert.ok(principal, 'signed in');
  const from = { address: '192.0.2.1', secure: true };
  const change = (old: string, fresh: string) =>
    server.access.signIn.changePassword(principal, { old, new: fresh }, from);
  const wrong = await change('wrong horse', 'battery staple');
  assert.equal(wrong.ok ? 0 : wrong.status, 403);
  const short = await change(password, 'battery');
  assert.equal(short.ok ? 0 : short.status, 400);
  const changed = await change(password, 'battery staple');
  assert.ok(changed.ok, 'changed');
  assert.equal((await identify(server, { cookie: cookieOf(changed.value.cookie) })).principal?.name, 'anna');
  assert.equal((await identify(server, { cookie: cookieOf(elsewhere.cookie) })).principal, undefined);
  await assert.rejects(signIn(server, 'anna'), /401/);
  await signIn(server, 'anna', { typed: 'battery staple' });
});

test('a seal key that is being replaced still counts; one that is gone does not', async () => {
  const rig = new AccessRig();
  const before = await rig.server('ss-1', { sealKeys: [oldKey] });
  const during = await rig.server('ss-2', { sealKeys: [newKey, oldKey] });
  const after = await rig.server('ss-3', { sealKeys: [newKey] });
  await addUser(before, 'anna');
  const cookie = cookieOf((await signIn(before, 'anna')).cookie);
  assert.equal((await identify(during, { cookie })).principal?.name, 'anna');
  assert.equal((await identify(after, { cookie })).principal, undefined);
  const fresh = cookieOf((await signIn(during, 'anna')).cookie);
  assert.equal((await identify(after, { cookie: fresh })).principal?.name, 'anna');
});

test('a token counts on every server until it expires or is revoked', async () => {
  const rig = new AccessRig();
  const [one, two] = [await rig.server('ss-1'), await rig.server('ss-2')];
  const order = { name: 'Home Assistant', role: 'operator', cameras: ['door'], createdBy: 'anna' } as const;
  const made = one.access.administration.addToken({ ...order, days: 2 });
  const kept = one.access.administration.addToken({ ...order, days: undefined });
  assert.ok(made.ok && kept.ok, 'made');
  const { text, token } = made.value;
  assert.match(text, /^starling_ss-1\.1_[\w-]{43}$/);
  const shown = { authorization: `Bearer ${text}` };
  const { principal } = await identify(two, shown);
  assert.deepEqual(principal, { name: 'token:ss-1.1', role: 'operator', cameras: ['door'], via: 'token' });
  rig.clock.advance(2 * dayMs);
  assert.equal((await identify(two, shown)).principal, undefined);
  assert.equal(principal && two.access.current(principal), undefined);
  const other = { authorization: `bearer ${kept.value.text}` };
  assert.equal((await identify(one, other)).principal?.name, 'token:ss-1.2');
  assert.equal(two.access.administration.removeToken(kept.value.token.id).ok, true);
  assert.equal((await identify(one, other)).principal, undefined);
  assert.match((await identify(one, other)).reason ?? '', /revoked/);
  // The secret is nowhere in the document.
  const secret = text.split('_').slice(2).join('_');
  assert.ok(
    rig.document.rows().every(({ value }) => value?.includes(secret) !== true),
    token.id,
  );
});

test('a token that does not hold is refused, even beside a good cookie, and where nobody is asked', async () => {
  const server = await new AccessRig().server('ss-1', { open: true });
  await addUser(server, 'anna');
  const { cookie } = await signIn(server, 'anna');
  const wrong = { cookie: cookieOf(cookie), authorization: `Bearer starling_ss-1.1_${'x'.repeat(43)}` };
  assert.equal((await identify(server, wrong)).principal, undefined);
  assert.equal((await identify(server, {})).principal?.via, 'open');
  assert.equal((await identify(server, { cookie: cookieOf(cookie) })).principal?.name, 'anna');
});

test('the key of a machine holds on that machine alone, on that server alone, and not after a restart', async () => {
  const rig = new AccessRig();
  const [one, two] = [await rig.server('ss-1'), await rig.server('ss-2')];
  const shown = { authorization: `Bearer ${one.access.localKey.text}` };
  for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const { principal } = await identify(one, shown, { remoteAddress });
    assert.deepEqual(principal, { name: 'server:ss-1', role: 'admin', cameras: 'all', via: 'token' });
  }
  assert.match(
    (await identify(one, shown, { remoteAddress: '192.0.2.1' })).reason ?? '',
    /only on this machine/,
  );
  assert.equal((await identify(two, shown, { remoteAddress: '127.0.0.1' })).principal, undefined);
  const again = await rig.server('ss-1');
  assert.equal((await identify(again, shown, { remoteAddress: '127.0.0.1' })).principal, undefined);
});

test('another server asks for itself or for somebody, who has the rights that they have here', async () => {
  const rig = new AccessRig();
  const server = await rig.server('ss-1');
  await addUser(server, 'anna', { cameras: ['door'] });
  const as = async (user?: string) =>
    (await identify(server, user === undefined ? {} : { 'x-starling-user': user }, { peer: 'ss-2' }))
      .principal;
  assert.deepEqual(await as(), { name: 'server:ss-2', role: 'admin', cameras: 'all', via: 'peer' });
  assert.deepEqual(await as('server:ss-2'), {
    name: 'server:ss-2',
    role: 'admin',
    cameras: 'all',
    via: 'peer',
  });
  assert.deepEqual(await as('anna'), { name: 'anna', role: 'viewer', cameras: ['door'], via: 'peer' });
  for (const unknown of ['berta', '', 'token:ss-1.1', 'server:ss-3', '__proto__']) {
    assert.equal(await as(unknown), undefined, unknown);
  }
  // Only a certificate makes a server.
  assert.equal((await identify(server, { 'x-starling-user': 'anna' })).principal, undefined);
});

test('a link reads one thing of one camera, as long as its user may see that one', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna', { role: 'operator', cameras: ['door', 'yard'] });
  const { links, administration } = server.access;
  const nowMs = rig.clock.utcMs();
  const link = (seconds: number): string =>
    links.sign('/api/cameras/door/frame.jpg', { user: 'anna', expiresAtMs: nowMs + seconds * 1000 }) ?? '';
  const asked = async (target: string, method = 'GET') =>
    (await identify(server, {}, { target, method })).principal;
  assert.deepEqual(await asked(link(60)), { name: 'anna', role: 'viewer', cameras: ['door'], via: 'link' });
  assert.equal((await asked(link(60), 'HEAD'))?.name, 'anna');
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
    assert.equal(await asked(link(60), method), undefined);
  assert.equal(await asked(link(8 * 24 * 3600)), undefined);
  const sign = links.covering(link(60));
  const part = sign('/api/cameras/door/parts/ss-1/2026-11-22/120000.000Z-1-1/0-9.mp4');
  assert.equal((await asked(part))?.name, 'anna');
  assert.equal(links.covering('/api/cameras/door/playlist.m3u8')('/part'), '/part');
  const held = await asked(link(60));
  const change = { role: 'operator', cameras: ['yard'], password: undefined } as const;
  assert.equal((await administration.putUser('anna', change, { isStillAdmin: () => true })).ok, true);
  assert.equal(await asked(link(60)), undefined);
  assert.equal(held && server.access.current(held), undefined);
  assert.equal(links.sign('/api/cameras/door/frame.jpg', { user: 'nobody', expiresAtMs: nowMs }), undefined);
});

test('a link that somebody at the machine of a server has made holds on that server', async () => {
  const rig = new AccessRig();
  const [one, two] = [await rig.server('ss-1'), await rig.server('ss-2')];
  const wish = { user: 'server:ss-1', expiresAtMs: rig.clock.utcMs() + 60_000 };
  const target = one.access.links.sign('/api/cameras/door/frame.jpg', wish) ?? '';
  assert.equal((await identify(one, {}, { target })).principal?.via, 'link');
  assert.equal((await identify(two, {}, { target })).principal, undefined);
});

test('a server whose clock is not set goes by the latest that the site has shown it', async () => {
  const rig = new AccessRig();
  const right = await rig.server('ss-1');
  await addUser(right, 'anna');
  const cookie = cookieOf((await signIn(right, 'anna')).cookie);
  let set = false;
  const board = new VirtualClock(5_000);
  const wrong = await rig.server('ss-2', { clock: board, trusted: () => set });
  assert.equal((await identify(wrong, { cookie })).principal?.name, 'anna');
  const own = cookieOf((await signIn(wrong, 'anna')).cookie);
  assert.equal((await identify(right, { cookie: own })).principal?.name, 'anna');
  board.advance(13 * hourMs);
  assert.equal((await identify(wrong, { cookie })).principal, undefined);
  set = true;
});

test('who signed in on a board alone in 1970 signs in again when its clock is set', async () => {
  const rig = new AccessRig();
  let set = false;
  const clock = new VirtualClock(5_000);
  const board = await rig.server('ss-1', { clock, trusted: () => set });
  const wish = { role: 'admin', cameras: 'all', password } as const;
  assert.equal(
    (await board.access.administration.putUser('anna', wish, { isStillAdmin: () => true })).ok,
    true,
  );
  // The only row there is was written by a clock that is no better: what it shows is what time it is.
  const cookie = cookieOf((await signIn(board, 'anna')).cookie);
  assert.equal((await identify(board, { cookie })).principal?.name, 'anna');
  set = true;
  const later = new VirtualClock(Date.parse('2027-03-01T00:00:00Z'));
  Object.assign(clock, { utcMs: () => later.utcMs() });
  assert.equal((await identify(board, { cookie })).principal, undefined);
});

test('a clock far ahead makes no session that lasts for years elsewhere', async () => {
  const rig = new AccessRig();
  const [right, ahead] = [
    await rig.server('ss-1'),
    await rig.server('ss-2', { clock: new VirtualClock(Date.parse('2050-01-01T00:00:00Z')) }),
  ];
  await addUser(right, 'anna');
  const cookie = cookieOf((await signIn(ahead, 'anna')).cookie);
  assert.equal((await identify(ahead, { cookie })).principal?.name, 'anna');
  assert.equal((await identify(right, { cookie })).principal, undefined);
});

test('what people do is written down: who came in, who failed to, and no word of what they typed as a name', async () => {
  const server = await new AccessRig().server();
  await addUser(server, 'anna');
  const { principal } = await signIn(server, 'anna');
  await assert.rejects(signIn(server, 'anna', { typed: 'guess' }), /401/);
  await assert.rejects(signIn(server, 'my-secret-password', { typed: 'guess' }), /401/);
  server.access.signIn.signOut(principal, { address: '192.0.2.1', secure: true });
  const common = { camera: undefined, from: '192.0.2.1' };
  assert.deepEqual(await entriesOf(server), [
    { user: 'anna', action: 'sign-out', detail: '', ...common },
    { user: '-', action: 'sign-in-failed', detail: 'unknown name', ...common },
    { user: 'anna', action: 'sign-in-failed', detail: 'wrong password', ...common },
    { user: 'anna', action: 'sign-in', detail: '', ...common },
  ]);
});

test('watching is written down once for each start, however often it is asked for', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna');
  const cookie = cookieOf((await signIn(server, 'anna')).cookie);
  const watch = async (camera: string): Promise<void> => {
    const { principal } = await identify(server, { cookie });
    assert.ok(principal, 'signed in');
    server.access.trail.note(principal, 'watch', { camera, detail: 'live' });
  };
  for (let times = 0; times < 20; times++) {
    await watch('door');
    rig.clock.advance(9 * 60_000);
  }
  await watch('yard');
  rig.clock.advance(10 * 60_000);
  await watch('yard');
  const watched = (await entriesOf(server)).filter(({ action }) => action === 'watch');
  assert.deepEqual(
    watched.map(({ camera }) => camera),
    ['yard', 'yard', 'door'],
  );
});

test('what another server does for somebody is written down there alone', async () => {
  const server = await new AccessRig().server();
  await addUser(server, 'anna');
  const { principal } = await identify(server, { 'x-starling-user': 'anna' }, { peer: 'ss-2' });
  assert.ok(principal, 'known');
  server.access.trail.note(principal, 'watch', { camera: 'door' });
  assert.deepEqual(await entriesOf(server), []);
});
