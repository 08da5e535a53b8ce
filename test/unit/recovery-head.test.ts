/** Segments whose head (`ftyp moov`, which says what the tracks are) is damaged: what is whole behind it is kept. */
import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { realDisk } from '../../firmware/io/disk.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import type { Gap, TrackDescription } from '../../firmware/media/sample.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import { checkArchive } from '../../firmware/recording/check.ts';
import { type CheckReport, unrepaired } from '../../firmware/recording/check-findings.ts';
import { endOf } from '../../firmware/recording/index-rows.ts';
import { videoTrack } from '../support/media-samples.ts';
import { pathOf, segmentsOf, sequencesIn, upTo } from '../support/recorded-files.ts';
import { RecorderRig } from '../support/recorder-rig.ts';

const always = { fromUs: 0, toUs: 9_000_000_000_000_000 };

/** Zeroes a file from its first byte on. */
async function spoilHead(file: string, bytes: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(bytes), 0, bytes, 0);
  await handle.close();
}

/** `starling check` on what a rig has left, which is stopped by that. */
async function check(rig: RecorderRig, repair = false): Promise<CheckReport> {
  await rig.recorder[Symbol.asyncDispose]();
  await using index = await openLevelStore(path.join(rig.folder, 'index'));
  return await checkArchive({
    disk: realDisk,
    index,
    folders: [path.join(rig.folder, 'recordings')],
    owner: { site: 'lab', server: 'shed' },
    newId: () => '0123456789abcdef',
    clock: systemClock,
    repair,
    deep: true,
  });
}

async function repairs(rig: RecorderRig, ...kinds: string[]): Promise<void> {
  const repaired = await check(rig, true);
  assert.deepEqual(Object.keys(repaired.counts).sort(), kinds.sort(), JSON.stringify(repaired.problems));
  assert.equal(unrepaired(repaired), 0, JSON.stringify(repaired.problems));
  const again = await check(rig);
  assert.deepEqual(again.counts, {}, JSON.stringify(again.problems));
}

/** What a stopped rig's index lists, by a server that starts on it. */
async function listed(rig: RecorderRig): Promise<{ sequences: number[]; gaps: Gap[] }> {
  const next = await RecorderRig.open({ folder: rig.folder });
  try {
    const sequences: number[] = [];
    for (const segment of await segmentsOf(next)) {
      assert.equal((await stat(pathOf(next, segment))).size, segment.bytes);
      sequences.push(...(await sequencesIn(pathOf(next, segment))));
    }
    return { sequences, gaps: await next.recorder.archive.gaps('door', always) };
  } finally {
    await next.recorder[Symbol.asyncDispose]();
  }
}

/** Six GOPs; of the tracks given. */
async function record(rig: RecorderRig, tracks: readonly TrackDescription[]): Promise<SegmentListing> {
  const door = rig.record();
  door.begin('boot.0', tracks);
  door.gops(6, { bytes: 1_000 });
  await door.close();
  const [segment] = await segmentsOf(rig);
  assert(segment !== undefined);
  return segment;
}

describe('a sealed segment whose head is damaged', () => {
  test('keeps every sample when its first 4 KiB are lost, and they are its head', async () => {
    await using rig = await RecorderRig.open();
    const track = videoTrack('boot.0');
    const format = { ...track.format, config: Buffer.alloc(2_500, 1) };
    const segment = await record(rig, [{ ...track, format }]);
    const { initBytes = 0 } = (await rig.recorder.archive.detail('door', segment.name)) ?? {};
    assert(initBytes >= 4096, `${initBytes} bytes`);
    const whole = await readFile(pathOf(rig, segment));
    await spoilHead(pathOf(rig, segment), 4096);
    await repairs(rig, 'file-damaged');
    const { sequences, gaps } = await listed(rig);
    assert.deepEqual(sequences, upTo(60));
    assert.deepEqual(gaps, []);
    const day = path.dirname(pathOf(rig, segment));
    const [copy = '', ...more] = await readdir(day);
    assert.deepEqual(more, []);
    assert.deepEqual(await readFile(path.join(day, copy)), whole);
  });

  test('loses no more than the fragment that the damage reaches into, and says so', async () => {
    await using rig = await RecorderRig.open();
    const segment = await record(rig, [videoTrack('boot.0')]);
    const detail = await rig.recorder.archive.detail('door', segment.name);
    const [first, second] = detail?.fragments ?? [];
    assert(first !== undefined && second !== undefined && first.offset < 4096 && second.offset > 4096);
    await spoilHead(pathOf(rig, segment), 4096);
    await repairs(rig, 'file-damaged');
    const { sequences, gaps } = await listed(rig);
    assert.deepEqual(sequences, upTo(60).slice(10));
    const { fromUs } = segment;
    assert.deepEqual(gaps, [{ camera: 'door', fromUs, toUs: fromUs + 1_000_000, reason: 'damaged' }]);
  });

  test('keeps every sample also when its row is gone', async () => {
    await using rig = await RecorderRig.open();
    const segment = await record(rig, [videoTrack('boot.0')]);
    const { initBytes = 0 } = (await rig.recorder.archive.detail('door', segment.name)) ?? {};
    const [row] = await rig.index.range({ from: 's/', to: endOf('s/'), limit: 1 });
    await rig.index.commit([{ type: 'delete', key: row?.key ?? '' }]);
    await spoilHead(pathOf(rig, segment), initBytes);
    await repairs(rig, 'file-headless', 'row-orphaned', 'totals-wrong');
    assert.deepEqual((await listed(rig)).sequences, upTo(60));
  });
});

describe('a segment that was being written and whose head is damaged', () => {
  test('stays as it is, with an explained gap, when nothing tells its tracks', async () => {
    await using rig = await RecorderRig.open();
    const other = rig.record();
    other.begin('boot.7');
    other.gops(1);
    await other.close();
    const door = rig.record('door', 2);
    door.gops(4);
    await door.written();
    const segment = (await segmentsOf(rig)).at(-1);
    assert(segment?.open);
    await using next = await rig.afterCrash((folder) => spoilHead(pathOf({ folder }, segment), 300));
    const bytes = await readFile(pathOf(next, segment));
    assert.equal(bytes.length, segment.bytes);
    const { recovery } = next.recorder;
    assert.deepEqual([recovery.recovered, recovery.removed, recovery.cutBytes], [0, 0, 0]);
    assert.match(recovery.notes.join(), /nothing tells its tracks; 3 whole fragments are left in it/);
    assert.equal((await segmentsOf(next)).length, 1);
    const [gap, ...gaps] = await next.recorder.archive.gaps('door', always);
    assert.deepEqual([gap?.reason, gap?.toUs, gaps.length], ['damaged', segment.toUs, 0]);
    assert.equal(await rowsOf(next, 'o/'), 0);
    for (const repair of [false, true, false]) {
      const report = await check(next, repair);
      assert.deepEqual(report.counts, { 'file-headless': { found: 1, repaired: 0 } });
      assert.deepEqual([report.problems[0]?.place, report.foreignFiles], [pathOf(next, segment), 0]);
      assert.match(report.problems[0]?.what ?? '', /3 whole fragments are in it, not indexed/);
    }
    assert.deepEqual(await readFile(pathOf(next, segment)), bytes);
  });

  test('is recovered with the tracks of another segment of its capture, at once or when that is there again', async () => {
    await using rig = await RecorderRig.open({ segmentSeconds: 3 });
    const door = rig.record();
    door.gops(6);
    await door.written();
    const [before, segment] = await segmentsOf(rig);
    assert(before !== undefined && segment?.open);
    await using next = await rig.afterCrash((folder) => spoilHead(pathOf({ folder }, segment), 300));
    assert.match(next.recorder.recovery.notes.join(), /2 whole fragments copied, the file removed/);
    await assert.rejects(stat(pathOf(next, segment)));
    assert.deepEqual(await listedOnceStopped(next), { sequences: upTo(50), gaps: [] });

    await using later = await rig.afterCrash(async (folder) => {
      await spoilHead(pathOf({ folder }, segment), 300);
      await mkdir(path.join(folder, 'aside'));
      await rename(pathOf({ folder }, before), path.join(folder, 'aside', 'one.mp4'));
    });
    assert.match(later.recorder.recovery.notes.join(), /nothing tells its tracks/);
    await later.recorder[Symbol.asyncDispose]();
    await rename(path.join(later.folder, 'aside', 'one.mp4'), pathOf(later, before));
    await repairs(later, 'file-headless');
    assert.deepEqual(await listed(later), { sequences: upTo(50), gaps: [] });
  });

  test('is removed when nothing whole is in it', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(4);
    await door.written();
    const [segment] = await segmentsOf(rig);
    assert(segment !== undefined);
    await using next = await rig.afterCrash((folder) =>
      spoilHead(pathOf({ folder }, segment), segment.bytes),
    );
    assert.equal(next.recorder.recovery.removed, 1);
    await assert.rejects(stat(pathOf(next, segment)));
    await rm(path.join(next.folder, 'recordings', 'door'), { recursive: true });
    assert.deepEqual((await check(next)).counts, {});
  });
});

async function rowsOf(rig: RecorderRig, prefix: string): Promise<number> {
  return (await rig.index.range({ from: prefix, to: endOf(prefix), limit: 9 })).length;
}

async function listedOnceStopped(rig: RecorderRig): Promise<{ sequences: number[]; gaps: Gap[] }> {
  await rig.recorder[Symbol.asyncDispose]();
  return listed(rig);
}
