/** When a machine's clock is believed, over power cuts and without a battery. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isTracking, keepLastTime, readLastTime } from '../../firmware/io/clock-synchronization.ts';
import { ClockCare } from '../../firmware/roles/clock-care.ts';
import { clockTrust, judgeClock, writtenUtcMs } from '../../firmware/roles/clock-trust.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const today = Date.parse('2026-11-22T12:00:00Z');
const dayMs = 86_400_000;
const auto = { trusted: 'auto' } as const;
const fresh = { battery: true, synchronized: false, lastKnownUtcMs: undefined };

describe('a clock', () => {
  test('is believed by what is known of it', () => {
    for (const [why, utcMs, signs, trusted] of [
      ['before this program was written', writtenUtcMs - 1, { ...fresh, synchronized: true }, false],
      ['with a battery', today, fresh, true],
      ['without a battery', today, { ...fresh, battery: false }, false],
      ['without a battery, set', today, { ...fresh, battery: false, synchronized: true }, true],
      ['behind what was seen', today, { ...fresh, lastKnownUtcMs: today + dayMs }, false],
      [
        'behind what was seen, set',
        today,
        { ...fresh, lastKnownUtcMs: today + dayMs, synchronized: true },
        true,
      ],
      ['a minute behind', today, { ...fresh, lastKnownUtcMs: today + 60_000 }, true],
    ] as const)
      assert.equal(judgeClock(auto, utcMs, signs).trusted, trusted, why);
    assert.equal(judgeClock({ trusted: 'yes' }, 0, fresh).trusted, true);
    assert.equal(judgeClock({ trusted: 'no' }, today, { ...fresh, synchronized: true }).trusted, false);
    assert.equal(clockTrust(auto, new VirtualClock(today))(), true, 'of which no more is known');
  });
});

describe('the care of a clock', () => {
  const open = (options: { utcMs?: number; battery?: boolean; last?: number }) => {
    const { utcMs = today, battery = false, last } = options;
    const clock = new VirtualClock(utcMs);
    const kept: number[] = [];
    const lines: string[] = [];
    const heard = { is: false, times: 0 };
    const care = ClockCare.open({
      config: auto,
      clock,
      log: (level, message) => lines.push(`${level} ${message}`),
      battery,
      synchronized: async () => {
        heard.times += 1;
        return heard.is;
      },
      readLast: async () => last,
      keepLast: async (ms) => void kept.push(ms),
    });
    const pass = async (ms: number): Promise<void> => {
      for (let done = 0; done < ms; done += 5_000) {
        clock.advance(5_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    return { care, clock, kept, lines, heard, pass };
  };

  test('holds a board without a battery back until a time server was heard, and asks no more then', async () => {
    const { care: opening, heard, kept, lines, pass } = open({ last: today - dayMs });
    await using care = await opening;
    assert.equal(care.trusted(), false);
    const { clock, findings } = care.facts();
    assert.deepEqual(
      [clock.trusted, clock.battery, clock.lastKnown],
      [false, false, '2026-11-21T12:00:00.000Z'],
    );
    assert.match(findings[0]?.next ?? '', /chrony/);
    await pass(20_000);
    assert.deepEqual(kept, [], 'a time that is not trusted is not kept');
    heard.is = true;
    await pass(5_000);
    assert.equal(care.trusted(), true);
    const { times } = heard;
    await pass(30_000);
    assert.equal(heard.times, times);
    assert.deepEqual(care.facts().findings, []);
    assert.deepEqual(lines, [
      'warn the clock is not trusted: the board has no battery, and no time server was heard yet',
      'info the clock is trusted now: set by a time server',
    ]);
  });

  test('waits for the time on a board without a battery, and no longer than it was told to', async () => {
    for (const [hearsAtMs, doneAtMs] of [
      [4_000, 4_000],
      [Number.POSITIVE_INFINITY, 30_000],
    ] as const) {
      const { care: opening, heard, clock } = open({});
      await using care = await opening;
      let doneMs: number | undefined;
      void care.settled(30_000).then(() => {
        doneMs = clock.monotonicMs();
      });
      while (doneMs === undefined) {
        heard.is = clock.monotonicMs() >= hearsAtMs;
        clock.advance(500);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(doneMs >= doneAtMs && doneMs <= doneAtMs + 2_500, true, `done after ${doneMs} ms`);
    }
    const { care: opening, clock } = open({ battery: true, last: today + dayMs });
    await using care = await opening;
    assert.equal(care.trusted(), false);
    await care.settled(30_000);
    assert.equal(clock.monotonicMs(), 0, 'a battery that has run out is not waited for');
  });

  test('keeps the time every five minutes and at the end', async () => {
    const { care: opening, kept, pass } = open({ battery: true });
    const care = await opening;
    await pass(600_000);
    await care[Symbol.asyncDispose]();
    assert.deepEqual(
      kept.map((ms) => (ms - today) / 1000),
      [0, 300, 600, 600],
    );
  });

  test('goes on believing a clock that is set back while it runs, and keeps that time', async () => {
    let utcMs = today;
    const clock = new VirtualClock(today);
    const kept: number[] = [];
    const care = await ClockCare.open({
      config: auto,
      clock: {
        utcMs: () => utcMs,
        monotonicMs: () => clock.monotonicMs(),
        after: (ms, task) => clock.after(ms, task),
      },
      log: () => undefined,
      battery: true,
      synchronized: async () => false,
      readLast: async () => today - dayMs,
      keepLast: async (ms) => void kept.push(ms),
    });
    utcMs = today - 3_600_000;
    assert.equal(care.trusted(), true);
    await care[Symbol.asyncDispose]();
    assert.deepEqual(kept, [today, utcMs]);
  });

  test('does not believe a battery that has run out', async () => {
    const { care: opening } = open({ battery: true, last: today + 300 * dayMs });
    await using care = await opening;
    assert.equal(care.trusted(), false);
    assert.match(care.verdict().why, /earlier time than this unit has seen/);
  });

  test('goes on when nothing can be read or kept, and says so once', async () => {
    const lines: string[] = [];
    const clock = new VirtualClock(today);
    const refuse = (): Promise<never> => Promise.reject(new Error('read-only'));
    await using care = await ClockCare.open({
      config: auto,
      clock,
      log: (level, message) => lines.push(`${level} ${message}`),
      battery: true,
      synchronized: refuse,
      readLast: refuse,
      keepLast: refuse,
    });
    assert.equal(care.trusted(), true);
    assert.deepEqual(lines, ['warn the time is not kept for the next start: read-only']);
  });
});

describe('the files and programs behind it', () => {
  test('the kept time is read back, and nonsense is none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'starling-time-'));
    try {
      assert.equal(await readLastTime(join(folder, 'new')), undefined);
      await keepLastTime(join(folder, 'new'), today);
      assert.equal(await readLastTime(join(folder, 'new')), today);
      for (const text of ['', 'yesterday', '\u0000'.repeat(64), 'x'.repeat(1000)]) {
        writeFileSync(join(folder, 'last-time'), text);
        assert.equal(await readLastTime(folder), undefined, JSON.stringify(text));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("chrony's answer is read: heard, not heard, its own clock, and any text", () => {
    const answer = (id: string, leap: string): string =>
      `${id},192.0.2.1,3,1763812800.1,0.000012,0.00001,0.00002,-8.1,0.0,0.02,0.01,0.001,64.2,${leap}`;
    assert.equal(isTracking(answer('C0000201', 'Normal')), true);
    assert.equal(isTracking(answer('C0000201', 'Not synchronised')), false);
    assert.equal(isTracking(answer('00000000', 'Not synchronised')), false);
    assert.equal(isTracking(answer('7F7F0101', 'Normal')), false);
    fc.assert(fc.property(fc.string(), (text) => !isTracking(text) || text.split(',').length >= 14));
  });
});
