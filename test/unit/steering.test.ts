/** Steering one camera, in virtual time: what it does, what it stops by itself, what it remembers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { coalesced, isReplaceable } from '../../firmware/ptz/coalesce.ts';
import type { MountLimits, Position } from '../../firmware/ptz/position.ts';
import { SimulatedMount } from '../../firmware/ptz/simulated-mount.ts';
import {
  type KeptSteering,
  presetsMax,
  renewMs,
  type SteerCommand,
  Steering,
} from '../../firmware/ptz/steering.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const limits: MountLimits = { pan: [-90, 90], tilt: [-20, 30], zoom: [1, 4] };
const home: Position = { pan: 0, tilt: 5, zoom: 1 };

function scene(left?: KeptSteering) {
  const clock = new VirtualClock();
  const kept: KeptSteering[] = [];
  const seen: { atMs: number; pan: number; moving: boolean }[] = [];
  const disk = { refuses: false };
  const start = left?.position ?? home;
  const mount = new SimulatedMount({ clock, limits, degreesPerSecond: 20, start });
  const steering = new Steering({
    mount,
    clock,
    home,
    presets: left?.presets ?? [],
    keep: (one) => !disk.refuses && kept.push(one) > 0,
    onMoved: ({ pan }, moving) => seen.push({ atMs: clock.monotonicMs(), pan, moving }),
  });
  const tell = (command: SteerCommand): string | undefined => steering.command(command);
  return { clock, kept, seen, disk, steering, tell };
}

const to = (pan: number): SteerCommand => ({ verb: 'to', place: { pan } });
const run = (pan: number): SteerCommand => ({ verb: 'run', velocity: { pan } });

describe('a camera that is steered', () => {
  test('says where it looks once a picture while it moves, and once more when it rests', () => {
    const { clock, seen, tell } = scene();
    assert.equal(tell(to(20)), undefined);
    clock.advance(5_000);
    assert.deepEqual([seen[0]?.pan, seen[0]?.moving], [0, true]);
    assert.deepEqual([seen.at(-1)?.pan, seen.at(-1)?.moving], [20, false]);
    assert.equal(seen.length, 26, 'a second at 40 ms each, and no word after it');
    for (const [place, { atMs }] of seen.slice(1).entries()) assert.equal(atMs, (place + 1) * 40);
  });

  test('obeys the last command, whoever gives it', () => {
    const { clock, steering, tell } = scene();
    tell(to(80));
    clock.advance(1_000);
    tell(to(-10));
    clock.advance(10_000);
    assert.equal(steering.position().pan, -10);
  });

  test('takes steps from where it is going, so that quick ones add up', () => {
    const { clock, steering, tell } = scene();
    for (let step = 0; step < 3; step++) tell({ verb: 'by', place: { pan: 5, zoom: 0.5 } });
    clock.advance(5_000);
    assert.deepEqual(steering.position(), { pan: 15, tilt: 5, zoom: 2.5 });
  });

  test('that nobody tells to go on turning stops by itself, and not before', () => {
    const { clock, steering, seen, tell } = scene();
    for (let renewed = 0; renewed < 4; renewed++) {
      tell(run(1));
      clock.advance(renewMs - 1);
      assert.equal(steering.moving(), true);
    }
    clock.advance(1);
    assert.equal(steering.moving(), false);
    const { pan } = steering.position();
    assert(pan > 79 && pan < 81, `${pan}`);
    assert.equal(seen.at(-1)?.moving, false, 'and says so');
    clock.advance(60_000);
    assert.equal(steering.position().pan, pan);
  });

  test('does not stop on its way to a place because somebody turned it before', () => {
    const { clock, steering, tell } = scene();
    tell(run(-1));
    clock.advance(500);
    tell(to(90));
    clock.advance(20_000);
    assert.equal(steering.position().pan, 90);
  });

  test('turns slower the more it is zoomed in', () => {
    const { clock, steering, tell } = scene({ position: { pan: 0, tilt: 0, zoom: 4 }, presets: [] });
    tell(run(1));
    clock.advance(800);
    tell({ verb: 'stop' });
    assert.equal(steering.position().pan, 4);
  });

  test('stands still when its unit stops', () => {
    const { clock, steering, seen, kept, tell } = scene();
    tell(to(90));
    clock.advance(1_000);
    steering[Symbol.dispose]();
    const said = seen.length;
    assert.equal(kept.at(-1)?.position?.pan, 20);
    clock.advance(60_000);
    assert.equal(steering.position().pan, 20);
    assert.equal(seen.length, said);
    assert.equal(clock.pending, 0);
  });
});

describe('where it looks', () => {
  test('is kept when it has rested for a second, and every five while it does not', () => {
    const { clock, kept, tell } = scene();
    tell(to(40));
    clock.advance(2_000);
    assert.equal(kept.length, 0);
    clock.advance(1_000);
    assert.deepEqual(
      kept.map(({ position }) => position?.pan),
      [40],
    );
    for (let second = 0; second < 8; second++) {
      tell(run(second % 2 === 0 ? 0.1 : -0.1));
      clock.advance(900);
    }
    assert.equal(kept.length, 2, 'seven seconds of turning');
    clock.advance(100_000);
    assert.equal(kept.length, 3);
  });

  test('is not written for what moves nothing', () => {
    const { clock, kept, steering, tell } = scene();
    tell({ verb: 'ask' });
    clock.advance(10_000);
    steering[Symbol.dispose]();
    assert.equal(kept.length, 0);
  });

  test('is where a power cut left it, give or take five seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), (cutMs) => {
        const { clock, kept, steering, tell } = scene();
        tell({ verb: 'to', place: { pan: 90, tilt: 30, zoom: 4 } });
        clock.advance(cutMs);
        const truth = steering.position();
        const again = scene(kept.at(-1));
        const { pan } = again.steering.position();
        assert(Math.abs(pan - truth.pan) <= 20 * 5 + 1e-9, `${pan} instead of ${truth.pan}`);
        if (cutMs > 5_600) assert.equal(pan, 90);
        assert.equal(again.steering.moving(), false);
      }),
    );
  });
});

describe('presets', () => {
  test('are places with a name; home is always there, the others by name', () => {
    const { clock, steering, kept, tell } = scene();
    tell(to(30));
    clock.advance(5_000);
    for (const name of ['Gate', 'Ärger im Hof', 'door'])
      assert.equal(tell({ verb: 'save', name }), undefined);
    assert.deepEqual(
      steering.list().map(({ name, pan }) => `${name} ${pan}`),
      ['home 0', 'Gate 30', 'door 30', 'Ärger im Hof 30'],
    );
    assert.deepEqual(kept.at(-1)?.presets.length, 3);
    tell({ verb: 'recall', name: 'home' });
    clock.advance(5_000);
    assert.equal(steering.position().pan, 0);
    tell({ verb: 'recall', name: 'Gate' });
    clock.advance(5_000);
    assert.equal(steering.position().pan, 30);
    assert.equal(tell({ verb: 'recall', name: 'gate' }), 'no preset is named gate');
    assert.equal(tell({ verb: 'drop', name: 'Gate' }), undefined);
    assert.equal(tell({ verb: 'drop', name: 'Gate' }), 'no preset is named Gate');
  });

  test('of the name home stand for the one in unit.yaml until they are dropped', () => {
    const { clock, steering, tell } = scene();
    tell(to(50));
    clock.advance(5_000);
    tell({ verb: 'save', name: 'home' });
    assert.deepEqual(
      steering.list().map(({ pan }) => pan),
      [50],
    );
    tell({ verb: 'drop', name: 'home' });
    assert.deepEqual(steering.list(), [{ name: 'home', ...home }]);
    assert.equal(tell({ verb: 'drop', name: 'home' }), undefined);
  });

  test('have a bound, and a name that a person can read', () => {
    const { steering, tell } = scene();
    for (let n = 0; n < presetsMax; n++) assert.equal(tell({ verb: 'save', name: `p${n}` }), undefined);
    assert.equal(tell({ verb: 'save', name: 'one more' }), `there are ${presetsMax} presets already`);
    assert.equal(tell({ verb: 'save', name: 'home' }), undefined, 'home does not count');
    assert.equal(tell({ verb: 'save', name: 'p0' }), undefined, 'one that is there moves');
    for (const name of ['', ' ', 'a/b', '..', 'a\nb', 'x'.repeat(33), '\u202egate', 'a\\b'])
      assert.equal(tell({ verb: 'save', name }), 'a preset cannot be named so', JSON.stringify(name));
    assert.equal(steering.list().length, presetsMax + 1);
  });

  test('that the disk refuses are not there', () => {
    const { steering, disk, tell } = scene();
    tell({ verb: 'save', name: 'gate' });
    disk.refuses = true;
    assert.match(tell({ verb: 'save', name: 'door' }) ?? '', /disk refuses/);
    assert.match(tell({ verb: 'drop', name: 'gate' }) ?? '', /disk refuses/);
    assert.deepEqual(
      steering.list().map(({ name }) => name),
      ['home', 'gate'],
    );
  });

  test('from a time when the mount could go further lie within its limits', () => {
    const { steering } = scene({
      position: { pan: 300, tilt: 0, zoom: 60 },
      presets: [{ name: 'far', pan: -300, tilt: 300, zoom: 60 }],
    });
    assert.deepEqual(steering.list()[1], { name: 'far', pan: -90, tilt: 30, zoom: 4 });
    assert.deepEqual(steering.position(), { pan: 90, tilt: 0, zoom: 4 });
  });
});

describe('commands that come faster than the camera takes them', () => {
  test('become one: steps add up, axes come together, else the newer one wins', () => {
    const by = (pan: number): SteerCommand => ({ verb: 'by', place: { pan } });
    assert.deepEqual(coalesced(by(5), by(-2)), by(3));
    assert.deepEqual(coalesced(by(700), by(700)), by(720));
    assert.deepEqual(coalesced(to(5), { verb: 'to', place: { tilt: 3, pan: undefined } }), {
      verb: 'to',
      place: { pan: 5, tilt: 3 },
    });
    assert.deepEqual(coalesced(to(5), to(6)), to(6));
    for (const newer of [{ verb: 'stop' }, run(1), to(1), { verb: 'recall', name: 'x' }] as SteerCommand[])
      assert.equal(coalesced(by(5), newer), newer);
  });

  test('that change presets are never left out', () => {
    const verbs = ['to', 'by', 'run', 'stop', 'recall', 'save', 'drop', 'ask'] as const;
    const replaceable = verbs.filter((verb) => isReplaceable({ verb } as SteerCommand));
    assert.deepEqual(replaceable, ['to', 'by', 'run', 'stop', 'recall']);
  });
});
