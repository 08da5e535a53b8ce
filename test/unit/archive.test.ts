/** What readers see of one server's recordings, sealed and open. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import { eventRow, keys, put } from '../../firmware/recording/index-rows.ts';
import { pathOf, segmentsOf } from '../support/recorded-files.ts';
import { RecorderRig } from '../support/recorder-rig.ts';

describe('the archive', () => {
  test('shows the open segment as far as it is written', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(3);
    await door.written();
    const [segment] = await segmentsOf(rig);
    assert(segment?.open);
    assert.equal(segment.bytes, (await stat(pathOf(rig, segment))).size);
    const { archive } = rig.recorder;
    assert.deepEqual(await archive.cameras(), ['door']);
    const detail = await archive.detail('door', segment.name);
    assert.deepEqual(
      detail?.fragments.map(({ tracks }) => tracks[0]),
      [
        { trackId: 1, firstSequence: 0, count: 10 },
        { trackId: 1, firstSequence: 10, count: 10 },
      ],
    );
    const [, second] = detail?.fragments ?? [];
    assert(second !== undefined);
    const parsed = parseFragment(await archive.read('door', segment.name, second.offset, second.bytes));
    assert(parsed.ok);
    assert.equal(parsed.value.batches[0]?.samples[0]?.sequence, 10);
    await door.close();
    const sealed = await archive.detail('door', segment.name);
    assert.deepEqual(sealed?.fragments.slice(0, 2), detail?.fragments);
    assert.equal(sealed?.initBytes, detail?.initBytes);
  });

  test('lists a segment once that is sealed while the index is read', async () => {
    for (const when of ['before', 'after'] as const) {
      await using rig = await RecorderRig.open();
      const door = rig.record();
      door.gops(3);
      await door.written();
      const over = rig.faults.duringRange(when, () => door.close());
      assert.equal((await segmentsOf(rig)).length, 1, `sealed ${when} the index was read`);
      over();
    }
  });

  test('lists what overlaps a time, by start, up to a limit, however many short segments come before', async () => {
    await using rig = await RecorderRig.open({ segmentSeconds: 2 });
    const door = rig.record();
    door.gops(600);
    await door.close();
    const all = await segmentsOf(rig);
    assert.equal(all.length, 300);
    const [first] = all;
    const at = (first?.fromUs ?? 0) + 599_500_000;
    for (const limit of [1, 5]) {
      const found = await segmentsOf(rig, 'door', { fromUs: at, toUs: at + 1, limit });
      assert.deepEqual(
        found.map(({ name }) => name),
        [all.at(-1)?.name],
      );
    }
    assert.deepEqual(
      (await segmentsOf(rig, 'door', { limit: 3 })).map(({ name }) => name),
      all.slice(0, 3).map(({ name }) => name),
    );
    const edge = all[10]?.fromUs ?? 0;
    const between = await segmentsOf(rig, 'door', { fromUs: edge, toUs: all[12]?.fromUs ?? 0 });
    assert.deepEqual(
      between.map(({ name }) => name),
      [all[10]?.name, all[11]?.name],
    );
    assert.deepEqual(await segmentsOf(rig, 'nobody'), []);
  });

  test('knows no segment by a name that was never written', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(2);
    await door.close();
    const { archive } = rig.recorder;
    for (const name of ['../../index/CURRENT', '2026-11-22/120000.000Z-9-9', '', 'x']) {
      assert.equal(await archive.detail('door', name), undefined);
      await assert.rejects(archive.read('door', name, 0, 10), /no segment/);
    }
  });

  test('lists the newest gaps where there are more than one answer holds', async () => {
    await using rig = await RecorderRig.open();
    const gaps = Array.from({ length: 10_001 }, (_, number) => {
      return { camera: 'door', fromUs: number * 10, toUs: number * 10 + 5, reason: 'camera-off' } as const;
    });
    await rig.index.commit(gaps.map((gap) => put(keys.event('door', gap.fromUs, gap.reason), eventRow, gap)));
    const listed = await rig.recorder.archive.gaps('door', { fromUs: 0, toUs: 1_000_000 });
    assert.deepEqual(
      [listed.length, listed[0]?.fromUs, listed.at(-1)?.fromUs],
      [10_000, 10, gaps.at(-1)?.fromUs],
    );
  });

  test('lists gaps that overlap a time, with their reasons, also very long ones', async () => {
    await using rig = await RecorderRig.open();
    const dayUs = 86_400_000_000;
    const base = 1_800_000_000_000_000;
    const { recorder } = rig;
    await recorder.tellGap({ camera: 'door', fromUs: base, toUs: base + 5, reason: 'outbox-overflow' });
    await recorder.tellGap({ camera: 'door', fromUs: base, toUs: base + 5, reason: 'outbox-overflow' });
    await recorder.tellGap({ camera: 'door', fromUs: base, toUs: base + 9, reason: 'capture-restarted' });
    await recorder.tellGap({ camera: 'gate', fromUs: base, toUs: base + 5, reason: 'camera-off' });
    await recorder.tellGap({
      camera: 'yard',
      fromUs: base,
      toUs: base + 10 * dayUs + 7,
      reason: 'camera-off',
    });
    await recorder.tellGap({ camera: 'barn', fromUs: 0, toUs: base, reason: 'camera-off' });
    const gapsOf = async (camera: string, fromUs: number, toUs: number): Promise<string[]> =>
      (await recorder.archive.gaps(camera, { fromUs, toUs })).map(
        (gap) => `${gap.reason} ${gap.fromUs - base}-${gap.toUs - base}`,
      );
    assert.deepEqual(await gapsOf('door', base, base + 10), ['capture-restarted 0-9', 'outbox-overflow 0-5']);
    assert.deepEqual(await gapsOf('door', base + 6, base + 10), ['capture-restarted 0-9']);
    assert.deepEqual(await gapsOf('door', base + 9, base + 10), []);
    assert.equal(
      (await gapsOf('yard', base + 5 * dayUs, base + 5 * dayUs + 1)).length,
      1,
      'the middle of ten days',
    );
    const whole = await recorder.archive.gaps('yard', { fromUs: base, toUs: base + 11 * dayUs });
    let covered = base;
    for (const { fromUs, toUs } of whole) {
      assert.equal(fromUs, covered);
      covered = toUs;
    }
    assert.equal(covered, base + 10 * dayUs + 7);
    assert.equal((await gapsOf('barn', base - 1, base)).length, 1, 'the end of half a century');
  });
});
