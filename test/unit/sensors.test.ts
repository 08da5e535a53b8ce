/** Lines to events: bouncing contacts, sensors that hesitate, the tally light; on simulated lines in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import { Debounce } from '../../firmware/gpio/debounce.ts';
import { PulseTrain } from '../../firmware/gpio/pulse-train.ts';
import { kindsOf, openSensors } from '../../firmware/gpio/sensors.ts';
import { Tally } from '../../firmware/gpio/tally.ts';
import type { Wiring } from '../../firmware/gpio/wiring.ts';
import { SimulatedLines } from '../support/simulated-lines.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const wiring: Pick<Wiring, 'pir' | 'button' | 'endStops'> = {
  pir: { line: 17, activeLow: false },
  button: { line: 27, activeLow: true },
  endStops: [{ axis: 'pan', side: 'max', line: 6, activeLow: true }],
};

function rig() {
  const clock = new VirtualClock();
  const lines = new SimulatedLines();
  const told: string[] = [];
  const ends: string[] = [];
  // Pull-ups: nobody presses, nothing is at its end.
  for (const line of [27, 6]) lines.drive(line, true);
  const sensors = openSensors({
    wiring,
    lines,
    clock,
    onSensed: (kind, sensor, active, sinceMs) =>
      void told.push(`${kind}${sensor && ` ${sensor}`} ${active ? 'from' : 'to'} ${sinceMs}`),
    onEndStop: (axis, side, hit) => void ends.push(`${axis}-${side} ${hit} at ${clock.monotonicMs()}`),
  });
  return { clock, lines, told, ends, sensors };
}

test('a button that bounces was pressed once, from its first edge to its last', () => {
  const { clock, lines, told } = rig();
  clock.advance(1_000);
  for (const high of [false, true, false, true, false]) {
    lines.drive(27, high);
    clock.advance(4);
  }
  clock.advance(200);
  for (const high of [true, false, true]) {
    lines.drive(27, high);
    clock.advance(7);
  }
  clock.advance(1_000);
  assert.deepEqual(told, ['button from 1016', 'button to 1234']);
});

test('a spike on a line is nothing', () => {
  const { clock, lines, told } = rig();
  for (const line of [17, 27]) {
    lines.drive(line, line === 17);
    clock.advance(20);
    lines.drive(line, line !== 17);
    clock.advance(10_000);
  }
  assert.deepEqual(told, []);
});

test('somebody who walks about before a PIR sensor is one motion, as long as the last rest was short', () => {
  const { clock, lines, told } = rig();
  clock.advance(1_000);
  for (let step = 0; step < 5; step++) {
    lines.drive(17, true);
    clock.advance(2_000);
    lines.drive(17, false);
    clock.advance(3_000);
  }
  clock.advance(10_000);
  assert.deepEqual(told, ['motion from 1000', 'motion to 23000']);
});

test('an end stop is acted on at its first edge, and is an event, too', () => {
  const { clock, lines, told, ends } = rig();
  clock.advance(500);
  lines.drive(6, false);
  assert.deepEqual(ends, ['pan-max true at 500']);
  lines.drive(6, true);
  clock.advance(10);
  lines.drive(6, false);
  clock.advance(400);
  lines.drive(6, true);
  clock.advance(400);
  assert.deepEqual(ends, ['pan-max true at 500', 'pan-max false at 960']);
  assert.deepEqual(told, ['end-stop pan-max from 500', 'end-stop pan-max to 910']);
});

test('a unit that starts at an end stop knows it at once', () => {
  const lines = new SimulatedLines();
  const ends: boolean[] = [];
  const clock = new VirtualClock();
  // Active low, and nothing pulls it up: it is hit.
  const only = { pir: undefined, button: undefined, endStops: wiring.endStops };
  openSensors({
    wiring: only,
    lines,
    clock,
    onSensed: () => undefined,
    onEndStop: (_a, _s, hit) => ends.push(hit),
  });
  assert.deepEqual(ends, [true]);
});

test('when one line cannot be opened the others are given back', () => {
  const lines = new SimulatedLines();
  const busy = lines.output({ line: 27, activeLow: false });
  const options = {
    wiring,
    lines,
    clock: new VirtualClock(),
    onSensed: () => undefined,
    onEndStop: () => undefined,
  };
  assert.throws(() => openSensors(options), Failure);
  busy[Symbol.dispose]();
  openSensors(options)[Symbol.dispose]();
  assert.deepEqual(kindsOf(wiring), ['motion', 'button', 'end-stop']);
});

test('whatever a line does, beginnings and ends take turns and times never go back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 120 })), { maxLength: 60 }),
      fc.integer({ min: 0, max: 50 }),
      fc.integer({ min: 0, max: 50 }),
      (edges, beginMs, endMs) => {
        const clock = new VirtualClock();
        const told: [boolean, number][] = [];
        const debounce = new Debounce({ clock, beginMs, endMs, onChange: (...change) => told.push(change) });
        for (const [level, waitMs] of edges) {
          debounce.take(level);
          clock.advance(waitMs);
        }
        clock.advance(1_000);
        for (const [place, [active, sinceMs]] of told.entries()) {
          assert.equal(active, place % 2 === 0);
          assert.ok(sinceMs >= (told[place - 1]?.[1] ?? 0), 'times go on');
        }
        assert.equal(debounce.active, edges.at(-1)?.[0] ?? false);
        assert.equal(clock.pending, 0);
      },
    ),
  );
});

test('the tally light is on while recorded, blinks while a server is looked for, and goes out with the unit', () => {
  const clock = new VirtualClock();
  const lines = new SimulatedLines();
  const tally = new Tally(lines.output({ line: 22, activeLow: true }), clock);
  const isLit = (): boolean => !lines.level(22);
  assert.equal(isLit(), false);
  tally.show('seeking');
  const blinks: boolean[] = [];
  for (let half = 0; half < 4; half++) {
    blinks.push(isLit());
    clock.advance(250);
    tally.show('seeking');
    clock.advance(250);
  }
  assert.deepEqual(blinks, [true, false, true, false]);
  tally.show('recorded');
  clock.advance(10_000);
  assert.equal(isLit(), true);
  tally.show('dark');
  assert.equal(isLit(), false);
  tally.show('seeking');
  tally[Symbol.dispose]();
  clock.advance(10_000);
  assert.deepEqual([isLit(), clock.pending], [false, 0]);
});

test('a pulse train makes a pulse for each line in each frame, and none once nothing was said for a while', () => {
  let nowUs = 0;
  const edges: string[] = [];
  const output = (name: string) => ({
    set: (high: boolean) => void edges.push(`${name} ${high} ${Math.round(nowUs)}`),
  });
  const outputs = new Map([
    ['pan', output('pan')],
    ['tilt', output('tilt')],
  ]);
  // Each look at the clock takes 10 µs.
  const train = new PulseTrain(outputs, { nowUs: () => (nowUs += 10) });
  train.aim('pan', 1_500);
  train.aim('tilt', 1_000);
  train.aim('nothing', 1_000);
  train.frame();
  assert.deepEqual(
    edges.map((edge) => edge.split(' ').slice(0, 2).join(' ')),
    ['pan true', 'pan false', 'tilt true', 'tilt false'],
  );
  const [on = 0, off = 0] = edges.slice(0, 2).map((edge) => Number(edge.split(' ')[2]));
  assert.ok(off - on >= 1_500 && off - on <= 1_520, `${off - on} µs`);
  nowUs += 700_000;
  edges.length = 0;
  train.frame();
  assert.deepEqual([edges, train.active], [[], false]);
});
