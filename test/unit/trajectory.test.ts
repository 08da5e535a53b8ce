/** How an axis gets from one place to another: for any beginning, any target and any limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type MotionState,
  standing,
  stateAt,
  type Trajectory,
  trajectoryTo,
} from '../../firmware/ptz/trajectory.ts';

/** Degrees, to a thousandth of what a servo can tell apart; never −0. */
const place = fc.integer({ min: -180_000, max: 180_000 }).map((millidegrees) => millidegrees / 1_000);
const limits = fc.record({
  speed: fc.double({ min: 0.1, max: 720, noNaN: true }),
  acceleration: fc.double({ min: 1, max: 3_000, noNaN: true }),
});

/** The states of a move, so many of them, from its beginning to a little after its end. */
function watch(trajectory: Trajectory, count = 400): MotionState[] {
  const all = trajectory.seconds * 1.05 + 0.01;
  return Array.from({ length: count + 1 }, (_, step) => stateAt(trajectory, (all * step) / count));
}

test('a move from rest goes straight to its target, within its limits, and rests there', () => {
  fc.assert(
    fc.property(place, place, limits, (from, to, { speed, acceleration }) => {
      const trajectory = trajectoryTo({ place: from, velocity: 0 }, to, { speed, acceleration });
      const states = watch(trajectory);
      for (const [step, state] of states.entries()) {
        assert.ok(Math.abs(state.velocity) <= speed * 1.000_001 + 1e-9, `velocity ${state.velocity}`);
        const before = states[step - 1] ?? state;
        const gone = (state.place - before.place) * Math.sign(to - from);
        assert.ok(gone >= -1e-6, `it went back by ${-gone}`);
        assert.ok((to - state.place) * Math.sign(to - from) >= -1e-6, `it passed its target: ${state.place}`);
      }
      assert.deepEqual(states.at(-1), { place: to, velocity: 0 });
      assert.deepEqual(states[0]?.place, from === to ? to : from);
    }),
  );
});

test('it is as quick as its speed and acceleration allow', () => {
  // 90 degrees at 40 a second, 0.25 s to speed up and as much to slow down.
  const long = trajectoryTo({ place: 0, velocity: 0 }, 90, { speed: 40, acceleration: 160 });
  assert.ok(Math.abs(long.seconds - 2.5) < 1e-9, `${long.seconds} s`);
  // Too short to reach full speed: half of the way faster and faster, half slower and slower.
  const short = trajectoryTo({ place: 0, velocity: 0 }, 4, { speed: 40, acceleration: 100 });
  assert.ok(Math.abs(short.seconds - 2 * Math.sqrt(4 / 100)) < 1e-9, `${short.seconds} s`);
  assert.ok(Math.abs(stateAt(short, short.seconds / 2).place - 2) < 1e-9, 'the middle at half time');
  assert.deepEqual(stateAt(standing(7), 0), { place: 7, velocity: 0 });
});

test('one that moves already goes on smoothly, whatever it was doing, and stops at its target', () => {
  const velocity = fc.double({ min: -720, max: 720, noNaN: true });
  fc.assert(
    fc.property(place, velocity, place, limits, (from, v0, to, { speed, acceleration }) => {
      const start = { place: from, velocity: v0 };
      const trajectory = trajectoryTo(start, to, { speed, acceleration });
      const most = Math.max(speed, Math.abs(v0)) * 1.000_001 + 1e-6;
      for (const { velocity: v } of watch(trajectory)) assert.ok(Math.abs(v) <= most, `velocity ${v}`);
      // No jumps: neither of place nor of velocity, up to its very end.
      const all = trajectory.seconds;
      const step = all / 1_000;
      // Counted: a move from almost rest takes 5e-324 s, of which a thousandth is 0.
      for (let count = 0; count < 1_000; count++) {
        const at = count * step;
        const [a, b] = [stateAt(trajectory, at), stateAt(trajectory, at + step)];
        const scale = 1e-6 * (1 + Math.abs(from) + Math.abs(to) + most);
        assert.ok(Math.abs(b.place - a.place) <= most * step + scale, `place jumps at ${at} of ${all}`);
        assert.ok(Math.abs(b.velocity - a.velocity) <= acceleration * step + scale * 10, `velocity at ${at}`);
      }
      assert.deepEqual(stateAt(trajectory, all + 1e-3), { place: to, velocity: 0 });
    }),
    { numRuns: 300, examples: [[0, Number.MIN_VALUE, 0, { speed: 1, acceleration: 1 }]] },
  );
});
