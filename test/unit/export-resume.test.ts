/**
 * Exports that are interrupted anywhere and gone on with: the file is the one that an export at one go makes. Against
 * a server that plays from recordings in memory, and breaks off where the test says.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { addCameraCommands } from '../../firmware/cli/camera-commands.ts';
import { FragmentStream } from '../../firmware/media/fragment-stream.ts';
import type { Gap } from '../../firmware/media/sample.ts';
import { openPlayback } from '../../firmware/viewing/playback.ts';
import { formatRecordings, listRecordings } from '../../firmware/viewing/recordings.ts';
import { formatMs, formatMsUp, parseRange } from '../../firmware/viewing/time-query.ts';
import { formatRanges } from '../../firmware/viewing/time-ranges.ts';
import { type CommandResult, type FakeServer, fakeServer, runCommandLine } from '../support/command-line.ts';
import { type Delivery, holdersOf, noonUs, type StoredSegment, store } from '../support/stored-segments.ts';

const whole: Delivery = {
  holder: 0,
  capture: 0,
  gop: 0,
  frames: 80,
  soundLate: 0,
  soundEarly: 0,
  perSegment: 3,
  clockOffUs: 0,
  lostTail: 0,
};
/** Two captures an hour apart, each on two servers whose clocks differ. */
const usual: readonly Delivery[] = [
  { ...whole, frames: 45 },
  { ...whole, holder: 1, gop: 3, clockOffUs: 300_000 },
  { ...whole, capture: 1, frames: 33, perSegment: 2 },
  { ...whole, holder: 1, capture: 1, gop: 2, frames: 40, clockOffUs: -200_000 },
];

let folder: string;
let server: FakeServer;
let stored: StoredSegment[];
let gaps: Gap[];
/** the next stream ends after so many bytes */
let breakAfter: number | undefined;
/** … but for so many streams before it */
let breakIn: number;
/** holders that the server cannot reach */
let unreachable: string[];

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'starling-export-'));
  server = await fakeServer((request, response) => {
    void answer(new URL(request.url ?? '', 'http://x'), response).catch((thrown: unknown) => {
      response.writeHead(404).end(JSON.stringify({ error: String(thrown), advice: 'none' }));
    });
  });
});

after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  stored = usual.flatMap((delivery, place) => store(delivery, place, false));
  gaps = [];
  unreachable = [];
  breakAfter = undefined;
  breakIn = 0;
  await rm(folder, { recursive: true });
  folder = await mkdtemp(path.join(os.tmpdir(), 'starling-export-'));
});

async function answer(url: URL, response: ServerResponse): Promise<void> {
  const range = parseRange({
    from: url.searchParams.get('from') ?? undefined,
    to: url.searchParams.get('to') ?? undefined,
  });
  assert.ok(range.ok, 'a range that cannot be read');
  const holders = holdersOf(stored).filter((holder) => !unreachable.includes(holder.server));
  const sources = { holders, unreachable, nowUs: noonUs + 86_400_000_000 };
  if (url.pathname.endsWith('/recordings')) {
    const list = await listRecordings('door', range.value, sources);
    response.end(JSON.stringify({ ...formatRecordings('door', { ...list, gaps }) }));
    return;
  }
  const playback = await openPlayback('door', range.value, sources);
  const headers: Record<string, string> = {
    trailer: 'x-starling-partial, x-starling-changed',
    'x-starling-start': formatMs(playback.startUs),
  };
  if (playback.partial.length > 0) headers['x-starling-partial'] = formatRanges(playback.partial);
  response.writeHead(200, headers);
  let left = breakIn === 0 ? (breakAfter ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  if (breakIn === 0) breakAfter = undefined;
  else breakIn -= 1;
  for await (const chunk of playback.chunks) {
    if (left < chunk.length) {
      response.write(chunk.subarray(0, left), () => response.destroy());
      return;
    }
    response.write(chunk);
    left -= chunk.length;
  }
  const changedUs = playback.changedUs();
  response.addTrailers({
    'x-starling-partial': formatRanges(playback.missing()),
    ...(changedUs === undefined ? {} : { 'x-starling-changed': formatMsUp(changedUs) }),
  });
  response.end();
}

const from = formatMs(noonUs - 60_000_000);
const to = formatMs(noonUs + 7_200_000_000);

function exported(name: string, ...more: string[]): Promise<CommandResult> {
  const file = path.join(folder, name);
  return runCommandLine(addCameraCommands, [
    'export',
    'door',
    '--server',
    server.url,
    '--from',
    from,
    '--to',
    to,
    '-o',
    file,
    '--json',
    ...more,
  ]);
}

/** All samples of a file with their times. */
async function samplesOf(name: string): Promise<string[]> {
  const stream = new FragmentStream();
  return stream
    .push(await readFile(path.join(folder, name)))
    .flatMap(({ parsed }) =>
      parsed.batches.flatMap(({ trackId, samples }) =>
        samples.map(
          ({ sequence, ptsUs, durationUs }) =>
            `${parsed.captureId} ${trackId} ${sequence} ${ptsUs} ${durationUs}`,
        ),
      ),
    );
}

const byTrack = (samples: string[]): string[] =>
  samples.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

/** Interrupted after each of these bytes, then left alone. */
async function inPieces(name: string, cuts: readonly number[]): Promise<CommandResult> {
  for (const cut of cuts) {
    breakAfter = cut;
    const result = await exported(name);
    if (result.code === 0) return result;
    assert.equal(result.code, 5, result.err);
  }
  breakAfter = undefined;
  return exported(name);
}

describe('an export that was interrupted', () => {
  test('goes on where it stopped: every sample once, at the same time, wherever it was cut', async () => {
    assert.equal((await exported('whole.mp4')).code, 0);
    const expected = byTrack(await samplesOf('whole.mp4'));
    assert.equal(new Set(expected).size, expected.length);
    const { length } = await readFile(path.join(folder, 'whole.mp4'));
    let resumed = 0;
    let runs = 0;
    const cuts = fc.array(fc.nat(length), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(cuts, async (places) => {
        const name = `pieces-${runs++}.mp4`;
        const result = await inPieces(name, places);
        assert.equal(result.code, 0, result.err);
        if ((JSON.parse(result.out) as { resumedBytes: number }).resumedBytes > 0) resumed += 1;
        assert.deepEqual(byTrack(await samplesOf(name)), expected);
        assert.deepEqual(
          (await readdir(folder)).filter((file) => file.includes('.part')),
          [],
        );
      }),
      { numRuns: 60, includeErrorInReport: true },
    );
    assert.ok(resumed > 30, `only ${resumed} of ${runs} went on with a part`);
  });

  test('says what was kept and the command that goes on with it', async () => {
    breakAfter = 6_000;
    const result = await exported('a.mp4');
    assert.equal(result.code, 5);
    assert.match(result.err, /kept in .*a\.mp4\.part; go on with:\n {2}starling export door --from 2026-/);
    assert.deepEqual((await readdir(folder)).sort(), ['a.mp4.part', 'a.mp4.part.json']);
  });

  test('begins anew for another range, another camera, or after the machine was started again', async () => {
    for (const change of [{ to: 'x' }, { camera: 'gate' }, { boot: 'x' }]) {
      breakAfter = 6_000;
      await exported('b.mp4', '--force');
      const note = path.join(folder, 'b.mp4.part.json');
      const kept = JSON.parse(await readFile(note, 'utf8')) as object;
      await writeFile(note, JSON.stringify({ ...kept, ...change }));
      const result = await exported('b.mp4', '--force');
      assert.equal(result.code, 0, result.err);
      assert.equal((JSON.parse(result.out) as { resumedBytes: number }).resumedBytes, 0);
    }
  });

  test('begins anew when its last sample is recorded no more', async () => {
    breakAfter = 6_000;
    await exported('c.mp4');
    const kept = stored.filter(({ detail }) => detail.listing.captureId === 'boot.1');
    assert.notEqual(kept.length, stored.length);
    stored = kept;
    const result = await exported('c.mp4');
    assert.match(result.err, /begins anew/);
    assert.equal((JSON.parse(result.out) as { resumedBytes: number }).resumedBytes, 0);
    assert.ok(
      (await samplesOf('c.mp4')).every((text) => text.startsWith('boot.1')),
      'the rest is whole',
    );
  });

  test('a part that is rubbish, or rubbish behind it, harms nothing', async () => {
    assert.equal((await exported('whole.mp4')).code, 0);
    const expected = byTrack(await samplesOf('whole.mp4'));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat(700), async (rubbish, keep) => {
        breakAfter = 6_000;
        await exported('d.mp4', '--force');
        const part = path.join(folder, 'd.mp4.part');
        const bytes = await readFile(part).catch(() => Buffer.alloc(0));
        await writeFile(part, Buffer.concat([bytes.subarray(0, keep * 10), rubbish]));
        assert.equal((await exported('d.mp4', '--force')).code, 0);
        assert.deepEqual(byTrack(await samplesOf('d.mp4')), expected);
      }),
      { numRuns: 30, includeErrorInReport: true },
    );
  });
});

describe('what an export lacks', () => {
  test('a gap that is explained is printed, not missing; what another server has is not explained by it', async () => {
    const [hourUs, secondUs] = [3_600_000_000, 1_000_000];
    gaps = [
      {
        camera: 'door',
        fromUs: noonUs + 8.5 * secondUs,
        toUs: noonUs + hourUs - secondUs,
        reason: 'camera-off',
      },
      {
        camera: 'door',
        fromUs: noonUs + secondUs,
        toUs: noonUs + 2 * secondUs,
        reason: 'server-unreachable',
      },
    ];
    const result = await exported('e.mp4');
    assert.equal(result.code, 0, result.err);
    const { gaps: told, missing } = JSON.parse(result.out) as { gaps: object[]; missing: string[] };
    assert.deepEqual(missing, []);
    assert.deepEqual(told, [
      { from: '2026-11-22T12:00:08.500Z', to: '2026-11-22T12:59:59.000Z', reason: 'camera-off' },
    ]);
  });

  test('what the first call missed is still named by the one that goes on', async () => {
    unreachable = ['s1'];
    breakAfter = 6_000;
    assert.equal((await exported('f.mp4')).code, 5);
    unreachable = [];
    const result = await exported('f.mp4');
    const { missing, resumedBytes } = JSON.parse(result.out) as { missing: string[]; resumedBytes: number };
    assert.equal(result.code, 6, result.err);
    assert.notEqual(resumedBytes, 0);
    assert.ok(missing.length > 0, 'what was missing is named');
  });
});

describe('pictures that change their size', () => {
  const [first, second] = usual.slice(2) as [Delivery, Delivery];
  beforeEach(() => {
    const deliveries = [...usual.slice(0, 2), { ...first, width: 1280 }, { ...second, width: 1280 }];
    // And back again, one hour later.
    deliveries.push({ ...whole, capture: 2, clockOffUs: 700 });
    stored = deliveries.flatMap((delivery, place) => store(delivery, place, false));
  });

  test('begin another file, so that all is exported, each sample once', async () => {
    const result = await exported('size.mp4', '--to', formatMs(noonUs + 10_800_000_000));
    assert.equal(result.code, 0, result.err);
    const told = result.out.trim().split('\n');
    const files = told.map((line) => JSON.parse(line) as { file: string; start: string; changed?: string });
    assert.deepEqual(
      files.map(({ file, start, changed }) => [path.basename(file), start, changed]),
      [
        ['size.mp4', '2026-11-22T12:00:00.000Z', '2026-11-22T13:00:00.000Z'],
        ['size-2.mp4', '2026-11-22T13:00:00.000Z', '2026-11-22T14:00:00.001Z'],
        ['size-3.mp4', '2026-11-22T14:00:00.000Z', undefined],
      ],
    );
    assert.match(result.err, /change at 2026-11-22T13:00:00.000Z: what follows is saved in .*size-2\.mp4\n/);
    const samples = (await Promise.all(['', '-2', '-3'].map((part) => samplesOf(`size${part}.mp4`)))).flat();
    const captured = (track: number): number =>
      new Set(samples.filter((text) => text.split(' ')[1] === String(track))).size;
    // Three captures of 80 pictures and 125 sounds, of which the second was delivered from 0 to 60 only.
    assert.deepEqual([captured(1), samples.length], [220, new Set(samples).size]);
    assert.deepEqual((await readdir(folder)).sort(), ['size-2.mp4', 'size-3.mp4', 'size.mp4']);
  });

  test('while the sound from before goes on for a moment, are not taken for those from before', async () => {
    const seamUs = 7_990_000 - 3_600_000_000;
    const deliveries = [whole, { ...whole, capture: 1, width: 1280, clockOffUs: seamUs }];
    stored = deliveries.flatMap((delivery, place) => store(delivery, place, false));
    const result = await exported('seam.mp4');
    assert.equal(result.code, 0, result.err);
    const [first, second] = [await samplesOf('seam.mp4'), await samplesOf('seam-2.mp4')];
    assert.deepEqual([first.length, second.length], [205, 205]);
    assert.ok(
      second.every((text) => text.startsWith('boot.1 ')),
      'nothing from before is in the second file',
    );
  });

  test('with a file that is there already, or a server that breaks off, leave what was written', async () => {
    const second = path.join(folder, 'size-2.mp4');
    await writeFile(second, 'precious');
    const kept = await exported('size.mp4');
    assert.equal(kept.code, 2);
    assert.match(kept.err, /change at .*\nerror: .*size-2\.mp4 exists/);
    assert.equal(await readFile(second, 'utf8'), 'precious');
    await rm(second);
    const { length } = await readFile(path.join(folder, 'size.mp4'));
    [breakAfter, breakIn] = [10, 1];
    const broken = await exported('size.mp4', '--force');
    assert.equal(broken.code, 5);
    assert.match(
      broken.err,
      /go on with:\n {2}starling export door --from 2026-11-22T13:00:00.000Z .*size-2\.mp4\n/i,
    );
    assert.equal((await readFile(path.join(folder, 'size.mp4'))).length, length);
  });
});

test('a progressive export holds the same bytes, and a part of it is gone on with too', async () => {
  assert.equal((await exported('whole.mp4')).code, 0);
  breakAfter = 6_000;
  assert.equal((await exported('g.mp4', '--format', 'progressive')).code, 5);
  const result = await exported('g.mp4', '--format', 'progressive');
  assert.equal(result.code, 0, result.err);
  const { bytes, resumedBytes } = JSON.parse(result.out) as { bytes: number; resumedBytes: number };
  const file = await readFile(path.join(folder, 'g.mp4'));
  assert.equal(file.length, bytes);
  assert.notEqual(resumedBytes, 0);
  assert.equal(file.indexOf('moof'), -1);
  const payload = file.length - file.indexOf('mdat') - 12;
  assert.equal(payload, (await samplesOf('whole.mp4')).length * 3);
  assert.deepEqual((await readdir(folder)).sort(), ['g.mp4', 'whole.mp4']);
});
