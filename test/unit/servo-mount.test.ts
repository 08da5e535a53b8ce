/** A mount on servos: what its drive is told, and how end stops stop it. What every mount promises is in the contract. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pulseOf } from '../../firmware/gpio/servo-driver.ts';
import { ServoRig } from '../../firmware/gpio/servo-rig.ts';
import { ServoMount } from '../../firmware/ptz/servo-mount.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

function mount(start = { pan: 0, tilt: 0, zoom: 1 }) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const aims: { axis: string; degrees: number; atMs: number }[] = [];
  const drive = {
    aim: (axis: string, degrees: number) => void aims.push({ axis, degrees, atMs: clock.monotonicMs() }),
    rest: (axis: string) => void told.push(`${axis} rests`),
  };
  const limits = { pan: [-45, 45], tilt: [-30, 30], zoom: [1, 4] } as const;
  return { clock, told, aims, mount: new ServoMount({ clock, limits, degreesPerSecond: 40, start, drive }) };
}

test('a servo hears of nothing before it is told to move, and of nothing after it rests', () => {
  const it = mount({ pan: 20, tilt: 0, zoom: 1 });
  it.clock.advance(60_000);
  assert.deepEqual([it.aims, it.told], [[], []]);
  it.mount.moveTo({ pan: 30 });
  it.clock.advance(5_000);
  const count = it.aims.length;
  assert.deepEqual(it.told, ['pan rests']);
  assert.deepEqual([it.aims[0]?.degrees, it.aims.at(-1)?.degrees], [20, 30]);
  it.clock.advance(60_000);
  assert.equal(it.aims.length, count);
  assert.ok(
    it.aims.every(({ axis }) => axis === 'pan'),
    'tilt stands still',
  );
});

test('while it moves a servo is told 50 times a second where to be, each time a small step further', () => {
  const it = mount();
  it.mount.moveTo({ pan: 45 });
  it.clock.advance(3_000);
  for (const [place, { degrees, atMs }] of it.aims.entries()) {
    const before = it.aims[place - 1];
    if (before === undefined || degrees === 45) continue;
    assert.equal(atMs - before.atMs, 20);
    assert.ok(
      degrees > before.degrees && degrees - before.degrees <= 0.8 + 1e-9,
      `${before.degrees} → ${degrees}`,
    );
  }
  // 45 degrees at 40 a second, and 0.25 s for speeding up and slowing down.
  assert.equal(it.aims.length, 1 + Math.ceil((45 / 40 + 0.25) / 0.02));
});

test('an end stop stops its axis at once, and no other; it lets it go back', () => {
  const it = mount();
  it.mount.moveTo({ pan: 45, tilt: 30 });
  it.clock.advance(500);
  const { pan } = it.mount.position();
  it.mount.endStop('pan', 'max', true);
  it.clock.advance(5_000);
  assert.deepEqual(it.mount.position(), { pan, tilt: 30, zoom: 1 });
  it.mount.run({ pan: 1 });
  it.clock.advance(1_000);
  assert.equal(it.mount.position().pan, pan, 'no further while it is hit');
  it.mount.moveTo({ pan: 44 });
  it.clock.advance(1_000);
  assert.equal(it.mount.position().pan, pan);
  assert.equal(it.mount.moving(), false);
  it.mount.moveTo({ pan: -10 });
  it.clock.advance(5_000);
  assert.equal(it.mount.position().pan, -10);
  it.mount.endStop('pan', 'max', false);
  it.mount.moveTo({ pan: 44 });
  it.clock.advance(5_000);
  assert.equal(it.mount.position().pan, 44);
});

test('an end stop that is passed on the way out, or was hit before the unit began, holds nothing up', () => {
  const it = mount({ pan: 45, tilt: 0, zoom: 1 });
  it.mount.endStop('pan', 'max', true);
  it.mount.moveTo({ pan: 0 });
  it.clock.advance(300);
  // It bounces while the axis leaves it.
  it.mount.endStop('pan', 'max', false);
  it.mount.endStop('pan', 'max', true);
  it.clock.advance(5_000);
  assert.equal(it.mount.position().pan, 0);
});

test('a pulse is as long as the servo is wired: middle, ends, reversed', () => {
  const servo = { minUs: 1_000, maxUs: 2_000, degrees: 90, reversed: false };
  assert.deepEqual(
    [-60, -45, 0, 30, 45, 60].map((angle) => Math.round(pulseOf(servo, angle))),
    [1_000, 1_000, 1_500, 1_833, 2_000, 2_000],
  );
  assert.equal(pulseOf({ ...servo, reversed: true }, 45), 1_000);
});

test('servos have power while they move and a moment longer; those that are held have it always', () => {
  for (const holds of [false, true]) {
    const clock = new VirtualClock();
    const switched: boolean[] = [];
    const pulses: string[] = [];
    const rig = new ServoRig({
      clock,
      driver: {
        name: 'fake',
        holds,
        aim: (axis, us) => void pulses.push(`${axis} ${us}`),
        rest: () => undefined,
        [Symbol.dispose]: () => undefined,
      },
      servos: { pan: { minUs: 500, maxUs: 2_500, degrees: 180, reversed: false } },
      power: { set: (on) => void switched.push(on), [Symbol.dispose]: () => undefined },
    });
    assert.deepEqual([rig.reach('pan'), rig.reach('tilt')], [90, undefined]);
    rig.aim('pan', 0);
    rig.aim('tilt', 0);
    rig.rest('pan');
    clock.advance(1_000);
    rig.aim('pan', 90);
    rig.rest('pan');
    clock.advance(10_000);
    assert.deepEqual(pulses, ['pan 1500', 'pan 2500']);
    assert.deepEqual(switched, holds ? [true] : [true, false]);
  }
});
