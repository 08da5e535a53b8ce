/** What every driver of servos promises, measured at the wire: pulse widths in µs as the servo sees them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServoAxis, ServoDriver } from '../../firmware/gpio/servo-driver.ts';

export interface ServoBench extends AsyncDisposable {
  readonly driver: ServoDriver;
  /** how far a pulse that nothing disturbed may be off, µs */
  readonly toleranceUs: number;
  /** Lets it make pulses for so long; widths of those made meanwhile, in order. */
  watch(axis: ServoAxis, ms: number): Promise<number[]>;
}

const frameMs = 20;
/** Pulses that are measured; and how long they may take on a machine that can hardly make them. */
const enough = 24;
const settledFrames = 10;
/** Those that may still be as long as was said before. */
const stale = 4;
const framesMax = 500;

export function servoDriverContract(name: string, open: () => Promise<ServoBench>): void {
  /** Says it again and again, as a mount does, until there are enough pulses; those of the first frames are of before. */
  async function pulses(bench: ServoBench, axis: ServoAxis, us: number): Promise<number[]> {
    const widths: number[] = [];
    for (let frame = 0; widths.length < stale + enough; frame++) {
      assert.ok(frame < framesMax, `${widths.length} pulses in ${framesMax} frames`);
      bench.driver.aim(axis, us);
      const made = await bench.watch(axis, frameMs);
      if (frame >= settledFrames) widths.push(...made);
    }
    return widths.slice(stale);
  }

  /** A machine that has other things to do makes pulses longer, never shorter: the one that was disturbed least. */
  function typical(widths: readonly number[]): number {
    return Math.min(...widths);
  }

  describe(`servo driver contract: ${name}`, () => {
    test('makes no pulse before a servo is aimed', async () => {
      await using bench = await open();
      for (const axis of ['pan', 'tilt'] as const) assert.deepEqual(await bench.watch(axis, 100), []);
    });

    test('pulses are as long as was said last, some 50 a second, each axis for itself', async () => {
      await using bench = await open();
      for (const us of [1_000, 1_500, 2_000]) {
        const middle = typical(await pulses(bench, 'pan', us));
        assert.ok(Math.abs(middle - us) <= bench.toleranceUs, `${middle} µs instead of ${us}`);
      }
      bench.driver.aim('pan', 1_500);
      const rate = (await bench.watch('pan', 200)).length;
      assert.ok(rate > 0 && rate <= 12, `${rate} pulses in 200 ms`);
      const tilt = typical(await pulses(bench, 'tilt', 1_250));
      assert.ok(Math.abs(tilt - 1_250) <= bench.toleranceUs, `tilt ${tilt} µs`);
    });

    test('a pulse is never longer or shorter than a servo bears', async () => {
      await using bench = await open();
      for (const [asked, given] of [
        [0, 400],
        [1e9, 2_600],
      ] as const) {
        const middle = typical(await pulses(bench, 'pan', asked));
        assert.ok(Math.abs(middle - given) <= bench.toleranceUs, `${middle} µs for ${asked}`);
      }
    });

    test('after it rests a servo is held where it is, or let go', async () => {
      await using bench = await open();
      await pulses(bench, 'pan', 1_200);
      bench.driver.rest('pan');
      // A burst goes on for a moment, so that the servo gets there.
      await bench.watch('pan', 1_000);
      const widths = await bench.watch('pan', 200);
      if (!bench.driver.holds) assert.deepEqual(widths, []);
      else assert.ok(Math.abs(typical(widths) - 1_200) <= bench.toleranceUs, widths.join(' '));
    });

    test('makes no pulse once it is disposed of', async () => {
      await using bench = await open();
      await pulses(bench, 'pan', 1_500);
      bench.driver[Symbol.dispose]();
      await bench.watch('pan', 300);
      assert.deepEqual(await bench.watch('pan', 200), []);
    });
  });
}
