// The audit log of one server: written soon, held up by nothing, bounded, dated even by a clock that is not set.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessClock } from '../../firmware/access/access-clock.ts';
import { type AuditLog, openAuditLog } from '../../firmware/access/audit-log.ts';
import { MemoryIndex } from '../support/access-rig.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

interface Parts {
  readonly index?: MemoryIndex;
  readonly clock?: VirtualClock;
  readonly trusted?: () => boolean;
  readonly bounds?: { rowsMax: number; ageMsMax: number };
}

class LogRig {
  readonly index: MemoryIndex;
  readonly clock: VirtualClock;
  readonly told: string[] = [];
  audit!: AuditLog;

  private constructor({ index = new MemoryIndex(), clock = new VirtualClock() }: Parts) {
    this.index = index;
    this.clock = clock;
  }

  static async open(parts: Parts = {}): Promise<LogRig> {
    const rig = new LogRig(parts);
    const { index, clock } = rig;
    const accessClock = new AccessClock(clock, parts.trusted ?? (() => true));
    rig.audit = await openAuditLog({
      index,
      clock,
      accessClock,
      log: (level, message) => rig.told.push(`${level} ${message}`),
      ...(parts.bounds === undefined ? {} : { bounds: parts.bounds }),
    });
    return rig;
  }

  add(user: string, camera?: string): void {
    this.audit.add({ user, action: 'watch', camera, detail: '', from: '192.0.2.1' });
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
  }

  async users(query: { limit?: number; user?: string; camera?: string } = {}): Promise<string[]> {
    const { entries } = await this.audit.read({ beforeMs: 9e15 / 1000, limit: 100, ...query });
    return entries.map(({ user }) => user);
  }
}

test('entries are written together within a second, and can be read before that', async () => {
  const rig = await LogRig.open();
  for (const user of ['a', 'b', 'c']) rig.add(user);
  assert.deepEqual(await rig.users(), ['c', 'b', 'a']);
  assert.equal(rig.index.commits, 0);
  await rig.pass(1_000);
  assert.equal(rig.index.commits, 1);
  rig.add('d');
  assert.deepEqual(await rig.users(), ['d', 'c', 'b', 'a']);
});

test('pages follow one another without a gap or a repetition, also of one user or camera', async () => {
  const rig = await LogRig.open();
  for (let n = 0; n < 1_500; n++) {
    rig.add(`user-${n % 7}`, n % 3 === 0 ? 'door' : 'yard');
    if (n % 400 === 399) await rig.pass(1_000);
  }
  for (const filter of [{}, { user: 'user-3' }, { camera: 'door' }, { user: 'user-3', camera: 'door' }]) {
    const seen: number[] = [];
    let pages = 0;
    for (let beforeMs: number | undefined = 9e12; beforeMs !== undefined; ) {
      const page: Awaited<ReturnType<AuditLog['read']>> = await rig.audit.read({
        beforeMs,
        limit: 50,
        ...filter,
      });
      assert.ok(page.entries.length <= 50, 'bounded');
      assert.ok(++pages < 100, 'pages end');
      seen.push(...page.entries.map(({ atMs }) => atMs));
      beforeMs = page.nextMs;
    }
    const { user, camera }: { user?: string; camera?: string } = filter;
    const expected = Array.from({ length: 1_500 }, (_, n) => n).filter(
      (n) => (user === undefined || n % 7 === 3) && (camera === undefined || n % 3 === 0),
    );
    assert.equal(seen.length, expected.length, JSON.stringify(filter));
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => b - a),
    );
    assert.equal(new Set(seen).size, seen.length);
  }
});

test('an index that refuses holds nobody up, is told of once, and gets everything later', async () => {
  const rig = await LogRig.open();
  rig.index.refuses = true;
  for (const user of ['a', 'b']) {
    rig.add(user);
    await rig.pass(3_000);
  }
  assert.equal(rig.told.filter((line) => line.startsWith('error')).length, 1);
  assert.deepEqual(await rig.users(), ['b', 'a']);
  rig.index.refuses = false;
  await rig.pass(1_000);
  assert.equal(rig.index.rows.size, 2);
});

test('what does not fit into the queue is dropped, and the log says how much', async () => {
  const rig = await LogRig.open();
  rig.index.refuses = true;
  for (let n = 0; n < 1_100; n++) rig.add('crowd');
  rig.index.refuses = false;
  for (let turns = 0; turns < 4; turns++) await rig.pass(1_000);
  assert.equal(rig.index.rows.size, 1_025);
  const { entries } = await rig.audit.read({ beforeMs: 9e12, limit: 1 });
  assert.equal(entries[0]?.detail, '76 entries were dropped here');
});

test('however long an index refuses, the queue grows no further, and all that was dropped is told at once', async () => {
  const rig = await LogRig.open();
  rig.index.refuses = true;
  for (let n = 0; n < 1_024; n++) rig.add('crowd');
  for (let seconds = 0; seconds < 20; seconds++) {
    rig.add('late');
    await rig.pass(1_000);
  }
  const { entries } = await rig.audit.read({ beforeMs: 9e12, limit: 2_000 });
  assert.equal(entries.length, 1_024);
  rig.index.refuses = false;
  for (let turns = 0; turns < 4; turns++) await rig.pass(1_000);
  const page = await rig.audit.read({ beforeMs: 9e12, limit: 2_000 });
  const details = page.entries.map(({ detail }) => detail).filter((detail) => detail !== '');
  assert.deepEqual([page.entries.length, details], [1_025, ['20 entries were dropped here']]);
});

test('the oldest go when there are too many, or they are too old', async () => {
  const rig = await LogRig.open({ bounds: { rowsMax: 10, ageMsMax: 3_600_000 } });
  for (let n = 0; n < 25; n++) rig.add(`user-${n}`);
  await rig.pass(1_000);
  await rig.pass(600_000);
  assert.equal(rig.index.rows.size, 10);
  assert.equal((await rig.users()).at(-1), 'user-15');
  await rig.pass(1_800_000);
  rig.add('late');
  for (let times = 0; times < 4; times++) await rig.pass(600_000);
  assert.deepEqual(await rig.users(), ['late']);
});

test('how much there is is known after a restart', async () => {
  const before = await LogRig.open();
  for (let n = 0; n < 25; n++) before.add(`user-${n}`);
  await before.audit[Symbol.asyncDispose]();
  assert.equal(before.index.rows.size, 25);
  const { index, clock } = before;
  const after = await LogRig.open({ index, clock, bounds: { rowsMax: 10, ageMsMax: 1e12 } });
  await after.pass(600_000);
  assert.equal(index.rows.size, 10);
});

test('a board that starts in 1970 goes on where its log was, and throws nothing away for its age', async () => {
  const before = await LogRig.open();
  before.add('before');
  await before.audit[Symbol.asyncDispose]();
  const clock = new VirtualClock(5_000);
  const after = await LogRig.open({ index: before.index, clock, trusted: () => false });
  after.add('after');
  await after.pass(601_000);
  const { entries } = await after.audit.read({ beforeMs: 9e12, limit: 10 });
  assert.deepEqual(
    entries.map(({ user }) => user),
    ['after', 'before'],
  );
  assert.ok((entries[0]?.atMs ?? 0) > (entries[1]?.atMs ?? 0), 'later');
});

test('a damaged row is left out', async () => {
  const rig = await LogRig.open();
  rig.add('a');
  await rig.pass(1_000);
  rig.index.rows.set('audit/1/1700000000000', Buffer.from('garbage'));
  rig.index.rows.set('audit/1/x', Buffer.alloc(0));
  assert.deepEqual(await rig.users(), ['a']);
});
