/** Disks and indexes that fail: what is told, what is acknowledged, what stays readable. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { videoTrack } from '../support/media-samples.ts';
import { pathOf, segmentsOf, sequencesIn, upTo } from '../support/recorded-files.ts';
import { RecorderRig, until } from '../support/recorder-rig.ts';

describe('when something fails', () => {
  for (const call of ['append', 'sync', 'create'] as const) {
    test(`a failed ${call} is told once, nothing after it is acknowledged, and what was written stays readable`, async () => {
      await using rig = await RecorderRig.open({ segmentSeconds: 2 });
      const door = rig.record();
      door.gops(2);
      await door.written();
      const acknowledged = door.through;
      assert.equal(acknowledged, 9);
      rig.faults.failing.set(call, 'door');
      // Past the end of the segment, so that the next one is created too.
      door.gops(4);
      rig.clock.advance(1_000);
      await until('the failure is told', () => door.failures.length > 0);
      rig.faults.failing.clear();
      door.gops(3);
      rig.clock.advance(5_000);
      await door.written();
      await door.close();
      assert.equal(door.failures.length, 1);
      assert.match(door.failures[0] ?? '', new RegExp(`${call} fails`));
      const sound = call === 'create' ? 19 : acknowledged;
      assert.equal(door.through, sound);
      assert.equal(door.recorder.pendingBytes, 0);
      // The camera delivers again to whoever manages it next; what was acknowledged must be found here.
      const segments = await segmentsOf(rig);
      const found = (await Promise.all(segments.map((segment) => sequencesIn(pathOf(rig, segment))))).flat();
      for (let sequence = 0; sequence <= sound; sequence++)
        assert(found.includes(sequence), `${sequence} is lost`);
      assert(segments.every((segment) => !segment.open));
    });
  }

  test('a segment that cannot be entered into the index is a failure, and is recovered at the next start', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(3);
    await door.written();
    rig.faults.failCommit = true;
    await door.close();
    assert.equal(door.failures.length, 1);
    assert.equal(door.through, 19);
    rig.faults.failCommit = false;
    await using next = await rig.afterCrash();
    assert.equal(next.recorder.recovery.recovered, 1);
    const [segment] = await segmentsOf(next);
    assert(segment !== undefined);
    assert.deepEqual(await sequencesIn(pathOf(next, segment)), upTo(30));
  });

  test('tracks that no file can be made of end the recorder, not the program', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.begin(
      'boot.1',
      Array.from({ length: 17 }, () => videoTrack('boot.1')),
    );
    door.gops(2);
    await door.close();
    assert.equal(door.failures.length, 1);
    assert.deepEqual(await segmentsOf(rig), []);
  });

  test('other cameras go on', async () => {
    await using rig = await RecorderRig.open();
    const [door, gate] = [rig.record('door'), rig.record('gate')];
    rig.faults.failing.set('append', 'door');
    for (const recording of [door, gate]) recording.gops(3);
    await gate.written();
    assert.equal(gate.through, 19);
    await until('the door has failed', () => door.failures.length === 1);
    assert.deepEqual(gate.failures, []);
  });

  test('closing while a failure is under way waits for it', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(2);
    await door.written();
    const release = rig.faults.stallSyncs('door');
    door.gops(2);
    const closing = door.close();
    rig.faults.failing.set('sync', 'door');
    release();
    await closing;
    await door.close();
    assert.equal(door.failures.length, 1);
    assert.equal(door.through, 9);
  });
});
