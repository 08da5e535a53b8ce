/**
 * The index at its size: a year of one camera (525,600 segments of a minute, 60 fragments each) and a month of a
 * hundred (4.3 million), built through the ledger; listing, seeking and retention on them. `quick` is a day and a half
 * of one camera and half a day of ten. `ARCHIVE_BENCH_ONLY=0` runs the first of the two alone, `1` the second.
 *
 * Cold: the store is opened again, and its files are not in the page cache, if Python is there to drop them (else the
 * figure says so). Nothing is left to compact when lists are timed: building writes as much in minutes as a year does. Seeking
 * is the inside of a random segment and the first bytes of its file; all files are one real file, for half a million of
 * them would measure the file system. Commits are not synced while it is built, only while retention deletes.
 *
 * Validity gate: every list holds exactly the segments that were built for its time, else the run fails.
 */
import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { realDisk } from '../../firmware/io/disk.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import { IndexArchive } from '../../firmware/recording/index-archive.ts';
import { prepareFormat } from '../../firmware/recording/index-format.ts';
import type { SegmentInside } from '../../firmware/recording/index-rows.ts';
import type { IndexStore } from '../../firmware/recording/index-store.ts';
import { Ledger } from '../../firmware/recording/ledger.ts';
import { RecordedDays } from '../../firmware/recording/recorded-days.ts';
import { Retention } from '../../firmware/recording/retention.ts';
import { formatSegmentName } from '../../firmware/recording/segment-name.ts';
import { videoTrack } from '../../test/support/media-samples.ts';
import type { Figure } from '../bench.ts';

const startUs = Date.parse('2026-01-01T00:00:00Z') * 1000;
const minuteUs = 60_000_000;
const minutesPerDay = 1_440;
const bytesPerSegment = 30_000_000;
const volume = { number: 0, id: '0000000000000000', folder: '' };
/** Segments sealed at a time, as many as the ledger takes into one batch. */
const atATime = 64;

interface Size {
  readonly name: string;
  readonly cameras: number;
  readonly minutes: number;
}

/** Runs it: some minutes for the year, half an hour for the month. Rejects when the run is not valid. */
export async function benchArchive(quick: boolean): Promise<Figure[]> {
  const sizes: Size[] = quick
    ? [
        { name: 'a day and a half of one camera', cameras: 1, minutes: 2_160 },
        { name: 'half a day of 10 cameras', cameras: 10, minutes: 720 },
      ]
    : [
        { name: 'a year of one camera', cameras: 1, minutes: 525_600 },
        { name: 'a month of 100 cameras', cameras: 100, minutes: 43_200 },
      ];
  const only = process.env['ARCHIVE_BENCH_ONLY'];
  const figures: Figure[] = [];
  for (const size of only === undefined ? sizes : sizes.slice(Number(only), Number(only) + 1)) {
    figures.push(...(await benchSize(size, quick)));
  }
  return figures;
}

async function benchSize(size: Size, quick: boolean): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-archive-bench-'));
  try {
    const file = join(folder, 'any.mp4');
    writeFileSync(file, Buffer.alloc(1 << 20, 1));
    const bench = new ArchiveBench(folder, size);
    const figures = [await bench.build()];
    figures.push(...(await bench.openCold(quick ? 5 : 20)));
    figures.push(...(await bench.listCold(quick ? 10 : 200)));
    figures.push(...(await bench.seekWarm(quick ? 200 : 2_000)));
    figures.push(...(await bench.retain(quick ? 300 : 10_000)));
    return figures.map((figure) => ({ ...figure, figure: `${size.name}: ${figure.figure}` }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

class ArchiveBench {
  private readonly path: string;
  private readonly file: string;
  private readonly size: Size;
  private readonly inside = insideOfMinute();

  constructor(folder: string, size: Size) {
    this.path = join(folder, 'index');
    this.file = join(folder, 'any.mp4');
    this.size = size;
  }

  async build(): Promise<Figure> {
    const { cameras, minutes } = this.size;
    await using index = unsyncedStore(this.path);
    await prepareFormat(index);
    const ledger = await Ledger.open(index);
    const startMs = performance.now();
    let waiting: Promise<void>[] = [];
    for (let minute = 0; minute < minutes; minute++) {
      for (let camera = 0; camera < cameras; camera++) {
        waiting.push(this.record(ledger, listingOf(camera, minute)));
        if (waiting.length < atATime) continue;
        await Promise.all(waiting);
        waiting = [];
      }
      if (minute > 0 && (minute * cameras) % 100_000 < cameras) {
        const rate = (minute * cameras) / ((performance.now() - startMs) / 1000);
        process.stderr.write(
          `built ${minute * cameras} of ${minutes * cameras}, ${rate.toFixed(0)} a second\n`,
        );
      }
    }
    await Promise.all(waiting);
    const bytes = readdirSync(this.path).reduce((sum, name) => sum + statSync(join(this.path, name)).size, 0);
    return { figure: 'index, bytes per segment', value: bytes / (cameras * minutes), unit: 'B' };
  }

  /** Opening the ledger as a server that starts does. */
  async openCold(samples: number): Promise<Figure[]> {
    const times: number[] = [];
    let how = '';
    for (let sample = 0; sample < samples; sample++) {
      how = this.coolDown();
      const startMs = performance.now();
      await using index = await openLevelStore(this.path);
      await Ledger.open(index);
      times.push(performance.now() - startMs);
    }
    return percentiles(`open the ledger, ${how}`, times);
  }

  /** The first lists are not counted: a server whose code is warm, and whose index is not. */
  async listCold(samples: number): Promise<Figure[]> {
    const times: number[] = [];
    const cpuMs: number[] = [];
    let how = '';
    await compacted(this.path);
    for (let sample = -samples / 2; sample < samples; sample++) {
      how = this.coolDown();
      await using index = await openLevelStore(this.path);
      const archive = this.archiveOf(index);
      const camera = pick(this.size.cameras);
      const fromMinute = pick(this.size.minutes - Math.min(minutesPerDay, this.size.minutes) + 1);
      const toMinute = Math.min(fromMinute + minutesPerDay, this.size.minutes);
      const range = { fromUs: startUs + fromMinute * minuteUs, toUs: startUs + toMinute * minuteUs };
      const cpu = process.cpuUsage();
      const startMs = performance.now();
      const list = await archive.segments(idOf(camera), { ...range, limit: 10_000 });
      const ms = performance.now() - startMs;
      const { user, system } = process.cpuUsage(cpu);
      assert.equal(list.length, toMinute - fromMinute, 'not valid: segments are missing or too many');
      assert.equal(list[0]?.fromUs, range.fromUs, 'not valid: the list begins elsewhere');
      if (sample < 0) continue;
      times.push(ms);
      cpuMs.push((user + system) / 1000);
    }
    return [...percentiles(`list a day, ${how}`, times), ...percentiles(`list a day, ${how}, CPU`, cpuMs)];
  }

  async seekWarm(samples: number): Promise<Figure[]> {
    await using index = await openLevelStore(this.path);
    const archive = this.archiveOf(index);
    const times: number[] = [];
    // Warm: what was looked at a moment ago, as by somebody who drags along a timeline.
    const places = Array.from({ length: samples }, () => ({
      camera: pick(this.size.cameras),
      minute: pick(this.size.minutes),
    }));
    for (const turn of ['warm up', 'measure'] as const) {
      for (const { camera, minute } of places) {
        const { name } = listingOf(camera, minute);
        const startMs = performance.now();
        const detail = await archive.detail(idOf(camera), name);
        const { offset = 0, bytes = 0 } = detail?.fragments[30] ?? {};
        const read = await archive.read(idOf(camera), name, offset, Math.min(bytes, 65_536));
        if (turn === 'measure') times.push(performance.now() - startMs);
        assert.equal(detail?.fragments.length, 60, 'not valid: a segment has no inside');
        assert.ok(read.length > 0, 'not valid: nothing was read');
      }
    }
    return percentiles('seek (inside and first bytes), warm', times);
  }

  /** Retention with synced commits, while a camera goes on recording. */
  async retain(segments: number): Promise<Figure[]> {
    await using index = await openLevelStore(this.path);
    const ledger = await Ledger.open(index);
    let spareBytes = 0;
    const retention = retentionOf(ledger, () => spareBytes);
    const idle = await timed(20, () => retention.keepReserve());
    spareBytes = -segments * bytesPerSegment;
    const sealMs: number[] = [];
    let deleting = true;
    const recording = (async () => {
      for (let minute = 0; deleting; minute++) {
        const startMs = performance.now();
        await this.record(ledger, { ...listingOf(0, this.size.minutes + minute), camera: 'recording' });
        sealMs.push(performance.now() - startMs);
      }
    })();
    const startMs = performance.now();
    const done = await retention.keepReserve();
    const seconds = (performance.now() - startMs) / 1000;
    deleting = false;
    await recording;
    assert.equal(done.segments, segments, 'not valid: another number of segments was deleted');
    const [oldest] = await ledger.oldest(0, 1);
    assert.equal(
      oldest?.fromUs,
      listingOf(0, Math.floor(segments / this.size.cameras)).fromUs,
      'not valid: order',
    );
    const archive = this.archiveOf(index);
    const range = { fromUs: startUs, toUs: startUs + minutesPerDay * minuteUs };
    const gaps = await timed(50, () => archive.gaps(idOf(0), range));
    return [
      { figure: 'retention deletes', value: segments / seconds, unit: 'segments/s' },
      ...percentiles('retention with nothing to do', idle),
      ...percentiles('opening and sealing a segment meanwhile', sealMs),
      ...percentiles('gaps of the first day after that', gaps),
    ];
  }

  /** Takes the index out of the page cache; says how cold it is then. */
  private coolDown(): string {
    return dropPageCache(this.path) ? 'cold' : 'store reopened, page cache not dropped';
  }

  private async record(ledger: Ledger, listing: SegmentListing): Promise<void> {
    assert.ok(await ledger.opening(volume, listing.camera, listing.name, 1), `${listing.name} is taken`);
    await ledger.seal(volume, listing, this.inside);
  }

  private archiveOf(index: IndexStore): IndexArchive {
    const { file } = this;
    return new IndexArchive({
      index,
      days: new RecordedDays(index),
      disk: { read: (_path, offset, length) => realDisk.read(file, offset % (1 << 19), length) },
      volumes: { byNumber: () => volume },
      openSegments: () => [],
    });
  }
}

function retentionOf(ledger: Ledger, spareBytes: () => number): Retention {
  const reserveMb = 1_000_000_000;
  let freed = 0;
  return new Retention({
    disk: {
      remove: async () => {
        freed += bytesPerSegment;
      },
      syncDirectory: async () => undefined,
      removeDirectory: async () => false,
      usage: async () => ({
        totalBytes: 2e15,
        freeBytes: reserveMb * 1e6 + spareBytes() + freed,
        device: '0',
      }),
    },
    ledger,
    volumes: {
      byNumber: () => volume,
      verify: async () => undefined,
      failed: () => assert.fail('a volume failed'),
      full: () => undefined,
      status: () => [
        { ...volume, state: { is: 'ok' }, totalBytes: 0, freeBytes: 0, recordedBytes: 0, reserveBytes: 0 },
      ],
      check: async () => undefined,
    },
    settings: { reserveMb, cameras: [] },
    openBytes: () => [],
    protections: { version: () => 0, isProtected: () => false },
    clock: systemClock,
    clockTrusted: () => true,
  });
}

/** LevelDB without a sync for each batch. */
function unsyncedStore(path: string): IndexStore {
  const level = new Level<string, Buffer>(path, { keyEncoding: 'utf8', valueEncoding: 'buffer' });
  return {
    get: (key) => level.get(key),
    commit: (changes) =>
      level.batch(
        changes.map((change) => (change.type === 'put' ? change : { type: 'del' as const, key: change.key })),
      ),
    range: async ({ from, to, limit, reverse = false }) =>
      (await level.iterator({ gte: from, lt: to, limit, reverse }).all()).map(([key, value]) => ({
        key,
        value,
      })),
    [Symbol.asyncDispose]: () => level.close(),
  };
}

/** Waits until LevelDB has nothing left to compact: a server that records a few segments a minute never has much. */
async function compacted(path: string): Promise<void> {
  await using _index = await openLevelStore(path);
  const files = (): string => readdirSync(path).sort().join();
  for (let seen = '', sinceMs = performance.now(); performance.now() - sinceMs < 2_000; await pause(100)) {
    if (files() === seen) continue;
    seen = files();
    sinceMs = performance.now();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Takes the files of the index, and no others, out of the page cache (POSIX_FADV_DONTNEED); false where that fails. */
function dropPageCache(path: string): boolean {
  const script = [
    'import os, sys',
    'for entry in os.scandir(sys.argv[1]):',
    '  file = os.open(entry.path, os.O_RDONLY)',
    '  os.fsync(file)',
    '  os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)',
    '  os.close(file)',
  ];
  return spawnSync('python3', ['-c', script.join('\n'), path]).status === 0;
}

function idOf(camera: number): string {
  return `cam-${camera}`;
}

function listingOf(camera: number, minute: number): SegmentListing {
  const fromUs = startUs + minute * minuteUs;
  return {
    camera: idOf(camera),
    name: formatSegmentName({ fromUs, epoch: 1, sequence: minute }),
    fromUs,
    toUs: fromUs + minuteUs,
    bytes: bytesPerSegment,
    captureId: 'a1b2c3d4.12',
    epoch: 1,
    open: false,
  };
}

function insideOfMinute(): SegmentInside {
  const bytes = bytesPerSegment / 60;
  const mapping = { offsetUs: startUs, uncertaintyUs: 4_000 };
  const fragments = Array.from({ length: 60 }, (_, place) => ({
    offset: 900 + place * bytes,
    bytes,
    fromPtsUs: place * 1_000_000,
    toPtsUs: (place + 1) * 1_000_000,
    mapping,
    tracks: [{ trackId: 1, firstSequence: place * 30, count: 30 }],
  }));
  return { initBytes: 900, tracks: [videoTrack()], fragments };
}

async function timed(samples: number, task: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const startMs = performance.now();
    await task();
    times.push(performance.now() - startMs);
  }
  return times;
}

function percentiles(figure: string, times: readonly number[]): Figure[] {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return [
    { figure: `${figure}, p50`, value: at(0.5), unit: 'ms' },
    { figure: `${figure}, p99`, value: at(0.99), unit: 'ms' },
  ];
}

/** The same places in every run. */
let seed = 20260101;
function pick(below: number): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed % Math.max(1, below);
}
