/** `checkArchive`: every way in which files and index may disagree is found, told, and put right. */
import assert from 'node:assert/strict';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { realDisk } from '../../firmware/io/disk.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { checkArchive } from '../../firmware/recording/check.ts';
import { type CheckReport, unrepaired } from '../../firmware/recording/check-findings.ts';
import { readPages } from '../../firmware/recording/index-pages.ts';
import { endOf } from '../../firmware/recording/index-rows.ts';
import type { IndexStore } from '../../firmware/recording/index-store.ts';
import { RecorderRig } from '../support/recorder-rig.ts';

const owner = { site: 'lab', server: 'shed' };
let base: string;
/** an archive as a clean stop leaves it */
let clean: string;
let folder: string;

before(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'starling-check-'));
  clean = path.join(base, 'clean');
  const rig = await RecorderRig.open({ folder: path.join(base, 'rig'), segmentSeconds: 3 });
  for (const camera of ['door', 'gate']) {
    const recording = rig.record(camera);
    recording.gops(10);
    await recording.close();
  }
  await rig.recorder[Symbol.asyncDispose]();
  await cp(path.join(base, 'rig'), clean, { recursive: true });
});

after(() => rm(base, { recursive: true }));

beforeEach(async () => {
  folder = path.join(base, 'now');
  await rm(folder, { recursive: true, force: true });
  await cp(clean, folder, { recursive: true });
});

const media = (...parts: string[]): string => path.join(folder, 'recordings', ...parts);

/** Files of a camera in order, their paths. */
async function files(camera = 'door'): Promise<string[]> {
  const days = await readdir(media(camera));
  const all = await Promise.all(
    days.map(async (day) => (await readdir(media(camera, day))).map((file) => media(camera, day, file))),
  );
  return all.flat().sort();
}

async function withIndex<T>(work: (index: IndexStore) => Promise<T>): Promise<T> {
  const index = await openLevelStore(path.join(folder, 'index'));
  try {
    return await work(index);
  } finally {
    await index[Symbol.asyncDispose]();
  }
}

async function rowsOf(prefix: string): Promise<{ key: string; value: Buffer }[]> {
  return withIndex(async (index) => {
    const rows: { key: string; value: Buffer }[] = [];
    for await (const row of readPages(index, prefix, endOf(prefix))) rows.push(row);
    return rows;
  });
}

function check(options: { repair?: boolean; deep?: boolean; volume?: string } = {}): Promise<CheckReport> {
  return withIndex((index) =>
    checkArchive({
      disk: realDisk,
      index,
      folders: [options.volume ?? media()],
      owner,
      newId: () => '0123456789abcdef',
      clock: systemClock,
      repair: options.repair ?? false,
      deep: options.deep ?? true,
    }),
  );
}

const kinds = ({ counts }: CheckReport): string[] => Object.keys(counts).sort();

/** Finds these kinds, repairs them all, and finds nothing afterwards. */
async function mends(...expected: string[]): Promise<CheckReport> {
  const before = await everyRow();
  const found = await check();
  assert.deepEqual(kinds(found), expected.sort(), JSON.stringify(found.problems));
  assert.deepEqual(await everyRow(), before, 'a check without repair changes nothing');
  const repaired = await check({ repair: true });
  assert.equal(unrepaired(repaired), 0, JSON.stringify(repaired.problems));
  const again = await check();
  assert.deepEqual(kinds(again), [], JSON.stringify(again.problems));
  return repaired;
}

async function everyRow(): Promise<string> {
  const rows = await rowsOf('');
  return rows.map(({ key, value }) => `${key}=${value.toString('hex')}`).join('\n');
}

test('an archive after a clean stop is in order', async () => {
  const report = await check();
  assert.deepEqual(kinds(report), [], JSON.stringify(report.problems));
  assert.deepEqual(
    report.cameras.map(({ camera, segments, holes, duplicates }) => [camera, segments, holes, duplicates]),
    [
      ['door', (await files('door')).length, 0, 0],
      ['gate', (await files('gate')).length, 0, 0],
    ],
  );
  assert.equal(report.foreignFiles, 0);
  assert.ok((await files('door')).length >= 3, 'several segments');
});

describe('it finds and mends', () => {
  test('a row whose file is gone: the time becomes an explained gap', async () => {
    const [, second = ''] = await files();
    await rm(second);
    await mends('file-missing');
    assert.equal((await rowsOf('e/door/')).length, 1);
    assert.equal((await rowsOf('s/door/')).length, (await files()).length);
  });

  test('a file that no row knows', async () => {
    const [row] = await rowsOf('s/door/');
    await withIndex((index) => index.commit([{ type: 'delete', key: row?.key ?? '' }]));
    const repaired = await mends('not-indexed', 'row-orphaned', 'totals-wrong');
    assert.equal(repaired.cameras[0]?.segments, (await files()).length);
    assert.deepEqual((await rowsOf('s/door/'))[0], row);
  });

  test('a torn tail', async () => {
    const [first = ''] = await files();
    await appendFile(first, Buffer.alloc(5_000, 7));
    await mends('file-size');
  });

  test('a file that lost its end: what is left is indexed, what is not is named', async () => {
    const [, second = ''] = await files();
    const { length } = await readFile(second);
    await truncate(second, length - 50);
    const found = await check();
    assert.deepEqual(kinds(found), ['file-size']);
    const repaired = await check({ repair: true });
    assert.equal(unrepaired(repaired), 0, JSON.stringify(repaired.problems));
    assert.deepEqual(kinds(await check()), []);
    assert.deepEqual(
      repaired.holes.map(({ track, samples }) => [track, samples]),
      [['video', 10]],
    );
  });

  test('bytes that were overwritten in the middle', async () => {
    const [, second = ''] = await files();
    const bytes = await readFile(second);
    bytes.fill(0, bytes.indexOf('moof') - 4, bytes.indexOf('moof') + 40);
    await writeFile(second, bytes);
    const found = await check();
    assert.deepEqual(kinds(found), ['file-damaged']);
    assert.deepEqual(kinds(await check({ deep: false })), [], 'a quick check does not look into files');
    const repaired = await check({ repair: true });
    assert.equal(unrepaired(repaired), 0, JSON.stringify(repaired.problems));
    assert.deepEqual(kinds(await check()), []);
  });

  for (const [what, prefix, expected] of [
    ['the row with the fragments', 'f/door/', ['row-missing']],
    ['the row of retention', 't/', ['row-missing']],
    ['the totals', 'b/', ['totals-wrong']],
    ['the row that lists the camera', 'c/', ['totals-wrong']],
  ] as const) {
    test(`a lost row: ${what}`, async () => {
      const [row] = await rowsOf(prefix);
      await withIndex((index) => index.commit([{ type: 'delete', key: row?.key ?? '' }]));
      await mends(...expected);
      assert.deepEqual((await rowsOf(prefix))[0], row);
    });
  }

  test('a damaged row of any kind', async () => {
    for (const [prefix, expected] of [
      ['s/door/', ['not-indexed', 'row-damaged', 'row-orphaned', 'totals-wrong']],
      ['f/door/', ['row-damaged']],
      ['b/', ['totals-wrong']],
    ] as const) {
      const [row] = await rowsOf(prefix);
      await withIndex((index) =>
        index.commit([{ type: 'put', key: row?.key ?? '', value: Buffer.from('rubbish') }]),
      );
      await mends(...expected);
      assert.deepEqual((await rowsOf(prefix))[0], row);
    }
  });

  test('fragments that are not where the index says', async () => {
    const [first = '', second = ''] = await files();
    const [one, other] = (await rowsOf('f/door/')).slice(0, 2);
    assert.ok(one !== undefined && other !== undefined && first !== second, 'two segments');
    await withIndex((index) => index.commit([{ type: 'put', key: one.key, value: other.value }]));
    assert.ok(kinds(await check()).includes('inside-differs'), 'found');
    assert.equal(unrepaired(await check({ repair: true })), 0);
    assert.deepEqual(kinds(await check()), []);
    assert.deepEqual((await rowsOf('f/door/'))[0], one);
  });

  test('samples that are missing, with time and length; a repair notes them as damage', async () => {
    const [row] = (await rowsOf('s/door/')).slice(1);
    const [, second = ''] = await files();
    await rm(second);
    const name = row?.key.split('/').slice(3).join('/') ?? '';
    const gone = (await rowsOf('t/')).filter(({ key }) => key.endsWith(`door/${name}`)).map(({ key }) => key);
    const keys = [row?.key ?? '', `f/door/${name}`, ...gone];
    await withIndex((index) => index.commit(keys.map((key) => ({ type: 'delete' as const, key }))));
    const found = await check();
    assert.deepEqual(kinds(found), ['hole', 'totals-wrong']);
    const [hole] = found.holes;
    assert.deepEqual(
      [hole?.track, hole?.samples, (hole?.toUs ?? 0) - (hole?.fromUs ?? 0)],
      ['video', 30, 3_000_000],
    );
    await mends('hole', 'totals-wrong');
  });

  test('an older layout', async () => {
    const rows = (await rowsOf('')).filter(({ key }) => /^(t\/|b\/|format)/.test(key));
    await withIndex((index) => index.commit(rows.map(({ key }) => ({ type: 'delete' as const, key }))));
    await mends('older-layout');
  });

  test('everything at once, when the whole index is empty', async () => {
    const rows = await rowsOf('');
    await withIndex((index) => index.commit(rows.map(({ key }) => ({ type: 'delete' as const, key }))));
    const report = await check({ repair: true });
    assert.equal(unrepaired(report), 0, JSON.stringify(report.problems));
    const fresh = new Map((await rowsOf('')).map(({ key, value }) => [key, value.toString('hex')]));
    for (const { key, value } of rows) {
      if (!key.startsWith('v/')) assert.equal(fresh.get(key), value.toString('hex'), key);
    }
  });
});

describe('it leaves alone', () => {
  test('files that are none of ours, wherever they lie', async () => {
    const [first = ''] = await files();
    const day = path.dirname(first);
    const foreign = [
      media('notes.txt'),
      media('door', 'holiday.mp4'),
      path.join(day, 'copy.mp4'),
      path.join(day, '120000.000Z-1-999.mp4'),
      path.join(day, '120000.000Z-1-998.mp4'),
    ];
    for (const file of foreign) await writeFile(file, 'somebody’s');
    await mkdir(media('Some Folder'));
    // Named as ours, but of another camera.
    await cp((await files('gate'))[0] ?? '', path.join(day, '130000.000Z-1-997.mp4'));
    const report = await check({ repair: true });
    assert.deepEqual(kinds(report), []);
    assert.equal(report.foreignFiles, foreign.length + 2);
    for (const file of foreign) assert.equal(await readFile(file, 'utf8'), 'somebody’s');
  });

  test('everything on a volume that is not mounted, or not configured', async () => {
    await check({ repair: true });
    await rename(media(), path.join(folder, 'unmounted'));
    await mkdir(media());
    const before = await rowsOf('s/');
    const report = await check({ repair: true });
    assert.deepEqual(kinds(report), ['volume-unusable']);
    assert.equal(report.unreachableSegments, before.length);
    assert.deepEqual(await rowsOf('s/'), before);
    assert.deepEqual(await readdir(media()), []);
    const elsewhere = await check({ volume: path.join(folder, 'another') });
    assert.deepEqual(kinds(elsewhere), ['volume-unusable']);
    assert.match(elsewhere.problems[0]?.what ?? '', /not among .volumes./);
  });
});

test('whatever happens to files and rows, a check comes to its end and a repair leaves nothing to repair', async () => {
  const damage = fc.record({
    row: fc.nat(),
    file: fc.nat(),
    at: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 6 }), async (list) => {
      await rm(folder, { recursive: true, force: true });
      await cp(clean, folder, { recursive: true });
      for (const { row, file, at, bytes } of list) {
        const rows = (await rowsOf('')).filter(({ key }) => /^[sftbceor]\//.test(key));
        const all = [...(await files('door')), ...(await files('gate'))];
        const [chosen, target] = [rows[row % (2 * rows.length)], all[file % (2 * all.length)]];
        if (chosen !== undefined) {
          const value = Buffer.concat([chosen.value.subarray(0, at % (chosen.value.length + 1)), bytes]);
          await withIndex((index) => index.commit([{ type: 'put', key: chosen.key, value }]));
        }
        if (target !== undefined) {
          const content = await readFile(target);
          Buffer.from(bytes).copy(content, at % content.length);
          await writeFile(target, content);
        }
      }
      await check();
      await check({ repair: true });
      const again = await check();
      const left = kinds(again).filter((kind) => kind !== 'file-damaged' && kind !== 'file-headless');
      assert.deepEqual(left, [], JSON.stringify(again.problems));
    }),
    { numRuns: 25, includeErrorInReport: true },
  );
});
