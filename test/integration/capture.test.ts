/** The capture process is killed, and sources fail: the camera goes on, and says what happened. */
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  getCameras,
  getRecordings,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';
import { assertPlayable } from '../support/recorded-video.ts';

/** Process ids of the children of a process. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

describe('the capture process', () => {
  let network: TestNetwork;

  before(async () => {
    network = await startNetwork({ servers: 1, cameras: 1 });
    await untilUp(network, 1, 1);
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('is started again within 1 s of kill -9, and the gap is explained', async () => {
    const unit = network.unit('cam-1').pid;
    assert(unit !== undefined);
    const [capture] = childrenOf(unit);
    assert(capture !== undefined);
    await until('a few seconds are recorded', async () => {
      const [segment] = (await getRecordings(network.url(), 'cam-1')).segments;
      return segment !== undefined && Date.parse(segment.to) - Date.parse(segment.from) > 3_000;
    });
    process.kill(capture, 'SIGKILL');
    const killedAt = Date.now();
    const restartedAfter = await until('a new capture process', () => {
      const next = childrenOf(unit).find((pid) => pid !== capture);
      return next === undefined ? undefined : Date.now() - killedAt;
    });
    console.log(`capture process started again after ${restartedAfter} ms`);
    assert(restartedAfter < 1_000, `${restartedAfter} ms`);

    const { segments, gaps } = await until('the new capture is recorded', async () => {
      const list = await getRecordings(network.url(), 'cam-1');
      return list.segments.length === 2 && list.gaps.length > 0 ? list : undefined;
    });
    const [before, next] = segments;
    const [gap] = gaps;
    assert(before !== undefined && next !== undefined && gap !== undefined);
    assert.notEqual(before.captureId, next.captureId);
    assert.equal(gaps.length, 1);
    assert.equal(gap.reason, 'capture-restarted');
    assert(Math.abs(Date.parse(gap.from) - killedAt) < 500, `gap from ${gap.from}`);
    assert(
      Math.abs(Date.parse(gap.to) - Date.parse(next.from)) < 100,
      `gap to ${gap.to}, next from ${next.from}`,
    );
    assert.equal(network.unit('cam-1').pid, unit, 'the unit itself went on');
  });

  test('that hangs, as encoders do, is missed after 5 s without a picture, killed, and started again', async () => {
    const unit = network.unit('cam-1').pid;
    assert(unit !== undefined);
    const [capture] = childrenOf(unit);
    assert(capture !== undefined);
    const before = (await getRecordings(network.url(), 'cam-1')).segments.length;
    process.kill(capture, 'SIGSTOP');
    const hungAt = Date.now();
    const restartedAfter = await until('a new capture process', () => {
      const running = childrenOf(unit);
      return running.includes(capture) || running.length === 0 ? undefined : Date.now() - hungAt;
    });
    console.log(`a hung capture process replaced after ${restartedAfter} ms`);
    assert(restartedAfter > 4_500 && restartedAfter < 8_000, `${restartedAfter} ms`);
    const { gaps } = await until('the new capture is recorded', async () => {
      const list = await getRecordings(network.url(), 'cam-1');
      return list.segments.length > before && list.gaps.length > 1 ? list : undefined;
    });
    assert.equal(gaps.at(-1)?.reason, 'capture-restarted');
    assert(
      network.messages.some((line) => line.includes('no frame for 5 s')),
      network.messages.join('\n'),
    );
  });
});

describe('sources', () => {
  let network: TestNetwork;
  let missing = '';

  before(async () => {
    const folder = join(import.meta.dirname, '..', '..', 'artefacts');
    const file = join(folder, 'short.mp4');
    missing = join(folder, 'no-such-file.mp4');
    execFileSync('mkdir', ['-p', folder]);
    rmSync(missing, { force: true });
    const picture = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25:duration=3'];
    const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:duration=3'];
    const coding = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-shortest'];
    execFileSync('ffmpeg', ['-y', '-v', 'error', ...picture, ...sound, ...coding, file]);
    network = await startNetwork({
      servers: 1,
      cameras: 3,
      sources: [`file:${file}`, `file:${missing}`, '/dev/video9'],
    });
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('that are missing are named in a clear error and tried again with growing pauses, while the others go on', async () => {
    const complaints = (text: string): string[] => network.messages.filter((line) => line.includes(text));
    const [file, device] = [`camera cam-2, source file:${missing}: `, 'camera cam-3, source /dev/video9: '];
    await until('the missing file is named', () => complaints(file).length > 0);
    await until('the missing device is named', () => complaints(device).length > 0);
    await until('with back-off', () => complaints('trying again in 0.8 s').length > 0);
    assert.match(complaints(file).join(), /no such file[^]*Check the source/i);
    assert.match(complaints(device).join(), /no such file[^]*Check the source/i);
    await until('the good source is live', async () => {
      const cameras = await getCameras(network.url());
      return cameras.some(({ id, lastFrameAt }) => id === 'cam-1' && lastFrameAt !== null);
    });
  });

  test('that appear later are found', async () => {
    copyFileSync(missing.replace('no-such-file', 'short'), missing);
    await until('the camera is live', async () => {
      const cameras = await getCameras(network.url());
      return cameras.some(({ id, lastFrameAt }) => id === 'cam-2' && lastFrameAt !== null);
    });
  });

  test('that are files begin again at their end', async () => {
    const { segments, gaps } = await until('the file was played twice', async () => {
      const list = await getRecordings(network.url(), 'cam-1');
      return list.segments.length >= 2 ? list : undefined;
    });
    assert(segments.length >= 2 && gaps.every(({ reason }) => reason === 'capture-restarted'));
    await network.unit('cam-1').stop();
    await network.unit('ss-1').stop();
    const folder = join(network.folder, 'ss-1', 'data', 'recordings', 'cam-1');
    const files = readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.mp4'));
    assert(files.length >= 2);
    for (const file of files) await assertPlayable(join(folder, file));
  });
});
