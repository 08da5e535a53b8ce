/** Disks that fail, fill, hang or are slow under a recorder with two volumes, on simulated disks in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scanSegment } from '../../firmware/media/mp4-scanner.ts';
import { SimulatedRecorder, turn } from '../support/simulated-recorder.ts';

const always = { fromUs: 0, toUs: 9_000_000_000_000_000, limit: 1_000 };

describe('a recorder with two volumes', () => {
  for (const [call, code, state] of [
    ['write', 'DISK_FULL', 'full'],
    ['sync', 'FILE_IO', 'failed'],
    ['create', 'FILE_IO', 'failed'],
  ] as const) {
    test(`takes a volume out whose ${call} fails with ${code}, and the other one takes the camera`, async () => {
      const bench = await SimulatedRecorder.open();
      bench.machine.fail(call, '/one/door', code, 9);
      const door = bench.record('door');
      door.gops(3);
      await bench.pass(1);
      assert.equal(door.failures.length, 1);
      assert.deepEqual(bench.states(), [state, 'ok']);
      const again = bench.record('door', 2);
      again.gops(3);
      await bench.pass(1);
      assert.equal(again.through, 19);
      await bench.recorder.finish(door.recorder);
      assert.deepEqual(bench.folders('door'), ['/two'], 'nothing was safe on the first');
      assert.deepEqual(bench.usable, []);
      bench.machine.heal();
      await bench.pass(60);
      assert.deepEqual(bench.states(), ['ok', 'ok']);
    });
  }

  test('keeps what was synced before a sync failed, and none of what came after', async () => {
    const bench = await SimulatedRecorder.open();
    const door = bench.record('door');
    door.gops(3);
    await bench.pass(1);
    assert.equal(door.through, 19);
    bench.machine.fail('sync', '/one/door');
    door.gops(3);
    await bench.pass(1);
    assert.equal(door.failures.length, 1);
    const syncs = bench.syncs('/one/door');
    await door.close();
    assert.equal(bench.syncs('/one/door'), syncs + 1, 'it is synced only where it is cut');
    const [segment] = await bench.recorder.archive.segments('door', always);
    const detail = await bench.recorder.archive.detail('door', segment?.name ?? '');
    assert.deepEqual(
      detail?.fragments.map(({ tracks }) => tracks[0]?.firstSequence),
      [0, 10],
    );
  });

  test('moves a camera at a keyframe when its volume is full', async () => {
    const bench = await SimulatedRecorder.open();
    const door = bench.record('door');
    door.gops(3);
    await bench.pass(1);
    const [one] = bench.recorder.volumes.all();
    assert(one !== undefined, 'no volume');
    bench.recorder.volumes.full(one, 'retention could not help');
    door.gops(3);
    await turn();
    assert.deepEqual(bench.folders('door'), ['/one', '/two']);
    assert.deepEqual(door.failures, []);
    await door.close();
    assert.equal(door.through, 59);
  });

  test('says when no volume is usable, and when one is again', async () => {
    const bench = await SimulatedRecorder.open();
    bench.machine.fail('write', 'door', 'FILE_IO', 9);
    for (let attempt = 1; attempt <= 2; attempt++) {
      bench.record('door', attempt).gops(2);
      await turn();
    }
    assert.deepEqual([bench.usable, bench.recorder.usable()], [[false], false]);
    const refused = bench.record('door', 3);
    refused.gops(2);
    await turn();
    assert.match(refused.failures[0] ?? '', /no volume can be recorded to/);
    bench.machine.heal();
    await bench.pass(40);
    assert.deepEqual([bench.usable, bench.recorder.usable()], [[false, true], true]);
  });

  test('a volume that hangs stops only its own cameras, which are told after a while', async () => {
    const bench = await SimulatedRecorder.open();
    const [door, gate] = [bench.record('door'), bench.record('gate')];
    for (const recording of [door, gate]) recording.gops(3);
    await bench.pass(1);
    assert.deepEqual([bench.folders('door'), bench.folders('gate')], [['/one'], ['/two']]);
    const release = bench.machine.stall('/one');
    for (let second = 0; second < 12; second++) {
      for (const recording of [door, gate]) recording.gops(1);
      await bench.pass(1);
    }
    assert.equal(gate.through, 139);
    assert.equal(door.through, 19);
    assert.match(door.failures.join(), /does not answer/);
    assert.deepEqual(bench.states(), ['failed', 'ok']);
    assert.equal(door.recorder.pendingBytes < 20_000, true);
    const again = bench.record('door', 2);
    again.gops(3);
    await bench.pass(1);
    assert.equal(again.through, 19);
    let finished = false;
    void bench.recorder.finish(door.recorder).then(() => {
      finished = true;
    });
    await bench.pass(21);
    assert.equal(finished, true, 'nobody waits for it for ever');
    release();
    await bench.pass(1);
    assert.equal(door.through, 19, 'a late answer acknowledges nothing');
    assert.equal(door.failures.length, 1);
  });

  test('a slow disk is synced less often', async () => {
    const bench = await SimulatedRecorder.open();
    const door = bench.record('door');
    door.gops(2);
    await bench.pass(1);
    const before = bench.syncs('/one/door');
    for (let round = 0; round < 4; round++) {
      const release = bench.machine.stall('/one/door');
      door.gops(1);
      await bench.pass(2);
      release();
      await bench.pass(2);
    }
    const slow = bench.syncs('/one/door') - before;
    assert(slow <= 5, `${slow} syncs in 16 s`);
    assert.deepEqual(door.failures, []);
  });

  test('a volume that was not there at the start is recovered when it is back', async () => {
    const bench = await SimulatedRecorder.open();
    const door = bench.record('door');
    door.gops(3);
    await bench.pass(1);
    const marker = '/one/.starling-volume';
    const bytes = bench.disk.files('/one').get(marker) ?? Buffer.alloc(0);
    await bench.disk.remove(marker);
    await bench.restart();
    assert.deepEqual(bench.states(), ['missing', 'ok']);
    assert.equal(bench.recorder.recovery.waiting.length, 1);
    assert.match(bench.recorder.recovery.notes.join(), /waits for its volume/);
    assert.deepEqual(await bench.recorder.archive.segments('door', always), []);
    const file = await bench.disk.createFile(marker);
    await file?.append([bytes]);
    await bench.pass(6);
    assert.deepEqual(bench.states(), ['ok', 'ok']);
    const [segment] = await bench.recorder.archive.segments('door', always);
    assert.equal((segment?.toUs ?? 0) - (segment?.fromUs ?? 0), 2_000_000);
  });

  test('a volume that hangs during the start holds it up for a while only, and is recovered later', async () => {
    const bench = await SimulatedRecorder.open();
    for (const camera of ['door', 'gate', 'yard', 'shed']) bench.record(camera).gops(3);
    await bench.pass(1);
    assert.deepEqual(bench.folders('door'), ['/one']);
    bench.machine.stop();
    await turn();
    bench.machine.revive();
    const releases = [bench.machine.stall('/one/door')];
    const starting = bench.start();
    await bench.pass(1);
    releases.push(bench.machine.stall('/one'));
    // A call that does not answer, and a look at the volume behind it.
    await bench.pass(20);
    await starting;
    assert.match(bench.recorder.recovery.notes.join(), /the disk does not answer/);
    assert.deepEqual(bench.states(), ['failed', 'ok']);
    assert.equal((await bench.recorder.archive.segments('gate', always)).length, 1);
    for (const release of releases) release();
    await bench.pass(61);
    assert.deepEqual(bench.states(), ['ok', 'ok']);
    for (const camera of ['door', 'yard']) {
      assert.equal((await bench.recorder.archive.segments(camera, always)).length, 1, camera);
    }
  });

  test('what is whole behind damage is copied to a segment of its own, and the hole explained', async () => {
    const bench = await SimulatedRecorder.open();
    const door = bench.record('door');
    door.gops(9);
    await bench.pass(1);
    const [segment] = await bench.recorder.archive.segments('door', always);
    const detail = await bench.recorder.archive.detail('door', segment?.name ?? '');
    const path = `/one/door/${segment?.name}.mp4`;
    for (const place of [2, 5]) {
      const at = detail?.fragments[place]?.offset ?? 0;
      bench.disk.damage(path, (bytes) => bytes.fill(0, at, at + 100));
    }
    await bench.restart();
    const { archive, recovery } = bench.recorder;
    assert.match(recovery.notes.join(), /4 whole fragments behind it copied/);
    const found: (number | undefined)[][] = [];
    for (const { name, bytes } of await archive.segments('door', always)) {
      const inside = await archive.detail('door', name);
      found.push((inside?.fragments ?? []).map(({ tracks }) => tracks[0]?.firstSequence));
      const file = bench.disk.files('/one').get(`/one/door/${name}.mp4`) ?? Buffer.alloc(0);
      assert.equal(file.length, bytes);
      const scan = await scanSegment(
        async (offset, length) => file.subarray(offset, offset + length),
        file.length,
      );
      assert.deepEqual([scan.damage, scan.fragments], [undefined, inside?.fragments]);
    }
    assert.deepEqual(found, [
      [0, 10],
      [30, 40],
      [60, 70],
    ]);
    const gaps = await archive.gaps('door', always);
    assert.deepEqual(
      gaps.map(({ reason, fromUs, toUs }) => [
        reason,
        (fromUs - (segment?.fromUs ?? 0)) / 1e6,
        (toUs - fromUs) / 1e6,
      ]),
      [
        ['damaged', 2, 1],
        ['damaged', 5, 1],
      ],
    );
  });
});
