/** Retention where deleting gives no space back, or late, or while others write. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { FreedSpace } from '../../firmware/recording/freed-space.ts';
import type { Volume } from '../../firmware/recording/volumes.ts';
import { RetentionRig } from '../support/retention-rig.ts';

const megabyte = 1_000_000;
const kilobyte = 1_000;

function only(rig: RetentionRig): Volume {
  return rig.volumes[0] ?? assert.fail('no volume');
}

function whyFull(rig: RetentionRig): string {
  const state = rig.state(0);
  return state.is === 'full' ? state.reason : assert.fail(state.is);
}

describe('retention', () => {
  test('while what was deleted does not become free, next to nothing more goes', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 5 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 8; minute++) await rig.record('door', minute, megabyte / 2);
    for (let minute = 8; minute < 60; minute++) await rig.record('door', minute, megabyte / 20);
    rig.snapshot = true;
    assert.equal((await rig.retention.keepReserve()).segments, 4, 'what was missing');
    const trials: number[] = [];
    for (let second = 0; second < 3_600; second += 20) {
      rig.clock.advance(20_000);
      const { bytes } = await rig.retention.keepReserve();
      await rig.check();
      if (bytes > 0) trials.push(bytes);
    }
    assert.ok(trials.length > 5 && trials.length < 12, `${trials.length} trials in an hour`);
    assert.ok(
      trials.every((bytes) => bytes < (10 * megabyte) / 16 + megabyte / 2),
      trials.join(),
    );
    assert.equal(rig.state(0).is, 'ok', 'half of the reserve is left');
    rig.snapshot = false;
    rig.kept.clear();
    for (let minute = 60; minute < 74; minute++) await rig.record('door', minute, megabyte / 2);
    assert.ok((await rig.retention.keepReserve()).bytes > megabyte, 'deleting is of use again');
    assert.equal((await rig.retention.keepReserve()).segments, 0);
  });

  test('a full volume says that what was deleted does not become free, and is used again when it does', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 5 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 7; minute++) await rig.record('door', minute, megabyte);
    rig.snapshot = true;
    assert.equal((await rig.retention.keepReserve()).segments, 2);
    await rig.record('door', 7, megabyte);
    await rig.check();
    const [full, reason] = [rig.state(0), whyFull(rig)];
    assert.match(reason, /bytes are free/);
    await rig.retention.keepReserve();
    assert.match(whyFull(rig), /snapshots may keep it/);
    await rig.check();
    const told = rig.state(0);
    assert.deepEqual(told, { ...full, reason: whyFull(rig) });
    assert.match(whyFull(rig), /snapshots may keep it/, 'whoever looks again leaves it');
    // A recorder that was still writing there.
    rig.parts().volumes.failed(only(rig), new Failure('DISK_FULL', 'ENOSPC', { advice: '' }));
    assert.equal(whyFull(rig), 'ENOSPC');
    await rig.retention.makeRoom(only(rig));
    assert.deepEqual(rig.state(0), told);
    rig.snapshot = false;
    rig.kept.clear();
    assert.equal((await rig.retention.keepReserve()).segments, 1);
    assert.equal(rig.state(0).is, 'ok');
  });

  test('a full volume on which nothing is left to delete says so', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 1 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 10; minute++) await rig.record('door', minute, megabyte);
    rig.protect('door', 0, Number.MAX_SAFE_INTEGER);
    rig.parts().volumes.failed(only(rig), new Failure('DISK_FULL', 'ENOSPC', { advice: '' }));
    await rig.retention.makeRoom(only(rig));
    assert.match(whyFull(rig), /nothing is left that may be deleted/);
  });

  test('a file system that frees late is waited for', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 5 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 7; minute++) await rig.record('door', minute, megabyte);
    rig.snapshot = true;
    assert.equal((await rig.retention.keepReserve()).segments, 2);
    let more = 0;
    for (let second = 0; second < 30; second += 2) {
      rig.clock.advance(2_000);
      more += (await rig.retention.keepReserve()).segments;
      await rig.check();
    }
    assert.ok(more <= 4, `${more} trials until it is free`);
    assert.equal(rig.state(0).is, 'ok');
    rig.kept.clear();
    rig.snapshot = false;
    assert.equal((await rig.retention.keepReserve()).segments, 0);
    for (let minute = 7; minute < 8 + more; minute++) await rig.record('door', minute, megabyte);
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
    const { freeBytes } = await rig.parts().disk.usage(only(rig).folder);
    assert.ok(freeBytes > 2 * megabyte, `${freeBytes} B free although there is enough to delete`);
    rig.onRemove = async () => undefined;
    await rig.retention.keepReserve();
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 0, 'the reserve is there');
    assert.equal(rig.state(0).is, 'ok');
  });

  test('what the limits delete is not taken for what others write', async () => {
    await using rig = await RetentionRig.open(
      { reserveMb: 0.3, cameras: [{ id: 'yard', gigabytes: 0.000_01 }] },
      { sizes: [megabyte] },
    );
    for (let minute = 0; minute < 30; minute++) await rig.record('yard', minute, 10 * kilobyte);
    rig.snapshot = true;
    rig.onRemove = async () => rig.clock.advance(100);
    await rig.retention.keepReserve();
    assert.equal((await rig.retention.keepLimits()).segments, 29);
    for (let minute = 0; minute < 50; minute++) await rig.record('door', minute, 10 * kilobyte);
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 10, 'what was missing');
    for (let minute = 50; minute < 60; minute++) await rig.record('door', minute, 10 * kilobyte);
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 7, 'no more than a trial');
  });

  test('others are not taken for faster because another file system was deleted from for long', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 0.3 }, { sizes: [megabyte, megabyte] });
    for (let minute = 0; minute < 8; minute++) await rig.record('door', minute, 100 * kilobyte);
    for (let minute = 0; minute < 40; minute++) await rig.record('gate', minute, 10 * kilobyte, 1);
    let file = 0;
    // 3 kB a second on the other one, during a minute
    rig.onRemove = async () => {
      rig.clock.advance(60_000);
      await rig.file(1, 'somebody', `file-${file++}`, 180 * kilobyte);
    };
    assert.equal((await rig.retention.keepReserve()).segments, 1);
    for (let minute = 40; minute < 62; minute++) await rig.record('gate', minute, 10 * kilobyte, 1);
    rig.snapshot = true;
    rig.onRemove = async () => rig.clock.advance(100);
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 10, 'what was missing');
    rig.clock.advance(2_000);
    assert.equal((await rig.retention.keepReserve()).segments, 7, 'no more than a trial');
  });
});

describe('what was deleted', () => {
  /** A snapshot keeps what is deleted; 1 GB is missing. */
  class Kept {
    readonly freed = new FreedSpace();
    level = 10_000 * megabyte;
    nowMs = 0;

    /** What goes in a pass, which is 2 s after the one before. */
    pass(): number {
      this.nowMs += 2_000;
      this.freed.observe('disk', { level: this.level, enough: false }, this.nowMs);
      const wanted = { missing: 1_000 * megabyte, trial: 64 * megabyte };
      const bytes = this.freed.allowed('disk', wanted, this.nowMs);
      this.level -= bytes;
      this.freed.deleted('disk', bytes, this.level, this.nowMs);
      return bytes / megabyte;
    }
  }

  test('has not become free because others have deleted something smaller', () => {
    const kept = new Kept();
    assert.equal(kept.pass(), 1_000);
    let most = 0;
    for (let pass = 0; pass < 100; pass++) {
      // A file of theirs comes and goes.
      kept.level += (pass % 2 === 0 ? 40 : -40) * megabyte;
      most = Math.max(most, kept.pass());
    }
    assert.equal(most, 64, 'no more than a trial');
  });

  test('has become free when half of all that was deleted is there, also in instalments', () => {
    const kept = new Kept();
    for (let pass = 0; pass < 10; pass++) kept.pass();
    const instalment = 0.35 * (10_000 * megabyte - kept.level);
    kept.level += instalment;
    let trial = 0;
    while (trial === 0) trial = kept.pass();
    assert.equal(trial, 64);
    kept.level += instalment;
    assert.equal(kept.pass(), 1_000);
  });
});
