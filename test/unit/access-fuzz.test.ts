// Hostile and damaged bytes where people are told apart: rows of the site document, cookies, tokens, links, entries of the audit log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeRevocation,
  decodeToken,
  decodeUser,
  encodeRevocation,
  encodeToken,
  encodeUser,
  type Token,
  type User,
} from '../../firmware/access/access-rows.ts';
import { auditActions, auditKey, decodeEntry, encodeEntry } from '../../firmware/access/audit-trail.ts';
import { withFirstAdmin } from '../../firmware/access/first-admin.ts';
import { addressKey } from '../../firmware/access/login-limits.ts';
import { roles } from '../../firmware/access/principal.ts';
import { userName } from '../../firmware/access/user-name.ts';
import { AccessRig, addUser, cookieOf, identify, signIn } from '../support/access-rig.ts';

const bytesOf = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((a) => Buffer.from(a));
const cameraId = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,11}$/);
const timeMs = fc.nat({ max: 2 ** 43 });
const rights = fc.oneof(
  fc.record({ role: fc.constantFrom(...roles), cameras: fc.constant('all' as const) }),
  fc.record({
    role: fc.constantFrom('viewer' as const, 'operator' as const),
    cameras: fc.array(cameraId, { maxLength: 20 }),
  }),
);
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9._@-]{0,20}[a-z0-9])?$/);
const stored = fc.record(
  { scheme: fc.constant('scrypt-15-8-1' as const), salt: bytesOf(16), hash: bytesOf(32) },
  { noNullPrototype: true },
);
const user: fc.Arbitrary<User> = fc
  .tuple(rights, fc.record({ name, password: stored, generation: bytesOf(8), createdAtMs: timeMs }))
  .map(([of, rest]) => ({ ...of, ...rest }));
const slot = fc.tuple(cameraId, fc.integer({ min: 1, max: 99_999 })).map(([server, n]) => `${server}.${n}`);
const token: fc.Arbitrary<Token> = fc
  .tuple(
    rights,
    fc.record({
      id: slot,
      name: fc.string({ maxLength: 25 }),
      createdAtMs: timeMs,
      createdBy: name,
      expiresAtMs: fc.option(timeMs, { nil: undefined }),
      hash: bytesOf(32),
    }),
  )
  .map(([of, rest]) => ({ ...of, ...rest }));

test('users, tokens and revocations are read as they were written', () => {
  fc.assert(
    fc.property(user, token, slot, bytesOf(12), timeMs, (someone, made, id, session, untilMs) => {
      const row = encodeUser(someone);
      assert.deepEqual(decodeUser(someone.name, row.ok ? row.value : Buffer.alloc(0)), {
        ok: true,
        value: someone,
      });
      const other = encodeToken(made);
      assert.deepEqual(decodeToken(made.id, other.ok ? other.value : Buffer.alloc(0)), {
        ok: true,
        value: made,
      });
      const gone = encodeRevocation({ session, untilMs });
      assert.deepEqual(decodeRevocation(id, gone), { ok: true, value: { session, untilMs } });
    }),
  );
});

test('a list of cameras that does not fit into a row is refused, and a long one that fits is kept', () => {
  const password = { scheme: 'scrypt-15-8-1', salt: Buffer.alloc(16), hash: Buffer.alloc(32) } as const;
  const someone = (cameras: string[]): User => {
    return { name: 'anna', role: 'viewer', cameras, password, generation: Buffer.alloc(8), createdAtMs: 0 };
  };
  const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `camera-${n}`);
  assert.equal(encodeUser(someone(ids(300))).ok, true);
  for (const count of [400, 3_000]) assert.equal(encodeUser(someone(ids(count))).ok, false);
});

test('rows of any content and any id make nobody, throw nothing, and are counted', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna', { role: 'admin' });
  const good = rig.document.get('user', 'anna') ?? Buffer.alloc(0);
  const bent = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })).map(([at, byte]) => {
    const copy = Buffer.from(good);
    copy[at] = byte;
    return copy;
  });
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a)),
    bent,
  );
  const kind = fc.constantFrom('user', 'token', 'revoked');
  const id = fc.oneof(
    fc.string({ maxLength: 30 }),
    name,
    slot,
    fc.constantFrom('__proto__', 'constructor', ''),
  );
  fc.assert(
    fc.property(kind, id, value, (of, key, bytes) => {
      fc.pre(key !== 'anna' && Buffer.byteLength(key) <= 96);
      const before = server.damaged.length;
      rig.write('ss-9', { kind: of, id: key, value: bytes });
      const isKnown =
        of === 'user'
          ? server.access.accounts.users.get(key) !== undefined
          : of === 'token' && server.access.administration.tokens().some((one) => one.id === key);
      assert.ok(isKnown || of === 'revoked' || server.damaged.length > before, 'neither taken nor counted');
    }),
    { numRuns: 500 },
  );
  assert.equal(server.access.accounts.users.get('anna')?.role, 'admin');
});

test('no cookie but one that the site has signed makes a session', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna');
  const good = cookieOf((await signIn(server, 'anna')).cookie);
  const [key = '', value = ''] = good.split('=');
  const bytes = Buffer.from(value, 'base64url');
  const bent = fc
    .tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }))
    .map(([at, change]) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ change;
      return `${key}=${copy.toString('base64url')}`;
    });
  const cut = fc.nat({ max: value.length - 1 }).map((length) => `${key}=${value.slice(0, length)}`);
  const longer = fc
    .string({ minLength: 1, maxLength: 8 })
    .map((more) => `${key}=${value}${more.replace(/[;\s]/g, 'x')}`);
  const odd = fc.string({ maxLength: 200 }).map((text) => `${key}=${text}`);
  await fc.assert(
    fc.asyncProperty(fc.oneof(bent, cut, longer, odd, fc.string({ maxLength: 5_000 })), async (cookie) => {
      assert.equal((await identify(server, { cookie })).principal, undefined);
      // A good one among bad ones counts.
      const both = await identify(server, { cookie: `${cookie.replaceAll(';', '')}; ${good}` });
      assert.equal(both.principal?.name, 'anna');
    }),
    { numRuns: 300 },
  );
});

test('no token but one that was made is taken', async () => {
  const server = await new AccessRig().server();
  const order = { name: 'x', role: 'viewer', cameras: 'all', days: undefined, createdBy: 'anna' } as const;
  const made = server.access.administration.addToken(order);
  const text = made.ok ? made.value.text : '';
  const bent = fc
    .tuple(fc.nat({ max: text.length - 1 }), fc.stringMatching(/^[\w.-]$/))
    .map(([at, character]) => {
      return text.slice(0, at) + character + text.slice(at + 1);
    });
  const others = fc.oneof(
    bent,
    fc.string({ maxLength: 200 }),
    fc.constantFrom('', text.slice(0, -1), `${text}x`, text.toUpperCase()),
  );
  await fc.assert(
    fc.asyncProperty(others, async (shown) => {
      const { principal } = await identify(server, { authorization: `Bearer ${shown}` });
      assert.equal(principal?.name, shown.trim() === text ? 'token:ss-1.1' : undefined);
    }),
    { numRuns: 300 },
  );
});

test('no link but one that was signed, of exactly that path and query, is taken', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna', { cameras: ['door'] });
  const expiresAtMs = rig.clock.utcMs() + 3_600_000;
  const target = '/api/cameras/door/video.mp4?from=1&to=2';
  const good = server.access.links.sign(target, { user: 'anna', expiresAtMs }) ?? '';
  const asked = async (link: string) => (await identify(server, {}, { target: link })).principal;
  assert.equal((await asked(good))?.name, 'anna');
  // The order of a query means nothing; anything else does.
  const [path = '', query = ''] = good.split('?');
  assert.equal((await asked(`${path}?${query.split('&').reverse().join('&')}`))?.name, 'anna');
  const bent = fc
    .tuple(fc.nat({ max: good.length - 1 }), fc.stringMatching(/^[\w./=&%?-]$/))
    .map(([at, character]) => {
      return good.slice(0, at) + character + good.slice(at + 1);
    });
  const more = fc.stringMatching(/^[a-z]{1,8}=[a-z0-9]{0,8}$/).map((pair) => `${good}&${pair}`);
  await fc.assert(
    fc.asyncProperty(fc.oneof(bent, more, fc.string({ maxLength: 300 })), async (link) => {
      fc.pre(link !== good);
      assert.equal(await asked(link), undefined, link);
    }),
    { numRuns: 500 },
  );
});

test('entries of the audit log are read as they were written, cut to their bounds', () => {
  const entry = fc.record({
    atMs: timeMs,
    user: fc.string({ unit: 'binary', maxLength: 300 }),
    action: fc.constantFrom(...auditActions),
    camera: fc.option(cameraId, { nil: undefined }),
    detail: fc.string({ unit: 'binary', maxLength: 500 }),
    from: fc.string({ maxLength: 100 }),
  });
  fc.assert(
    fc.property(entry, (one) => {
      const read = decodeEntry(auditKey(one.atMs), encodeEntry(one));
      assert.ok(read.ok, 'readable');
      const { atMs, action, camera } = one;
      assert.deepEqual(
        { ...read.value, user: '', detail: '', from: '' },
        { atMs, action, camera, user: '', detail: '', from: '' },
      );
      assert.ok(Buffer.byteLength(read.value.detail) <= 200 && !/\p{Cc}/u.test(read.value.detail), 'bounded');
    }),
  );
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 400 }), (key, row) => void decodeEntry(key, row)),
  );
});

test('a damaged file of the first admin is refused and throws nothing', () => {
  fc.assert(fc.property(fc.string(), (text) => assert.equal(withFirstAdmin([], text).ok, false)));
  const odd = ['version: 1\nuser: admin\nrow: AAAA\n', '&a [*a]', '{version: 1, user: __proto__, row: ""}'];
  for (const text of odd) assert.equal(withFirstAdmin([], text).ok, false);
});

test('names and addresses of any text make a name or nothing, and one key', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => {
      const known = userName(text);
      assert.ok(known === undefined || /^[a-z0-9._@-]{1,64}$/.test(known), text);
      assert.ok(addressKey(text).length <= 64, text);
    }),
  );
});
