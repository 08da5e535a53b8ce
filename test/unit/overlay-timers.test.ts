/** Named alarms, and requests that wait for their replies. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Requests } from '../../firmware/overlay/requests.ts';
import { Timers } from '../../firmware/overlay/timers.ts';
import { Stream } from '../sim/randomness.ts';

const never = Number.POSITIVE_INFINITY;

describe('alarms', () => {
  const ran: string[] = [];
  function timers(...alarms: readonly (readonly [string, number])[]): Timers {
    ran.length = 0;
    const all = new Timers();
    for (const [name, at] of alarms) all.set(name, at, () => ran.push(name));
    return all;
  }

  test('run in the order of their time, then of their setting', () => {
    timers(['late', 3], ['b', 2], ['a', 2], ['early', 1], ['not yet', 4]).run(3);
    assert.deepEqual(ran, ['early', 'b', 'a', 'late']);
  });

  test('run when they are due, not before, and once', () => {
    const all = timers(['a', 10]);
    all.run(9.999);
    assert.deepEqual([ran, all.has('a')], [[], true]);
    all.run(10);
    all.run(11);
    assert.deepEqual([ran, all.has('a')], [['a'], false]);
  });

  test('that are set again are moved, and take their new place in the order', () => {
    const all = timers(['a', 1], ['b', 2]);
    all.set('a', 2, () => ran.push('a again'));
    assert.equal(all.wakeAt(), 2);
    all.run(2);
    assert.deepEqual(ran, ['b', 'a again']);
  });

  test('are delayed if they are set', () => {
    const all = timers(['a', 5]);
    all.delay('a', 7);
    all.delay('nobody', 7);
    assert.deepEqual([all.wakeAt(), all.names()], [12, ['a']]);
    all.run(12);
    assert.deepEqual(ran, ['a']);
  });

  test('that an earlier one clears or moves do not run', () => {
    const all = timers(['b', 2], ['c', 2]);
    all.set('a', 1, () => {
      ran.push('a');
      all.clear('b');
      all.delay('c', 100);
    });
    all.run(2);
    assert.deepEqual([ran, all.names()], [['a'], ['c']]);
  });

  test('that are set while others run have to wait for the next time', () => {
    const all = timers();
    all.set('a', 1, () => {
      ran.push('a');
      all.set('a', 1, () => ran.push('a again'));
    });
    all.run(5);
    assert.deepEqual([ran, all.wakeAt()], [['a'], 1]);
    all.run(5);
    assert.deepEqual([ran, all.wakeAt()], [['a', 'a again'], never]);
  });

  test('wake at exactly the earliest, whatever was set, moved, cleared and run', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const at = fc.integer({ min: 0, max: 20 });
    const step = fc.record({ what: fc.constantFrom('set', 'clear', 'delay', 'run'), name, at });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const all = new Timers();
        const expected = new Map<string, number>();
        for (const one of steps) {
          const known = expected.get(one.name);
          if (one.what === 'set') {
            all.set(one.name, one.at, () => undefined);
            expected.set(one.name, one.at);
          } else if (one.what === 'clear') {
            all.clear(one.name);
            expected.delete(one.name);
          } else if (one.what === 'delay') {
            all.delay(one.name, one.at);
            if (known !== undefined) expected.set(one.name, known + one.at);
          } else {
            all.run(one.at);
            for (const [due, when] of expected) if (when <= one.at) expected.delete(due);
          }
          assert.equal(all.wakeAt(), Math.min(never, ...expected.values()));
          assert.deepEqual(all.names(), [...expected.keys()].sort());
        }
      }),
    );
  });
});

test('thousands of alarms that are set, moved and cleared all run at their time, in their order', () => {
  const seed = 1;
  const random = new Stream(seed, 'alarms');
  const all = new Timers();
  const expected = new Map<string, { at: number; order: number }>();
  const ran: string[] = [];
  for (let order = 0; order < 20_000; order++) {
    const name = `alarm-${random.whole(1, 400)}`;
    if (random.chance(0.3)) {
      all.clear(name);
      expected.delete(name);
    } else {
      const at = order + random.whole(1, 300);
      all.set(name, at, () => ran.push(name));
      expected.set(name, { at, order });
    }
    if (order % 10 !== 0) continue;
    const due = [...expected].filter(([, { at }]) => at <= order);
    due.sort(([, a], [, b]) => a.at - b.at || a.order - b.order);
    all.run(order);
    assert.deepEqual(
      ran.splice(0),
      due.map(([one]) => one),
      `at ${order}, seed ${seed}`,
    );
    for (const [one] of due) expected.delete(one);
    assert.equal(all.wakeAt(), Math.min(never, ...[...expected.values()].map(({ at }) => at)));
  }
});

test('an alarm that is moved all the time, as a lease is, leaves the others where they are', () => {
  const ran: string[] = [];
  const all = new Timers();
  for (const name of ['a', 'b']) all.set(name, 5_000, () => ran.push(name));
  for (let now = 0; now < 2_000; now++) all.set('lease', now + 1_500, () => ran.push('lease'));
  assert.deepEqual([all.wakeAt(), all.names()], [3_499, ['a', 'b', 'lease']]);
  all.run(5_000);
  assert.deepEqual(ran, ['lease', 'a', 'b']);
});

describe('a request', () => {
  function requests(): {
    timers: Timers;
    open: (from: string) => number;
    all: Requests<string>;
    got: unknown[];
  } {
    const timers = new Timers();
    const all = new Requests<string>(
      { timers, random: { unit: () => 0.25, bytes: (count) => Buffer.alloc(count) } },
      'test',
    );
    const got: unknown[] = [];
    const open = (from: string): number => all.open(1_000, from, (reply) => got.push(reply ?? 'nothing'));
    return { timers, open, all, got };
  }

  test('is answered once, by whom it was sent to', () => {
    const { timers, open, all, got } = requests();
    const request = open('ss-2');
    assert.equal(all.settle(request, 'ss-3', 'forged'), false);
    assert.equal(all.settle(request + 1, 'ss-2', 'another'), false);
    assert.deepEqual(got, []);
    assert.equal(all.settle(request, 'ss-2', 'reply'), true);
    assert.equal(timers.wakeAt(), never, 'nothing waits for it any more');
    assert.equal(all.settle(request, 'ss-2', 'reply'), false);
    assert.deepEqual(got, ['reply']);
  });

  test('that nobody answers ends in time, and a reply that comes later is not wanted', () => {
    const { timers, open, all, got } = requests();
    const request = open('ss-2');
    timers.run(999);
    assert.deepEqual(got, []);
    timers.run(1_000);
    assert.deepEqual(got, ['nothing']);
    assert.equal(all.settle(request, 'ss-2', 'late'), false);
    assert.deepEqual(got, ['nothing']);
  });

  test('has a number of its own, never 0, also while another is being answered', () => {
    const { all } = requests();
    const zero = new Requests<string>(
      { timers: new Timers(), random: { unit: () => 0, bytes: (count) => Buffer.alloc(count) } },
      'zero',
    );
    assert.equal(
      zero.open(1, 'ss-2', () => undefined),
      1,
    );
    const numbers = new Set<number>();
    numbers.add(
      all.open(1, 'ss-2', () => {
        numbers.add(all.open(1, 'ss-2', () => undefined));
      }),
    );
    const [first = 0] = numbers;
    all.settle(first, 'ss-2', 'reply');
    numbers.add(all.open(1, 'ss-3', () => undefined));
    assert.equal(numbers.size, 3);
  });

  test('does not share its alarm with a request of another kind and the same number', () => {
    const timers = new Timers();
    const random = { unit: () => 0.25, bytes: (count: number) => Buffer.alloc(count) };
    const ended: string[] = [];
    const kindsOf = ['a', 'b'].map((name) => new Requests<string>({ timers, random }, name));
    const numbers = kindsOf.map((kind, at) => kind.open(10, 'ss-2', () => ended.push(`${at}`)));
    assert.equal(numbers[0], numbers[1]);
    kindsOf[0]?.settle(numbers[0] ?? 0, 'ss-2', 'reply');
    timers.run(10);
    assert.deepEqual(ended, ['0', '1']);
  });
});
