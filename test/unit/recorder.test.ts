/** The recorder on a real folder: what is written, when it is safe, and where segments end. */
import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { audioTrack, videoTrack } from '../support/media-samples.ts';
import { pathOf, segmentsOf, sequencesIn, upTo } from '../support/recorded-files.ts';
import { RecorderRig, until } from '../support/recorder-rig.ts';
import { sampleOf } from '../support/synthetic-sample.ts';

describe('recording', () => {
  test('a sample is durable after the sync that covers it, and not before', async () => {
    await using rig = await RecorderRig.open();
    const release = rig.faults.stallSyncs('door');
    const door = rig.record();
    door.gops(3);
    await until(
      'the file is there',
      () => rig.recorder.archive !== undefined && door.recorder.openSegment() === undefined,
    );
    assert.equal(door.durable.length, 0);
    release();
    await until('the first fragment is safe at once', () => door.through === 9);

    await door.written();
    assert.equal(door.through, 19, 'the third GOP is still being put together');
    door.gops(1);
    const stalled = rig.faults.stallSyncs('door');
    rig.clock.advance(1_000);
    await until('the fragment is written', () => door.recorder.openSegment()?.fragmentCount === 3);
    assert.equal(door.through, 19);
    stalled();
    await until('the round is over', () => door.through === 29);
    const [last] = door.durable.slice(-1);
    assert.equal(last?.captureId, 'boot.0');
    assert.equal(last.utcUs, rig.clock.utcMs() * 1_000 - 1_000_000 + 3_000_000);
    assert.equal(door.recorder.durableThroughUs(), last.utcUs);
    await door.close();
    assert.equal(door.through, 39);
  });

  test('rounds come at their interval, and report nothing when nothing is new', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(3);
    await door.written();
    const reports = door.durable.length;
    for (let round = 0; round < 3; round++) {
      rig.clock.advance(1_000);
      await door.written();
    }
    assert.equal(door.durable.length, reports);
    door.gops(1);
    rig.clock.advance(999);
    assert.equal(door.durable.length, reports);
    rig.clock.advance(1);
    await until('the next round', () => door.durable.length === reports + 1);
  });

  test('what was pushed is in the file, in order, when it is closed', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(5);
    await door.close();
    const [segment, ...more] = await segmentsOf(rig);
    assert(segment !== undefined && more.length === 0);
    assert.deepEqual(await sequencesIn(pathOf(rig, segment)), upTo(50));
    assert.equal(segment.open, false);
    assert.equal(segment.bytes, (await stat(pathOf(rig, segment))).size);
    assert.deepEqual(
      [segment.fromUs, segment.toUs],
      [rig.clock.utcMs() * 1_000, rig.clock.utcMs() * 1_000 + 5_000_000],
    );
    assert.deepEqual([segment.epoch, segment.captureId], [1, 'boot.0']);
    assert.deepEqual(await rig.recorder.archive.cameras(), ['door']);
  });

  test('fragments are numbered in a row', async () => {
    await using rig = await RecorderRig.open({ segmentSeconds: 2 });
    const door = rig.record();
    door.gops(6);
    await door.close();
    const numbers: number[] = [];
    for (const segment of await segmentsOf(rig)) {
      const file = await readFile(pathOf(rig, segment));
      for (let at = file.indexOf('mfhd'); at >= 0; at = file.indexOf('mfhd', at + 1))
        numbers.push(file.readUInt32BE(at + 8));
    }
    assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6]);
  });

  test('a segment is rolled at the first keyframe after its time, and at a new capture', async () => {
    await using rig = await RecorderRig.open({ segmentSeconds: 3 });
    const door = rig.record();
    door.gops(7);
    door.begin('boot.1');
    door.gops(1);
    door.begin('boot.2', [videoTrack('boot.2'), audioTrack('boot.2')]);
    door.gops(1);
    await door.close();
    const segments = await segmentsOf(rig);
    assert.deepEqual(
      segments.map(({ captureId, fromUs, toUs }) => [captureId, (toUs - fromUs) / 1_000_000]),
      [
        ['boot.0', 3],
        ['boot.0', 3],
        ['boot.0', 1],
        ['boot.1', 1],
        ['boot.2', 1],
      ],
    );
    for (const segment of segments) {
      const detail = await rig.recorder.archive.detail('door', segment.name);
      assert.equal(detail?.tracks[0]?.captureId, segment.captureId);
    }
    assert.deepEqual(door.failures, []);
  });

  test('a stream that shows no keyframe again is rolled before it outgrows what a lookup searches', async () => {
    await using rig = await RecorderRig.open({ segmentSeconds: 60 });
    const door = rig.record();
    door.gops(1_300, { keyframes: false });
    await door.close();
    const segments = await segmentsOf(rig);
    assert.equal(segments.length, 3);
    for (const { fromUs, toUs } of segments) assert(toUs - fromUs <= 610_000_000);
    const [, second] = segments;
    assert(second !== undefined);
    const at = await segmentsOf(rig, 'door', { fromUs: second.toUs - 1, toUs: second.toUs });
    assert.deepEqual(
      at.map(({ name }) => name),
      [second.name],
    );
  });

  test('a stream of countless tiny fragments is rolled before it outgrows its row', async () => {
    await using rig = await RecorderRig.open({ segmentSeconds: 600 });
    const door = rig.record();
    for (let number = 0; number < 4_100; number++) {
      // Every second sample is missing: each fragment holds one.
      door.recorder.push(
        1,
        sampleOf({ sequence: number * 2, ptsUs: number, durationUs: 1, keyframe: number === 0, bytes: 1 }),
      );
    }
    await door.close();
    assert.deepEqual(door.failures, []);
    const counts: (number | undefined)[] = [];
    for (const { name } of await segmentsOf(rig)) {
      counts.push((await rig.recorder.archive.detail('door', name))?.fragments.length);
    }
    assert.deepEqual(counts, [4_000, 100]);
  });

  test('a segment is rolled when the camera’s clock was set, forwards or back', async () => {
    for (const stepUs of [3_600_000_000, -3_600_000_000, 30_000_000, -30_000_000]) {
      await using rig = await RecorderRig.open();
      const door = rig.record();
      const startUs = rig.clock.utcMs() * 1_000;
      door.gops(3);
      door.setClock(startUs + 200_000);
      door.gops(3);
      door.setClock(startUs + stepUs);
      door.gops(3);
      await door.close();
      const segments = await segmentsOf(rig);
      assert.equal(segments.length, 2);
      for (const { fromUs, toUs } of segments)
        assert(toUs - fromUs < 10_000_000, 'no segment spans the step');
    }
  });

  test('bytes that wait are counted until they are written, and dropped ones never', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    for (let sequence = 5; sequence < 10; sequence++) {
      door.push(sampleOf({ sequence, ptsUs: sequence * 100_000, bytes: 1_000_000 }));
    }
    assert.equal(door.recorder.pendingBytes, 0, 'nothing can decode these');
    door.gops(2);
    assert.equal(door.recorder.pendingBytes, 2_000);
    await door.written();
    await until('the queue is empty', () => door.recorder.pendingBytes === 1_000);
    await door.close();
    assert.equal(door.recorder.pendingBytes, 0);
  });

  test('two recorders of one camera, the old one sealing while the new one records, do not mix', async () => {
    await using rig = await RecorderRig.open();
    const old = rig.record('door', 1);
    old.gops(3);
    await old.written();
    const release = rig.faults.stallSyncs('door');
    const closing = old.close();
    const young = rig.record('door', 2);
    young.gops(3);
    release();
    await closing;
    await young.written();
    const segments = await segmentsOf(rig);
    assert.deepEqual(
      segments.map(({ epoch, open }) => [epoch, open]).toSorted(([a = 0], [b = 0]) => Number(a) - Number(b)),
      [
        [1, false],
        [2, true],
      ],
    );
    await young.close();
    for (const segment of await segmentsOf(rig))
      assert.deepEqual(await sequencesIn(pathOf(rig, segment)), upTo(30));
    assert.deepEqual([old.through, young.through], [29, 29]);
  });

  test('a camera whose sync takes long holds no other camera’s back', async () => {
    await using rig = await RecorderRig.open();
    const [slow, fast] = [rig.record('slow'), rig.record('fast')];
    for (const recording of [slow, fast]) recording.gops(2);
    await Promise.all([slow.written(), fast.written()]);
    const release = rig.faults.stallSyncs('slow');
    for (let round = 0; round < 3; round++) {
      const before = fast.through ?? 0;
      for (const recording of [slow, fast]) recording.gops(1);
      rig.clock.advance(1_000);
      await until('the fast one is safe', () => (fast.through ?? 0) > before);
    }
    assert.equal(slow.through, 9);
    release();
    await until('its one sync is over', () => slow.recorder.openSegment()?.fragmentCount === 4);
    // It took three rounds: the volume is asked less often now.
    rig.clock.advance(8_000);
    await until('the slow one catches up', () => slow.through === fast.through);
  });

  test('a name that is taken moves on to the next', async () => {
    await using rig = await RecorderRig.open();
    const first = rig.record('door', 1);
    first.gops(2);
    await first.close();
    const again = rig.record('door', 1);
    again.gops(2);
    await again.close();
    const segments = await segmentsOf(rig);
    assert.deepEqual(
      segments.map(({ name }) => name.slice(-3)),
      ['1-0', '1-1'],
    );
    for (const segment of segments) assert.deepEqual(await sequencesIn(pathOf(rig, segment)), upTo(20));
    assert.deepEqual(
      await rig.index.range({ from: 'o/', to: 'o/\uffff', limit: 9 }),
      [],
      'nothing is left open',
    );
  });
});
