/** A mount without motors, and what of a position is done by cutting the picture for each kind of mount. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Aim } from '../../firmware/capture/pipeline-plan.ts';
import type { MountConfig } from '../../firmware/config/mount-section.ts';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import type { Position } from '../../firmware/ptz/position.ts';
import { UnitSteering } from '../../firmware/roles/unit-steering.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const mount: MountConfig = {
  kind: 'digital',
  pan: [-90, 90],
  tilt: [-5, 90],
  zoomMax: 4,
  degreesPerSecond: 30,
  fieldOfView: 60,
  home: { pan: 0, tilt: 0, zoom: 1 },
};

function steeringOf(kind: MountConfig['kind'], change: Partial<MountConfig> = {}) {
  const clock = new VirtualClock();
  const aimed: Position[] = [];
  const steering = new UnitSteering({
    cameras: [{ id: 'door', mount: { ...mount, kind, ...change } }],
    clock,
    kept: new Map(),
    keep: () => undefined,
    aim: (_, position) => aimed.push(position),
    tell: () => undefined,
  });
  const wish = (fields: NonNullable<PacketBody<'cam-steer'>['wish']>) =>
    steering.wish({
      request: 1,
      camera: 'door',
      wish: fields,
      refusal: '',
      position: undefined,
      moving: false,
      mount: undefined,
    });
  return { clock, aimed, steering, wish };
}

test('a digital mount looks about only as far as its picture goes at its largest zoom', () => {
  const { steering, wish } = steeringOf('digital');
  using _ = steering;
  const nothing = {
    pan: undefined,
    tilt: undefined,
    zoom: undefined,
    velocity: undefined,
    preset: undefined,
  };
  const { mount: limits } = wish({ verb: 'ask', ...nothing });
  assert.deepEqual(
    [limits?.pan, limits?.tilt, limits?.zoomMax],
    [{ min: -22.5, max: 22.5 }, { min: -5, max: 22.5 }, 4],
  );
});

test('a digital mount moves, and the picture is told where it looks', () => {
  const { clock, aimed, steering, wish } = steeringOf('digital');
  using _ = steering;
  wish({ verb: 'to', pan: 10, tilt: 0, zoom: 2, velocity: undefined, preset: undefined });
  clock.advance(3_000);
  assert.deepEqual(aimed.at(-1), { pan: 10, tilt: 0, zoom: 2 });
  assert(aimed.length > 10, `${aimed.length} pictures on the way`);
});

test('motors turn the camera and the picture is cut for the zoom; without motors it is cut for all; else for nothing', () => {
  const digitalOf = (kind: MountConfig['kind']): Aim['digital'] | 'no mount' => {
    using steering = steeringOf(kind).steering;
    const aim = steering.aim('door');
    return aim === undefined ? 'no mount' : aim.digital;
  };
  assert.deepEqual((['none', 'simulated', 'servo', 'digital'] as const).map(digitalOf), [
    'no mount',
    undefined,
    'zoom',
    'all',
  ]);
});
