/** How long recordings are kept when people have set it while the server runs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ageUsMaxOf,
  bytesMaxOf,
  bytesMaxOfAll,
  type SiteRetention,
  withSite,
} from '../../firmware/recording/retention-rules.ts';
import { minuteUs, startUs } from '../support/index-rig.ts';
import { RetentionRig } from '../support/retention-rig.ts';

const dayMs = 86_400_000;
const nothing: SiteRetention = { days: undefined, cameras: new Map() };

describe('what people set', () => {
  const unit = { days: 30, gigabytes: 5, reserveMb: 7, cameras: [{ id: 'door', days: 2, gigabytes: 1 }] };
  const daysOf = (site: SiteRetention, camera: string): number =>
    (ageUsMaxOf(withSite(unit, site), camera) ?? 0) / 86_400e6;

  test('counts before unit.yaml: a camera’s own before all, and of each the site’s before the unit’s', () => {
    const cameras = new Map([
      ['door', { days: 90, maxMb: undefined }],
      ['gate', { days: undefined, maxMb: 500 }],
    ]);
    assert.deepEqual(
      ['door', 'gate', 'yard'].map((camera) => daysOf(nothing, camera)),
      [2, 30, 30],
    );
    assert.deepEqual(
      ['door', 'gate', 'yard'].map((camera) => daysOf({ days: 7, cameras: new Map() }, camera)),
      [2, 7, 7],
    );
    assert.deepEqual(
      ['door', 'gate', 'yard'].map((camera) => daysOf({ days: 7, cameras }, camera)),
      [90, 7, 7],
    );
    const merged = withSite(unit, { days: undefined, cameras });
    assert.deepEqual([bytesMaxOf(merged, 'door'), bytesMaxOf(merged, 'gate')], [1e9, 5e8]);
    assert.deepEqual([bytesMaxOfAll(merged), merged.reserveMb], [5e9, 7]);
  });

  test('holds from the next pass on, and no longer when it is taken back', async () => {
    let site = nothing;
    await using rig = await RetentionRig.open({}, { site: () => site });
    for (const camera of ['door', 'yard']) await rig.record(camera, 0);
    rig.clock.advance(5 * dayMs);
    await rig.retention.keepLimits();
    assert.deepEqual([await rig.left('door'), await rig.left('yard')], [[0], [0]]);
    site = { days: undefined, cameras: new Map([['door', { days: 6, maxMb: undefined }]]) };
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.left('door'), [0]);
    site = { days: undefined, cameras: new Map([['door', { days: 4, maxMb: undefined }]]) };
    await rig.retention.keepLimits();
    assert.deepEqual([await rig.left('door'), await rig.left('yard')], [[], [0]]);
    site = { days: 4, cameras: new Map() };
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.left('yard'), []);
  });

  test('bounds the size of one camera, the oldest first, and never what is protected', async () => {
    const cameras = new Map([['door', { days: undefined, maxMb: 0.002 }]]);
    await using rig = await RetentionRig.open({}, { site: () => ({ days: undefined, cameras }) });
    for (let minute = 0; minute < 5; minute++) await rig.record('door', minute);
    await rig.record('yard', 0);
    rig.protect('door', startUs, startUs + minuteUs);
    await rig.retention.keepLimits();
    assert.deepEqual([await rig.left('door'), await rig.left('yard')], [[0, 4], [0]]);
  });
});
