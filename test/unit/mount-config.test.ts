/** The mount of a camera in unit.yaml. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { MountConfig } from '../../firmware/config/mount-section.ts';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';

function mountIn(text: string): MountConfig {
  const yaml = `{ unit: u, role: camera, site: { name: s }, camera: { cameras: [{ id: c, mount: ${text} }] } }`;
  const config = parseUnitConfig(yaml, '/');
  assert(config.role === 'camera', 'a camera unit');
  const [camera] = config.camera.cameras;
  assert(camera !== undefined, 'one camera');
  return camera.mount;
}

function problemIn(text: string): string {
  try {
    mountIn(text);
  } catch (error) {
    if (error instanceof Failure) return error.message;
  }
  return '';
}

test('a mount has limits, a speed, a field of view and a home', () => {
  const given = {
    kind: 'simulated',
    pan: [-170, 170],
    tilt: [-30, 90],
    zoomMax: 10,
    degreesPerSecond: 100,
    fieldOfView: 45,
    home: { pan: 10, tilt: -5, zoom: 2 },
  };
  assert.deepEqual(mountIn(JSON.stringify(given)), given);
  const fixed = mountIn('{ kind: simulated, tilt: [0, 0], home: { pan: 7 } }');
  assert.deepEqual([fixed.tilt, fixed.home], [[0, 0], { pan: 7, tilt: 0, zoom: 1 }]);
});

test('a mount that cannot be is refused with what was expected', () => {
  const wrong: Readonly<Record<string, string>> = {
    '{ kind: motor }': 'kind: expected none or simulated or digital or servo',
    '{ kind: servo }': 'kind: expected servos in camera.gpio for a mount of kind servo',
    '{ pan: [10, -10] }': 'pan: expected [MIN, MAX] in degrees, from -180 to 180',
    '{ pan: [-181, 0] }': 'pan[0]: expected [MIN, MAX] in degrees, from -180 to 180',
    '{ pan: 90 }': 'pan: expected [MIN, MAX] in degrees, from -180 to 180',
    '{ tilt: [0, 1, 2] }': 'tilt: expected [MIN, MAX] in degrees, from -90 to 90',
    '{ tilt: [0, .nan] }': 'tilt[1]: expected [MIN, MAX] in degrees, from -90 to 90',
    '{ zoomMax: 0.5 }': 'zoomMax: expected 1..64',
    '{ degreesPerSecond: 0 }': 'degreesPerSecond: expected 0.1..720',
    '{ fieldOfView: 181 }': 'fieldOfView: expected 1..180',
    '{ home: { zoom: 0 } }': 'home.zoom: expected 1..64',
    '{ panMax: 5 }': 'panMax: unknown setting',
  };
  for (const [text, problem] of Object.entries(wrong))
    assert(problemIn(text).includes(problem), `${text}: ${problemIn(text)}`);
});
