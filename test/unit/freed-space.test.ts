/** Retention where deleting gives no space back, or late, or while others write. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RetentionRig } from '../support/retention-rig.ts';

const megabyte = 1_000_000;

describe('retention', () => {
  test('while what was deleted does not become free, next to nothing more goes, and a full volume says why', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 5 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 8; minute++) await rig.record('door', minute, megabyte / 2);
    for (let minute = 8; minute < 60; minute++) await rig.record('door', minute, megabyte / 20);
    rig.snapshot = true;
    assert.equal((await rig.retention.keepReserve()).segments, 4, 'what was missing');
    const deletedIn = async (minutes: number): Promise<number[]> => {
      const sizes: number[] = [];
      for (let second = 0; second < 60 * minutes; second += 20) {
        rig.clock.advance(20_000);
        const { bytes } = await rig.retention.keepReserve();
        if (bytes > 0) sizes.push(bytes);
      }
      return sizes;
    };
    const trials = await deletedIn(60);
    assert.ok(trials.length > 5 && trials.length < 12, `${trials.length} trials in an hour`);
    assert.ok(
      trials.every((bytes) => bytes < (10 * megabyte) / 16 + megabyte / 2),
      trials.join(),
    );
    assert.equal(rig.state(0).is, 'ok');
    for (let minute = 60; minute < 92; minute++) await rig.record('door', minute, megabyte / 20);
    for (let minute = 92; minute < 96; minute++) await rig.record('door', minute, megabyte / 2);
    await rig.retention.keepReserve();
    const [volume] = rig.volumes;
    assert.ok(volume);
    await rig.retention.makeRoom(volume);
    const state = rig.state(0);
    assert.ok(state.is === 'full' && /snapshots may keep it/.test(state.reason), JSON.stringify(state));
    rig.snapshot = false;
    rig.kept = 0;
    rig.states.clear();
    for (let minute = 96; minute < 104; minute++) await rig.record('door', minute, megabyte / 2);
    assert.ok((await rig.retention.keepReserve()).bytes > megabyte, 'deleting is of use again');
    assert.equal((await rig.retention.keepReserve()).segments, 0);
  });

  test('a file system that frees late is waited for', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 5 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 8; minute++) await rig.record('door', minute, megabyte);
    rig.snapshot = true;
    assert.equal((await rig.retention.keepReserve()).segments, 3);
    let more = 0;
    for (let second = 0; second < 30; second += 2) {
      rig.clock.advance(2_000);
      more += (await rig.retention.keepReserve()).segments;
    }
    assert.ok(more <= 4, `${more} trials until it is free`);
    assert.equal(rig.state(0).is, 'ok');
    rig.kept = 0;
    rig.snapshot = false;
    assert.equal((await rig.retention.keepReserve()).segments, 0);
    for (let minute = 8; minute < 9 + more; minute++) await rig.record('door', minute, megabyte);
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 1, 'and not a moment longer');
  });

  test('what others write meanwhile does not keep the reserve from being restored', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 9 }, { sizes: [60 * megabyte] });
    for (let minute = 0; minute < 500; minute++) await rig.record('door', minute, megabyte / 10);
    let file = 0;
    // 2 MB a second, also while something is deleted, which takes 30 ms a file
    const othersWrite = async (ms: number): Promise<void> => {
      rig.clock.advance(ms);
      await rig.file(0, 'somebody', `file-${file++}`, 2_000 * ms);
    };
    rig.onRemove = () => othersWrite(30);
    for (let pass = 0; pass < 5; pass++) {
      await othersWrite(2_000);
      await rig.retention.keepReserve();
    }
    const { freeBytes } = await rig.parts().disk.usage(rig.volumes[0]?.folder ?? '');
    assert.ok(freeBytes > 2 * megabyte, `${freeBytes} B free although there is enough to delete`);
    rig.onRemove = async () => undefined;
    await rig.retention.keepReserve();
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 0, 'the reserve is there');
    assert.equal(rig.state(0).is, 'ok');
  });
});
