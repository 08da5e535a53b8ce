/** Single frames of two servers' recordings and of live cameras: keyframes as MP4, and pictures as JPEG. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseFragment, parseInit } from '../../firmware/media/mp4-scanner.ts';
import type { ErrorAnswer } from '../../firmware/viewing/api.ts';
import { decodedFrames } from '../support/decoded-frames.ts';
import { encodeVideo, run } from '../support/gst.ts';
import { at, between, camera, originUs, RecordedSite } from '../support/recorded-site.ts';

let it: RecordedSite;

before(async () => {
  it = await RecordedSite.open();
});

after(() => it[Symbol.asyncDispose]());

function get(server: string, target: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${it.url(server)}/api/cameras/${camera}/${target}`, { headers });
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

/** Seconds of the first capture as UTC ms, as headers tell it. */
function utcMs(second: number): number {
  return Math.floor((originUs + (it.startSeconds + second) * 1e6) / 1000);
}

describe('the keyframe nearest to a time', () => {
  for (const server of ['a', 'b']) {
    test(`is found through ${server}, whoever holds it, with its time and the next one's`, async () => {
      for (const [second, keyframe, next] of [
        [0.5, 0, 1],
        [2.999, 2, 3],
        [4, 4, 5],
        [4.9, 4, 5],
        [8.2, 8, 9],
        [9.9, 9, 60],
        [30, 9, 60],
        [60.5, 60, 61],
      ] as const) {
        const response = await get(server, `keyframe.mp4?at=${new Date(utcMs(second)).toISOString()}`);
        assert.equal(response.status, 200, await response.clone().text());
        const { headers } = response;
        const times = ['x-starling-at', 'x-starling-next'].map((name) => Date.parse(headers.get(name) ?? ''));
        assert.deepEqual(times, [utcMs(keyframe), utcMs(next)], `at ${second}`);
        const bytes = await bytesOf(response);
        const init = parseInit(bytes);
        assert.ok(init.ok, 'an init segment');
        const parsed = parseFragment(bytes.subarray(init.value.initBytes));
        assert.ok(parsed.ok, 'a fragment');
        const [batch] = parsed.value.batches;
        assert.deepEqual([batch?.samples.length, batch?.samples[0]?.keyframe], [1, true]);
        const original = it.video.samples[(keyframe % 60) * 30];
        assert.deepEqual(batch?.samples[0]?.payload[0], Buffer.concat(original?.payload ?? []));
      }
    });
  }

  test('that was told is found again by its own time', async () => {
    const first = await get('a', `keyframe.mp4?at=${at(8)}`);
    const told = first.headers.get('x-starling-at') ?? '';
    const again = await get('a', `keyframe.mp4?at=${told}`);
    assert.equal(again.headers.get('x-starling-at'), told);
    const next = first.headers.get('x-starling-next') ?? '';
    assert.equal((await get('a', `keyframe.mp4?at=${next}`)).headers.get('x-starling-at'), next);
  });

  test('before everything is nothing, but the next one is told', async () => {
    const response = await get('a', `keyframe.mp4?at=${at(-1000)}`);
    assert.equal(response.status, 404);
    assert.equal(Date.parse(response.headers.get('x-starling-next') ?? ''), utcMs(0));
    assert.match(((await response.json()) as ErrorAnswer).error, /nothing of door/);
  });

  test('is decoded by a player as it is', async () => {
    const file = path.join(it.folder, 'keyframe.mp4');
    await writeFile(file, await bytesOf(await get('b', `keyframe.mp4?at=${at(2)}`)));
    const frames = await decodedFrames(file);
    assert.deepEqual(frames, [{ pts: 0, key: true }]);
  });

  test('in a long GOP is the one before, over several fragments', async () => {
    const long = await encodeVideo({ frames: 240, gopFrames: 300 });
    const track = {
      ...(it.tracks[0] as (typeof it.tracks)[number]),
      format: long.format,
      captureId: 'boot-1.4',
    };
    await it.site.record('a', {
      tracks: [track],
      epoch: 4,
      originUs: originUs + 7_200_000_000,
      samples: [long.samples],
    });
    const response = await get('b', `keyframe.mp4?at=${at(7200 + it.startSeconds + 7)}`);
    assert.equal(Date.parse(response.headers.get('x-starling-at') ?? ''), utcMs(7200));
  });
});

describe('a frame', () => {
  /** Width, height and mean brightness of a JPEG. */
  async function look(jpeg: Buffer): Promise<{ size: string; grey: Buffer }> {
    const file = path.join(it.folder, 'frame.jpg');
    await writeFile(file, jpeg);
    const probed = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'stream=width,height',
      '-of',
      'csv=p=0',
      file,
    ]);
    assert.equal(probed.code, 0, probed.stderr);
    const decoded = await run('ffmpeg', [
      '-v',
      'error',
      '-i',
      file,
      '-f',
      'rawvideo',
      '-pix_fmt',
      'gray',
      '-',
    ]);
    return { size: probed.stdout.toString().trim(), grey: decoded.stdout };
  }

  /** Mean difference of brightness to a frame of the capture, 0 to 255. */
  async function differs(grey: Buffer, frame: number): Promise<number> {
    const url = `${it.url('a')}/api/cameras/${camera}/video.mp4?from=${at(0)}&to=${at(30)}`;
    const select = ['-vf', `select=eq(n\\,${frame})`, '-frames:v', '1'];
    const args = ['-v', 'error', '-i', url, ...select, '-f', 'rawvideo', '-pix_fmt', 'gray', '-'];
    const { stdout } = await run('ffmpeg', args);
    assert.equal(stdout.length, grey.length);
    return stdout.reduce((sum, value, place) => sum + Math.abs(value - (grey[place] ?? 0)), 0) / grey.length;
  }

  test('is the keyframe before a time, or with exact=1 the very one', async () => {
    const keyframe = await get('a', `frame.jpg?at=${at(it.startSeconds + 6.52)}`);
    assert.equal(keyframe.status, 200, await keyframe.clone().text());
    assert.equal(Date.parse(keyframe.headers.get('x-starling-at') ?? ''), utcMs(6));
    const first = await look(await bytesOf(keyframe));
    assert.equal(first.size, '320,180');
    assert.ok((await differs(first.grey, 180)) < 2, 'the keyframe');
    const exact = await get('a', `frame.jpg?at=${at(it.startSeconds + 6.52)}&exact=1`);
    const second = await look(await bytesOf(exact));
    const [right, wrong] = [await differs(second.grey, 195), await differs(second.grey, 180)];
    assert.ok(right < 2 && right < wrong, `${right} from the right frame, ${wrong} from the keyframe`);
  });

  test('is as wide as it is asked to be, never wider than the camera', async () => {
    for (const [width, size] of [
      [160, '160,90'],
      [99, '100,56'],
      [3000, '320,180'],
    ] as const) {
      const response = await get('b', `frame.jpg?at=${at(2)}&width=${width}`);
      assert.equal((await look(await bytesOf(response))).size, size);
    }
  });

  test('is not made again for who has it', async () => {
    const first = await get('a', `frame.jpg?at=${at(2)}`);
    const etag = first.headers.get('etag') ?? '';
    const again = await get('a', `frame.jpg?at=${at(2.1)}`, { 'if-none-match': etag });
    assert.equal(again.status, 304);
  });

  test('of a live camera is the newest, through any server, and of one that is not live none', async () => {
    const { live } = it.site.server('b');
    assert.equal((await get('a', 'frame.jpg')).status, 503);
    live.publishTracks(camera, it.tracks);
    const gop = between(it.video.samples, 7, 7.7);
    for (const sample of gop) live.publishSample(camera, 1, sample, originUs + sample.ptsUs);
    try {
      for (const server of ['a', 'b']) {
        const response = await get(server, 'frame.jpg?width=320');
        assert.equal(response.status, 200, await response.clone().text());
        const last = gop.at(-1);
        const told = Date.parse(response.headers.get('x-starling-at') ?? '');
        assert.equal(told, Math.floor((originUs + (last?.ptsUs ?? 0)) / 1000));
        const { grey } = await look(await bytesOf(response));
        assert.ok((await differs(grey, 210 + gop.length - 1)) < 2, 'the newest frame');
      }
    } finally {
      live.publishEnd(camera, 'the test is over');
    }
  });

  test('many at once are made two at a time, and all of them come', async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((second) => get('a', `frame.jpg?at=${at(it.startSeconds + second)}&width=64`)),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 200, 200],
    );
    await Promise.all(answers.map(bytesOf));
  });

  test('that is asked for in vain is refused with a reason', async () => {
    for (const [query, status] of [
      ['at=yesterday', 400],
      ['width=0', 400],
      ['width=NaN', 400],
      ['width=99999', 400],
      [`at=${at(-5000)}`, 404],
      [`at=${at(-5000)}&exact=1`, 404],
    ] as const) {
      const response = await get('a', `frame.jpg?${query}`);
      assert.equal(response.status, status, query);
      const { error, advice } = (await response.json()) as ErrorAnswer;
      assert.ok(error.length > 5 && advice.length > 5, error);
    }
  });
});

test('no request ran into a bug', () => {
  for (const server of it.site.servers.values()) assert.deepEqual(server.errors, []);
});
