/** Two servers, two cameras, twenty seconds: what lies on the disks is whole, in time and in step. */
import assert from 'node:assert';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseSegmentName } from '../../firmware/recording/segment-name.ts';
import { getRecordings, startNetwork, type TestNetwork, until, untilUp } from '../support/network.ts';
import { assertPlayable, packetsOfFile, picturesOf, ticksOf } from '../support/recorded-video.ts';

const width = 960;
const height = 540;
const frameSeconds = 1 / 25;
const recordedSeconds = 20;

describe('two servers and two cameras', () => {
  let network: TestNetwork;
  let files: string[] = [];

  before(async () => {
    network = await startNetwork({ servers: 2, cameras: 2 });
    await untilUp(network, 2, 2);
    for (const camera of ['cam-1', 'cam-2']) {
      await until(`${camera} has ${recordedSeconds} s`, async () => {
        const { segments } = await getRecordings(network.url(), camera);
        const first = segments[0];
        const last = segments.at(-1);
        if (first === undefined || last === undefined) return false;
        return Date.parse(last.to) - Date.parse(first.from) > recordedSeconds * 1000;
      });
    }
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('answer byte ranges of a segment that is still being written', async () => {
    const [segment] = (await getRecordings(network.url(), 'cam-1')).segments;
    assert(segment?.open);
    const whole = `${network.url()}${segment.url}`;
    const head = await fetch(whole, { headers: { range: 'bytes=4-7' } });
    assert.equal(head.status, 206);
    assert.equal(await head.text(), 'ftyp');
    assert.match(head.headers.get('content-range') ?? '', /^bytes 4-7\/\d+$/);
    const beyond = await fetch(whole, { headers: { range: 'bytes=99999999999-' } });
    assert.equal(beyond.status, 416);
  });

  test('stop cleanly, with every segment sealed', async () => {
    await Promise.all(['cam-1', 'cam-2'].map((id) => network.unit(id).stop()));
    const pids = [...network.units.values()].flatMap(({ pid }) => pid ?? []);
    await Promise.all([...network.units.values()].map((unit) => unit.stop()));
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
    files = await recordedFiles(network.folder);
    assert(files.length >= 2, `${files.length} files`);
    assert.deepEqual(
      new Set(files.map((file) => basename(dirname(dirname(file))))),
      new Set(['cam-1', 'cam-2']),
    );
  });

  test('leave files that every player takes without a word', async () => {
    for (const file of files) await assertPlayable(file);
  });

  test('store every frame: no gap above 1.5 frame durations, in neither track', async () => {
    for (const file of files) {
      const video = await packetsOfFile(file, 'v');
      const audio = await packetsOfFile(file, 'a');
      assert((video[0]?.pts ?? 1) < 0.1 && (audio[0]?.pts ?? 1) < 0.1, `${file} begins at 0`);
      const seconds = (video.at(-1)?.pts ?? 0) - (video[0]?.pts ?? 0);
      assert(seconds > recordedSeconds - 2, `${file}: ${seconds} s`);
      assert(
        Math.abs(video.length - seconds / frameSeconds - 1) <= 1,
        `${file}: ${video.length} frames in ${seconds} s`,
      );
      assertNoGap(video, frameSeconds, file);
      assertNoGap(audio, 1024 / 48_000, file);
    }
  });

  test('keep picture and sound in step within 50 ms', async () => {
    for (const file of files) {
      const pictures = await picturesOf(file, width, height);
      const flashes = pictures.filter(({ flash }, n) => flash && pictures[n - 1]?.flash === false);
      const ticks = await ticksOf(file);
      assert(flashes.length >= recordedSeconds - 4, `${file}: ${flashes.length} flashes`);
      const offsets = flashes.slice(0, -1).map(({ pts }) => {
        const nearest = Math.min(...ticks.map((tick) => Math.abs(tick - pts)));
        assert(
          nearest < 0.05,
          `${file}: flash at ${pts}, nearest tick ${(nearest * 1000).toFixed(1)} ms away`,
        );
        return nearest;
      });
      console.log(`${basename(file)}: flash to tick at most ${(Math.max(...offsets) * 1000).toFixed(1)} ms`);
    }
  });

  test('name files by the true UTC of their first frame, within 100 ms', async () => {
    for (const file of files) {
      const [first] = await picturesOf(file, width, height);
      const name = parseSegmentName(`${basename(dirname(file))}/${basename(file, '.mp4')}`);
      assert(name.ok && first !== undefined);
      const errorMs = name.value.fromUs / 1000 - first.utcMs;
      console.log(`${basename(file)}: name is ${errorMs.toFixed(1)} ms off`);
      assert(Math.abs(errorMs) < 100, `${file}: ${errorMs} ms off`);
    }
  });
});

function assertNoGap(packets: readonly { pts: number }[], nominal: number, file: string): void {
  for (const [n, { pts }] of packets.entries()) {
    const previous = packets[n - 1];
    if (previous === undefined) continue;
    const step = pts - previous.pts;
    assert(step > 0 && step < nominal * 1.5, `${file}: ${(step * 1000).toFixed(1)} ms before packet ${n}`);
  }
}

async function recordedFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries
    .filter((entry) => entry.endsWith('.mp4'))
    .map((entry) => join(folder, entry))
    .sort();
}
