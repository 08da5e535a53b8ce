/** HLS playlists over two servers, played by ffmpeg and GStreamer over the hand-over. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodedFrames } from '../support/decoded-frames.ts';
import { run } from '../support/gst.ts';
import { at, camera, originUs, RecordedSite } from '../support/recorded-site.ts';

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

describe('a playlist over two servers', () => {
  for (const server of ['a', 'b']) {
    test(`of ${server} plays in ffmpeg: each frame once, 33 ms apart, over the hand-over`, async () => {
      const url = `${it.url(server)}/api/cameras/${camera}/playlist.m3u8?from=${at(0)}&to=${at(30)}`;
      const text = await (await fetch(url)).text();
      assert.match(text, /parts\/a\/.*parts\/b\//s, 'of both servers');
      assert.equal(text.split('#EXT-X-DISCONTINUITY\n').length, 1, text);
      const frames = await decodedFrames(url);
      assert.equal(frames.length, 300);
      for (const [place, { pts }] of frames.entries()) {
        assert.ok(Math.abs(pts - (frames[0]?.pts ?? 0) - place / 30) < 0.002, `frame ${place} at ${pts}`);
      }
      const played = await run('ffmpeg', ['-v', 'warning', '-i', url, '-f', 'null', '-']);
      assert.equal(played.code, 0, played.stderr);
      assert.equal(played.stderr.replace(/.*(Opening|Skip).*\n/g, ''), '');
    });
  }

  for (const [element, source] of [
    [
      'hlsdemux',
      'souphttpsrc location=URL ! hlsdemux ! qtdemux name=q q.video_0 ! queue ! h264parse ! avdec_h264',
    ],
    ['hlsdemux2', 'uridecodebin3 uri=URL caps=video/x-raw'],
  ] as const) {
    test(`plays in GStreamer's ${element}`, async () => {
      const url = `${it.url('a')}/api/cameras/${camera}/playlist.m3u8?from=${at(0)}&to=${at(30)}`;
      const sink = 'videoconvert ! video/x-raw,format=GRAY8 ! fdsink fd=1';
      const args = ['-q', ...`${source} ! ${sink}`.split(' ').map((word) => word.replace('URL', url))];
      const { stdout, stderr, code } = await run('gst-launch-1.0', args);
      assert.equal(code, 0, stderr);
      assert.equal(stdout.length / (320 * 180), 300, stderr);
    });
  }

  test('a gap is a discontinuity with the new date', async () => {
    const text = await (await get('a', `playlist.m3u8?from=${at(0)}&to=${at(120)}`)).text();
    assert.equal(text.split('#EXT-X-DISCONTINUITY\n').length, 2, text);
    const dates = [...text.matchAll(/DATE-TIME:(.*)/g)].map(([, date]) => Date.parse(date ?? ''));
    assert.deepEqual([dates[0], dates.at(-1)], [utcMs(0), utcMs(60)]);
  });

  test('parts are ordinary files: ranges, conditions, and nothing else by that name', async () => {
    const text = await (await get('a', `playlist.m3u8?from=${at(0)}&to=${at(30)}`)).text();
    const parts = text.split('\n').filter((line) => line.startsWith('/'));
    for (const part of parts) {
      const whole = await fetch(it.url('a') + part);
      assert.equal(whole.status, 200);
      const bytes = await bytesOf(whole);
      const elsewhere = await fetch(it.url('b') + part, { headers: { range: 'bytes=10-19' } });
      assert.equal(elsewhere.status, 206);
      assert.deepEqual(await bytesOf(elsewhere), bytes.subarray(10, 20));
      const etag = whole.headers.get('etag') ?? '';
      assert.equal((await fetch(it.url('a') + part, { headers: { 'if-none-match': etag } })).status, 304);
    }
    const part = parts[0] ?? '';
    for (const [name, status] of [
      ['999-1000.mp4', 404],
      ['0-999.mp4', 400],
      ['5-1.mp4', 400],
      ['init.exe', 400],
      ['..%2f..%2fx', 400],
      ['-1-0.mp4', 400],
    ] as const) {
      const response = await fetch(it.url('a') + part.replace(/[^/]*$/, name));
      assert.equal(response.status, status, name);
    }
  });

  test('names who does not answer, and still plays the rest', async () => {
    await it.without('b', async () => {
      const response = await get('a', `playlist.m3u8?from=${at(0)}&to=${at(30)}`);
      assert.equal(response.headers.get('x-starling-unreachable'), 'b');
      assert.doesNotMatch(await response.text(), /parts\/b/);
    });
  });

  test('of a time that makes no sense is refused', async () => {
    assert.equal((await get('a', `playlist.m3u8?from=${at(0)}`)).status, 400);
    assert.equal((await get('a', `playlist.m3u8?from=${at(0)}&to=${at(86_500)}`)).status, 400);
    assert.equal((await get('a', `playlist.m3u8?from=${at(5000)}&to=${at(5010)}`)).status, 404);
    assert.equal((await get('a', 'playlist.m3u8')).status, 404, 'nothing was stored just now');
  });
});

test('no request ran into a bug', () => {
  for (const server of it.site.servers.values()) assert.deepEqual(server.errors, []);
});
