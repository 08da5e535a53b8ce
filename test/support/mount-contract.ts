/**
 * What every mount promises whoever steers it, in virtual time: limits and speed are never exceeded, whatever is asked
 * of it, stopping stops, and it begins where it is told that it was left.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Mount, Velocity } from '../../firmware/ptz/mount.ts';
import {
  type Axis,
  axes,
  eachAxis,
  type MountLimits,
  type PartialPosition,
  type Position,
} from '../../firmware/ptz/position.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface MountSubject {
  readonly limits: MountLimits;
  /** per second: degrees, and doublings of the zoom */
  readonly speed: { readonly [A in Axis]: number };
  /** how far its word may be from the truth, degrees and doublings */
  readonly precision: number;
  /** A mount that was left at `start`, and the clock it runs by. */
  open(start: Position): { mount: Mount; clock: VirtualClock };
}

type Deed =
  | { readonly to: PartialPosition }
  | { readonly run: Velocity }
  | { readonly stop: true }
  | { readonly waitMs: number };

const some = fc.option(fc.double({ min: -500, max: 500, noNaN: true }), { nil: undefined });
const share = fc.option(fc.double({ min: -3, max: 3, noNaN: true }), { nil: undefined });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ to: fc.record({ pan: some, tilt: some, zoom: some }) }),
  fc.record({ run: fc.record({ pan: share, tilt: share, zoom: share }) }),
  fc.constant({ stop: true as const }),
  fc.record({ waitMs: fc.integer({ min: 1, max: 3_000 }) }),
);

const stepMs = 10;

export function mountContract(name: string, subject: MountSubject): void {
  const { limits, speed, precision } = subject;
  const middle = eachAxis((axis) => {
    const [min, max] = limits[axis] ?? (axis === 'zoom' ? [1, 1] : [0, 0]);
    return (min + max) / 2;
  });
  const moves = axes.filter((axis) => limits[axis] !== undefined);
  /** in the measure of its speed */
  const place = (axis: Axis, position: Position): number =>
    axis === 'zoom' ? Math.log2(position.zoom) : position[axis];
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= precision + 1e-6;

  function assertWithin(position: Position): void {
    for (const axis of axes) {
      const [min, max] = limits[axis] ?? [middle[axis], middle[axis]];
      assert(
        position[axis] >= min && position[axis] <= max,
        `${axis} ${position[axis]} beyond ${min}..${max}`,
      );
    }
  }

  /** Lets time pass and watches the mount all the while. */
  function watch(mount: Mount, clock: VirtualClock, ms: number): void {
    for (let passed = 0; passed < ms; passed += stepMs) {
      const before = mount.position();
      clock.advance(stepMs);
      const after = mount.position();
      assertWithin(after);
      for (const axis of axes) {
        const gone = Math.abs(place(axis, after) - place(axis, before));
        const most = (speed[axis] * stepMs) / 1000 + 2 * precision + 1e-6;
        assert(gone <= most, `${axis} went ${gone} in ${stepMs} ms, ${most} at most`);
      }
    }
  }

  function arrive(mount: Mount, clock: VirtualClock): void {
    for (let passed = 0; mount.moving(); passed += stepMs) {
      assert(passed < 600_000, 'it never arrives');
      watch(mount, clock, stepMs);
    }
  }

  describe(`mount contract: ${name}`, () => {
    test('is where it was left, stands still, and never leaves that by itself', () => {
      const { mount, clock } = subject.open(middle);
      assert.equal(mount.moving(), false);
      for (const axis of axes) assert(near(mount.position()[axis], middle[axis]), axis);
      clock.advance(10_000);
      for (const axis of axes) assert(near(mount.position()[axis], middle[axis]), axis);
      assertWithin(subject.open({ pan: 1e3, tilt: -1e3, zoom: 1e3 }).mount.position());
    });

    test('goes where it is told, and no further than its limits', () => {
      for (const end of [-1e6, 1e6]) {
        const { mount, clock } = subject.open(middle);
        mount.moveTo(eachAxis(() => end));
        assert.equal(mount.moving(), true);
        arrive(mount, clock);
        for (const axis of moves) {
          const [min, max] = limits[axis] ?? [0, 0];
          assert(near(mount.position()[axis], end < 0 ? min : max), `${axis} ${mount.position()[axis]}`);
        }
      }
    });

    test('moves only the axes it is told to', () => {
      for (const axis of moves) {
        const { mount, clock } = subject.open(middle);
        const [, max] = limits[axis] ?? [0, 0];
        mount.moveTo({ [axis]: max });
        arrive(mount, clock);
        for (const other of axes) {
          const wanted = other === axis ? max : middle[other];
          assert(near(mount.position()[other], wanted), `${other} while ${axis} moved`);
        }
      }
    });

    test('goes on to where it was going with the axes that a later command does not name', () => {
      const [first, second] = moves;
      if (first === undefined || second === undefined) return;
      const { mount, clock } = subject.open(middle);
      const [[, a], [, b]] = [limits[first] ?? [0, 0], limits[second] ?? [0, 0]];
      mount.moveTo({ [first]: a });
      watch(mount, clock, 50);
      mount.moveTo({ [second]: b });
      arrive(mount, clock);
      assert(near(mount.position()[first], a), `${first} ${mount.position()[first]}`);
      assert(near(mount.position()[second], b), `${second} ${mount.position()[second]}`);
    });

    test('turns until it is stopped, a share of its speed as fast, and then stands still', () => {
      for (const axis of moves) {
        const { mount, clock } = subject.open(middle);
        mount.run({ [axis]: -0.5 });
        watch(mount, clock, 500);
        const gone = place(axis, middle) - place(axis, mount.position());
        assert(gone > 0 && gone <= speed[axis] * 0.25 + precision + 1e-6, `${axis} went ${gone}`);
        mount.stop();
        const stopped = mount.position();
        assert.equal(mount.moving(), false);
        clock.advance(5_000);
        assert.deepEqual(mount.position(), stopped);
        assert.deepEqual(mount.target(), stopped);
      }
    });

    test('that turns into its limit rests there', () => {
      const { mount, clock } = subject.open(middle);
      mount.run({ pan: 1, tilt: 1, zoom: 1 });
      arrive(mount, clock);
      for (const axis of moves) assert(near(mount.position()[axis], limits[axis]?.[1] ?? 0), axis);
    });

    test('keeps its limits and its speed whatever is asked of it', () => {
      fc.assert(
        fc.property(fc.array(deed, { maxLength: 12 }), (deeds) => {
          const { mount, clock } = subject.open(middle);
          for (const one of deeds) {
            if ('to' in one) mount.moveTo(one.to);
            else if ('run' in one) mount.run(one.run);
            else if ('stop' in one) mount.stop();
            else watch(mount, clock, one.waitMs);
            assertWithin(mount.position());
            assertWithin(mount.target());
          }
          watch(mount, clock, 100);
        }),
        { numRuns: 60 },
      );
    });
  });
}
