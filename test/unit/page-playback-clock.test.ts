/** Several players on one clock: however they drift, small changes of their rates bring them together. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { correctionOf, PlaybackClock } from '../../firmware/viewing/web/playback-clock.ts';

describe('the clock of several players', () => {
  it('runs at its speed, and stands still while it is held', () => {
    let now = 0;
    const clock = new PlaybackClock(1_000, () => now);
    now = 500;
    assert.equal(clock.atMs, 1_000);
    clock.run();
    now = 700;
    assert.equal(clock.atMs, 1_200);
    clock.setSpeed(4);
    now = 800;
    assert.equal(clock.atMs, 1_600);
    clock.hold();
    now = 5_000;
    assert.equal(clock.atMs, 1_600);
    clock.set(50);
    clock.run();
    now = 5_100;
    assert.equal(clock.atMs, 450);
  });

  it('brings a player that is off, on a clock of its own that is off by up to 1 %, within a frame in two seconds', () => {
    const speeds = fc.constantFrom(0.25, 0.5, 1, 2, 4, 8);
    const errors = fc.double({ min: 0.99, max: 1.01, noNaN: true });
    fc.assert(
      fc.property(fc.double({ min: -3, max: 3, noNaN: true }), speeds, errors, (off, speed, error) => {
        let [position, clock] = [off, 0];
        let rate: number = speed;
        for (let step = 0; step < 80; step += 1) {
          clock += 0.1 * speed;
          position += 0.1 * rate * error;
          const correction = correctionOf(position - clock, speed);
          if (correction.kind === 'seek') position = clock;
          else rate = correction.rate;
          if (step > 60) {
            const seconds = Math.abs(position - clock) / Math.max(1, speed);
            assert.ok(seconds < 0.04, `${position - clock} s off at ${speed} times`);
          }
        }
      }),
    );
  });

  it('never changes the rate by more than a fifth', () => {
    fc.assert(
      fc.property(fc.double({ min: -10, max: 10, noNaN: true }), (ahead) => {
        const correction = correctionOf(ahead, 2);
        if (correction.kind === 'rate')
          assert.ok(correction.rate >= 1.6 && correction.rate <= 2.4, `${correction.rate}`);
        else assert.ok(Math.abs(ahead) > 0.4, `a seek for ${ahead} s`);
      }),
    );
  });
});
