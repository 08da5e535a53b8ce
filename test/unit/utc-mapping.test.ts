/** Whose time a camera unit goes by: managers, its own clock, wrong ones among them, and nobody's. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Outbox } from '../../firmware/capture/outbox.ts';
import { SampleDates } from '../../firmware/capture/sample-dates.ts';
import { UtcKeeper, unknownUs } from '../../firmware/capture/utc-mapping.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const nowMs = Date.parse('2026-11-22T12:00:00Z');
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const echoMs = 500;

/** A unit's clock, which can be set, and servers with clocks of their own. */
class Bench extends VirtualClock {
  /** this machine's clock is wrong by so much */
  wrongMs: number;
  readonly keeper: UtcKeeper;

  constructor({ wrongMs = 0, trusted = 'auto' }: { wrongMs?: number; trusted?: 'auto' | 'yes' | 'no' } = {}) {
    super(nowMs);
    this.wrongMs = wrongMs;
    this.keeper = new UtcKeeper({
      clock: this,
      trusted: () => (trusted === 'auto' ? this.utcMs() > nowMs - 10 * dayMs : trusted === 'yes'),
      certain: trusted === 'yes',
      writtenUtcMs: nowMs - 10 * dayMs,
    });
  }

  override utcMs(): number {
    return super.utcMs() + this.wrongMs;
  }

  /** Echoes of a server whose clock is wrong by so much, for a while. */
  hear(server: string, wrongMs: number, ms = 10 * echoMs, uncertaintyMs = 1): void {
    for (let passed = 0; passed < ms; passed += echoMs) {
      this.advance(echoMs);
      const utcUs = (nowMs + this.monotonicMs() + wrongMs) * 1000;
      this.keeper.timed({ server, utcUs, atMs: this.monotonicMs(), uncertaintyMs });
    }
  }

  /** How wrong the mapping is, ms. */
  errorMs(): number {
    return this.keeper.mapping().offsetUs / 1000 - nowMs;
  }

  /** Time passes, looked at by each frame. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 500) {
      this.advance(500);
      this.keeper.mapping();
    }
  }
}

const near = (actual: number, expected: number, withinMs = 3): void =>
  assert(Math.abs(actual - expected) <= withinMs, `${actual} ms is not ${expected} ms`);

describe('a camera unit whose clock is set', () => {
  test('goes by it from the start, and knows how well', () => {
    const bench = new Bench();
    assert.equal(bench.keeper.known, true);
    near(bench.errorMs(), 0);
    assert(bench.keeper.mapping().uncertaintyUs < 10_000);
  });

  test('follows its manager over small differences, at half a millisecond a second, and says how far it is off', () => {
    const bench = new Bench();
    bench.hear('ss-1', 300, 100_000);
    near(bench.errorMs(), 50);
    const { uncertaintyUs } = bench.keeper.mapping();
    assert(uncertaintyUs > 240_000 && uncertaintyUs < 300_000, `${uncertaintyUs}`);
    bench.hear('ss-1', 300, 600_000);
    near(bench.errorMs(), 300);
    assert.equal(bench.keeper.steps, 1, 'its own clock at the start');
  });

  test('slews from one manager to the next', () => {
    const bench = new Bench();
    bench.hear('ss-1', 100, 400_000);
    near(bench.errorMs(), 100);
    bench.hear('ss-2', -100, 100_000);
    near(bench.errorMs(), 50);
    assert.equal(bench.keeper.steps, 1);
  });

  test('is moved by no manager in 1970, a day ahead, or an hour off, however long', () => {
    for (const wrongMs of [-nowMs, dayMs, hourMs, -hourMs]) {
      const bench = new Bench();
      bench.hear('ss-1', wrongMs, 30 * 60_000);
      near(bench.errorMs(), 0);
      assert.equal(bench.keeper.steps, 1);
    }
  });

  test('is not drawn along by one manager that creeps away', () => {
    const bench = new Bench();
    for (let second = 0; second < 60_000; second += 10) bench.hear('ss-1', second * 0.4, 10_000, 1);
    near(bench.errorMs(), 0, 5_003);
  });

  test('is overruled by two managers that agree, unless the settings say that it is right', () => {
    for (const trusted of ['auto', 'yes'] as const) {
      const bench = new Bench({ wrongMs: hourMs, trusted });
      bench.hear('ss-1', 0);
      near(bench.errorMs(), hourMs);
      bench.hear('ss-2', 2);
      near(bench.errorMs(), trusted === 'auto' ? 2 : hourMs);
    }
  });

  test('does not go with it when it is set wrongly while a manager says that the time has gone on', () => {
    for (const wrongMs of [hourMs, -hourMs]) {
      const bench = new Bench();
      bench.hear('ss-1', 0);
      bench.wrongMs = wrongMs;
      bench.hear('ss-1', 0, 60_000);
      near(bench.errorMs(), 0);
      assert.equal(bench.keeper.steps, 1);
    }
  });

  test('goes with it when it is set and nobody contradicts', () => {
    const bench = new Bench();
    bench.wrongMs = hourMs;
    bench.pass(1_000);
    near(bench.errorMs(), hourMs);
    assert.equal(bench.keeper.steps, 2);
  });

  test('stays where it is when its manager’s clock is set by an hour, there and back', () => {
    const bench = new Bench();
    for (const wrongMs of [0, hourMs, 0, -hourMs, 0]) {
      bench.hear('ss-1', wrongMs, 60_000);
      near(bench.errorMs(), 0);
    }
    assert.equal(bench.keeper.steps, 1);
  });
});

describe('a camera unit without a clock', () => {
  const lost = (): Bench => new Bench({ wrongMs: -nowMs });

  test('knows nothing until a manager tells', () => {
    const bench = lost();
    assert.deepEqual([bench.keeper.known, bench.keeper.mapping().uncertaintyUs], [false, unknownUs]);
    bench.pass(60_000);
    bench.hear('ss-1', -nowMs, 5_000);
    bench.hear('ss-1', -dayMs * 365, 5_000);
    assert.equal(bench.keeper.known, false, 'in 1970 like itself, or before this was written');
    bench.hear('ss-2', 0, 500);
    near(bench.errorMs(), 0);
    assert(bench.keeper.mapping().uncertaintyUs < 5_000);
  });

  test('goes by its own as soon as that is set', () => {
    const bench = lost();
    bench.wrongMs = 0;
    bench.pass(1_000);
    assert.equal(bench.keeper.known, true);
    near(bench.errorMs(), 0);
  });

  test('follows its only manager by a step of an hour, there and back, once that has lasted', () => {
    const bench = lost();
    bench.hear('ss-1', 0);
    for (const wrongMs of [hourMs, 0, -hourMs, 0]) {
      bench.hear('ss-1', wrongMs, 2_500);
      assert(Math.abs(bench.errorMs() - wrongMs) > 1_000_000, 'not by a held-up echo or two');
      bench.hear('ss-1', wrongMs, 6_000);
      near(bench.errorMs(), wrongMs);
    }
    assert.equal(bench.keeper.steps, 5);
  });

  test('that has learnt the time is not dragged away by the next manager, until nobody else is heard for ten minutes', () => {
    const bench = lost();
    bench.hear('ss-1', 0);
    bench.hear('ss-2', dayMs, 9 * 60_000);
    near(bench.errorMs(), 0);
    bench.hear('ss-3', 0, 60_000);
    bench.hear('ss-2', dayMs, 9 * 60_000);
    near(bench.errorMs(), 0);
    bench.hear('ss-2', dayMs, 120_000);
    near(bench.errorMs(), dayMs);
  });

  test('goes from a manager that is wrong to two that agree', () => {
    const bench = lost();
    bench.hear('ss-1', dayMs);
    bench.hear('ss-2', 0);
    near(bench.errorMs(), dayMs);
    bench.hear('ss-3', 0);
    near(bench.errorMs(), 0);
  });

  test('goes on by its own crystal when nobody is heard, ever less certain', () => {
    const bench = lost();
    bench.hear('ss-1', 0);
    bench.pass(2 * hourMs);
    near(bench.errorMs(), 0);
    const { uncertaintyUs } = bench.keeper.mapping();
    assert(uncertaintyUs > 300_000 && uncertaintyUs < 2_000_000, `${uncertaintyUs}`);
  });
});

test('an echo that was held up does not count against quicker ones', () => {
  const bench = new Bench({ wrongMs: -nowMs });
  bench.hear('ss-1', 0);
  for (let round = 0; round < 7; round++) bench.hear('ss-1', -900, 500);
  near(bench.errorMs(), 0);
  bench.hear('ss-1', -7_000, 2_500);
  bench.hear('ss-1', 0);
  near(bench.errorMs(), 0);
  assert.equal(bench.keeper.steps, 1);
});

test('the mapping that is told is the same object until it is off by 2 ms', () => {
  const bench = new Bench();
  const told = new Set<object>();
  for (let round = 0; round < 200; round++) {
    bench.hear('ss-1', 100, 500);
    told.add(bench.keeper.mapping());
  }
  // 50 ms in 100 s.
  assert(told.size >= 20 && told.size <= 30, `${told.size} mappings`);
});

test('whatever clocks say, UTC goes back only at steps, and fast or slow by no more than 500 ppm and the slack', () => {
  const event = fc.oneof(
    fc.record({ do: fc.constant('pass' as const), ms: fc.nat(30_000) }),
    fc.record({
      do: fc.constant('echo' as const),
      server: fc.constantFrom('ss-1', 'ss-2', 'ss-3', 'ss-4'),
      wrongMs: fc.oneof(fc.integer({ min: -400, max: 400 }), fc.constantFrom(hourMs, -hourMs, dayMs, -nowMs)),
    }),
    fc.record({
      do: fc.constant('set' as const),
      wrongMs: fc.oneof(fc.integer({ min: -400, max: 400 }), fc.constantFrom(hourMs, -hourMs, -nowMs, 0)),
    }),
  );
  fc.assert(
    fc.property(fc.constantFrom(0, -nowMs, hourMs), fc.array(event, { maxLength: 80 }), (wrongMs, events) => {
      const bench = new Bench({ wrongMs });
      let { steps } = bench.keeper;
      let before = { ms: bench.monotonicMs(), offsetUs: bench.keeper.mapping().offsetUs };
      for (const one of events) {
        if (one.do === 'pass') bench.advance(one.ms);
        else if (one.do === 'echo') bench.hear(one.server, one.wrongMs, echoMs);
        else bench.wrongMs = one.wrongMs;
        const ms = bench.monotonicMs();
        const { offsetUs, uncertaintyUs } = bench.keeper.mapping();
        assert(uncertaintyUs >= 0 && uncertaintyUs <= unknownUs && Number.isInteger(offsetUs));
        const movedUs = Math.abs(offsetUs - before.offsetUs);
        // However long nobody looked: pictures are further apart than that.
        const mostUs = Math.min((ms - before.ms) / 2 + 2_000, 4_000);
        if (bench.keeper.steps === steps) assert(movedUs <= mostUs, `${movedUs} µs`);
        ({ steps } = bench.keeper);
        before = { ms, offsetUs };
      }
    }),
    { numRuns: 300 },
  );
});

test('remembers a bounded number of servers', () => {
  const bench = new Bench({ wrongMs: -nowMs });
  for (let server = 0; server < 100; server++) bench.hear(`ss-${server}`, server % 3 === 0 ? dayMs : 0, 500);
  near(bench.errorMs(), 0);
});

test('samples that are closer together than the mapping moves wait with taking it until none of them goes back', () => {
  const bench = new Bench();
  const dates = new SampleDates(bench.keeper, new Outbox({ bytesMax: 1, secondsMax: 1 }));
  const utc: number[] = [];
  const offsets = new Set<number>();
  const take = (ptsUs: number): void => {
    const { offsetUs } = dates.mappingFor({ ptsUs, leads: true }, 0);
    offsets.add(offsetUs);
    utc.push(ptsUs + offsetUs);
  };
  for (let round = 0; round < 40; round++) {
    bench.hear('ss-1', -400, 4_000);
    // Half a millisecond apart, but for a pause in the middle.
    for (let place = 0; place < 8; place++) take(round * 8_000 + place * 500 + (place < 4 ? 0 : 4_000));
  }
  assert.deepEqual(
    utc,
    utc.toSorted((a, b) => a - b),
  );
  assert(offsets.size > 20, `${offsets.size} mappings`);
});

test('a step waits for a keyframe, so that no GOP has two dates', () => {
  const bench = new Bench({ wrongMs: -nowMs });
  const dates = new SampleDates(bench.keeper, new Outbox({ bytesMax: 1, secondsMax: 1 }));
  bench.hear('ss-1', 0, 500);
  const before = dates.mappingFor({ ptsUs: 0, leads: true }, 0);
  const { steps } = bench.keeper;
  for (let heard = 0; bench.keeper.steps === steps; heard++) {
    assert(heard < 100, 'the only server’s clock was set, and the unit follows');
    bench.hear('ss-1', dayMs, 500);
  }
  assert.equal(dates.mappingFor({ ptsUs: 40_000, leads: false }, 0), before);
  const after = dates.mappingFor({ ptsUs: 80_000, leads: true }, 0);
  near((after.offsetUs - before.offsetUs) / 1000, dayMs);
});
