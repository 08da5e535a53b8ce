/** The log ring: bounded, in order, without a hole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLevel } from '../../firmware/runtime/log.ts';
import { entriesMax, LogRing } from '../../firmware/runtime/log-ring.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

function scene(debug = false): {
  ring: LogRing;
  clock: VirtualClock;
  log: ReturnType<LogRing['keeping']>;
  passed: string[];
} {
  const clock = new VirtualClock();
  const ring = new LogRing(clock);
  const passed: string[] = [];
  const log = ring.keeping((level, message) => passed.push(`${level} ${message}`), { debug });
  return { ring, clock, log, passed };
}

test('keeps what is logged, with its time and its fields, and passes it on', () => {
  const { ring, clock, log, passed } = scene();
  const startMs = clock.utcMs();
  log('info', 'joined', { hops: 2 });
  clock.advance(1500);
  log('warn', 'ss-4 is silent');
  assert.deepEqual(ring.last(10), [
    { number: 1, utcMs: startMs, level: 'info', text: 'joined {"hops":2}' },
    { number: 2, utcMs: startMs + 1500, level: 'warn', text: 'ss-4 is silent' },
  ]);
  assert.deepEqual(passed, ['info joined', 'warn ss-4 is silent']);
});

test('has the newest of any number of entries, oldest first, and no more than its bound', () => {
  const { ring, log } = scene();
  const total = 2 * entriesMax + 7;
  for (let number = 1; number <= total; number++) {
    log('info', `line ${number}`);
    const kept = ring.last(entriesMax + 10);
    assert.equal(kept.length, Math.min(number, entriesMax));
    assert.deepEqual(
      [kept[0]?.number, kept.at(-1)?.text],
      [Math.max(1, number - entriesMax + 1), `line ${number}`],
    );
  }
  const kept = ring.last(Number.MAX_SAFE_INTEGER).map(({ number }) => number);
  assert.deepEqual(
    kept,
    Array.from({ length: entriesMax }, (_, place) => total - entriesMax + 1 + place),
  );
  assert.deepEqual(
    ring.last(3).map(({ text }) => text),
    [`line ${total - 2}`, `line ${total - 1}`, `line ${total}`],
  );
});

test('has nothing for who wants nothing, or before anything was logged', () => {
  const { ring, log } = scene();
  assert.deepEqual(ring.last(5), []);
  log('info', 'one');
  assert.deepEqual(ring.last(0), []);
  assert.deepEqual(ring.last(-1), []);
});

test('cuts a text that is too long', () => {
  const { ring, log } = scene();
  log('info', 'x'.repeat(100_000));
  const text = ring.last(1)[0]?.text ?? '';
  assert.equal(text.length, 1_000);
  assert(text.endsWith('x…'));
});

test('keeps debug entries only when the log shows them', () => {
  const levels: LogLevel[] = ['debug', 'info', 'warn', 'error'];
  for (const [debug, kept] of [
    [false, ['info', 'warn', 'error']],
    [true, levels],
  ] as const) {
    const { ring, log, passed } = scene(debug);
    for (const level of levels) log(level, 'said');
    assert.deepEqual(
      ring.last(10).map(({ level }) => level),
      kept,
    );
    assert.equal(passed.length, 4, 'what is not kept is passed on all the same');
  }
});
