/** `starling check` on the folder of a server: what it prints, its exit codes, and a new index in place of the old. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { addCheckCommand } from '../../firmware/cli/check-command.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import type { CheckReport } from '../../firmware/recording/check-findings.ts';
import { type CommandResult, runCommandLine } from '../support/command-line.ts';
import { RecorderRig } from '../support/recorder-rig.ts';

let base: string;
let folder: string;
let unit: string;

before(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'starling-cli-check-'));
  const rig = await RecorderRig.open({ folder: path.join(base, 'rig'), segmentSeconds: 3 });
  const recording = rig.record('door');
  recording.gops(10);
  await recording.close();
  await rig.recorder.tellGap({ camera: 'door', fromUs: 1e12, toUs: 2e12, reason: 'camera-off' });
  await rig.recorder[Symbol.asyncDispose]();
});

after(() => rm(base, { recursive: true }));

beforeEach(async () => {
  folder = path.join(base, 'now');
  await rm(folder, { recursive: true, force: true });
  await cp(path.join(base, 'rig'), path.join(folder, 'data'), { recursive: true });
  unit = path.join(folder, 'unit.yaml');
  await writeFile(unit, 'unit: shed\nrole: server\nsite: { name: lab }\n');
});

const check = (...flags: string[]): Promise<CommandResult> =>
  runCommandLine(addCheckCommand, ['check', unit, ...flags]);

async function allRows(): Promise<Map<string, string>> {
  const index = await openLevelStore(path.join(folder, 'data', 'index'));
  try {
    const rows = await index.range({ from: '', to: '\uffff', limit: 10_000 });
    return new Map(rows.map(({ key, value }) => [key, value.toString('hex')]));
  } finally {
    await index[Symbol.asyncDispose]();
  }
}

async function dropRow(prefix: string): Promise<void> {
  const index = await openLevelStore(path.join(folder, 'data', 'index'));
  const [row] = await index.range({ from: prefix, to: `${prefix}\uffff`, limit: 1 });
  await index.commit([{ type: 'delete', key: row?.key ?? '' }]);
  await index[Symbol.asyncDispose]();
}

test('a server in order: a line for each camera, and 0', async () => {
  const result = await check();
  assert.equal(result.code, 0, result.err);
  assert.match(result.out, /^CAMERA +FROM +TO +SEGMENTS/);
  assert.match(result.out, /\ndoor +2026-\S+ +2026-\S+ +4 +\d+\.\d kB +0 +- +0\n\nall is in order\n$/);
});

test('problems: each with its place and what to do, and 7; after a repair 0', async () => {
  await dropRow('s/door/');
  const found = await check();
  assert.equal(found.code, 7);
  assert.match(
    found.out,
    /not-indexed: 1 found\n {2}\S+\.mp4: no row knows it\n {2}to do: --repair indexes it\n/,
  );
  assert.match(found.err, /error: \d problems in the recordings\nRun it again with --repair/);
  const repaired = await check('--repair');
  assert.equal(repaired.code, 0, repaired.err);
  assert.match(repaired.out, /not-indexed: 1 repaired/);
  assert.equal((await check()).code, 0);
});

test('with --json the report is data', async () => {
  await dropRow('b/');
  const result = await check('--json');
  assert.equal(result.code, 7);
  const report = JSON.parse(result.out) as CheckReport & { clean: boolean };
  assert.deepEqual(report.counts, { 'totals-wrong': { found: 1, repaired: 0 } });
  assert.deepEqual([report.clean, report.cameras[0]?.segments], [false, 4]);
});

test('a rebuilt index has all that the old one had, which is kept', async () => {
  // The folder has moved since: that is noted.
  await check('--repair');
  const before = await allRows();
  const result = await check('--rebuild');
  assert.equal(result.code, 0, result.err);
  assert.match(result.out, /not-indexed: 4 repaired/);
  assert.match(result.out, /the old index is kept as .*index\.old-2026-11-22T13-00-00Z/);
  assert.deepEqual(await allRows(), before);
  assert.deepEqual((await readdir(path.join(folder, 'data'))).sort(), [
    'index',
    'index.old-2026-11-22T13-00-00Z',
    'recordings',
  ]);
});

test('a rebuilt index that a power cut kept from its place is the index', async () => {
  await check('--repair');
  const before = await allRows();
  const index = path.join(folder, 'data', 'index');
  for (const flags of [[], ['--rebuild']]) {
    await rename(index, `${index}.rebuilt`);
    const result = await check(...flags);
    assert.equal(result.code, 0, result.err);
    assert.deepEqual(await allRows(), before, 'also what no file can tell');
  }
});

test('a damaged index says what to do, and is rebuilt from the recordings alone', async () => {
  const index = path.join(folder, 'data', 'index');
  for (const file of await readdir(index)) await writeFile(path.join(index, file), 'rubbish');
  const damaged = await check();
  assert.equal(damaged.code, 1);
  assert.match(damaged.err, /check --rebuild/);
  const result = await check('--rebuild', '--json');
  assert.equal(result.code, 7, 'what no file can tell is lost, and a script must hear of it');
  const report = JSON.parse(result.out) as CheckReport;
  assert.deepEqual(report.counts, {
    'not-indexed': { found: 4, repaired: 4 },
    'index-unread': { found: 1, repaired: 0 },
  });
  assert.match(report.problems[0]?.what ?? '', /index/);
  assert.equal((await check()).code, 0);
});

test('without an index there is nothing to check, but one can be made', async () => {
  await rm(path.join(folder, 'data', 'index'), { recursive: true });
  const result = await check();
  assert.equal(result.code, 3);
  assert.match(result.err, /no index at .*\n.*--rebuild/);
  assert.equal((await readdir(path.join(folder, 'data'))).includes('index'), false);
  assert.equal((await check('--rebuild')).code, 0);
  assert.equal((await check()).code, 0);
});

test('while the server runs it says so, and changes nothing', async () => {
  await using running = await openLevelStore(path.join(folder, 'data', 'index'));
  for (const flags of [[], ['--repair'], ['--rebuild']]) {
    const result = await check(...flags);
    assert.equal(result.code, 2);
    assert.match(result.err, /the server is running.*\nStop it first/);
  }
  assert.notEqual(await running.get('format'), undefined);
});

test('a camera has nothing to check', async () => {
  await writeFile(
    unit,
    'unit: cam-1\nrole: camera\nsite: { name: lab }\ncamera: { cameras: [{ id: cam-1 }] }\n',
  );
  const result = await check();
  assert.equal(result.code, 2);
  assert.match(result.err, /is a camera/);
});
