/** Live through another server, over real WebSockets and mutual TLS. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { parseFragment, parseInit } from '../../firmware/media/mp4-scanner.ts';
import type { CamerasAnswer, LiveMessage } from '../../firmware/viewing/api.ts';
import { between, camera, originUs, RecordedSite } from '../support/recorded-site.ts';

let it: RecordedSite;

before(async () => {
  it = await RecordedSite.open();
});

after(() => it[Symbol.asyncDispose]());

describe('live through another server', () => {
  test('a viewer of a gets what b publishes, from the keyframe on, and is told when it ends', async () => {
    const { live } = it.site.server('b');
    live.publishTracks(camera, it.tracks);
    const gop = between(it.video.samples, 0, 1);
    for (const sample of gop) live.publishSample(camera, 1, sample, originUs + sample.ptsUs);
    const socket = new WebSocket(`${it.url('a').replace('http', 'ws')}/api/cameras/${camera}/live`);
    const messages: (LiveMessage | Buffer)[] = [];
    const waiters = new Set<() => void>();
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      messages.push(isBinary ? data : (JSON.parse(data.toString()) as LiveMessage));
      for (const wake of waiters) wake();
    });
    const until = async (enough: () => boolean): Promise<void> => {
      while (!enough()) {
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiters.delete(wake);
            resolve();
          };
          waiters.add(wake);
        });
      }
    };
    const binaries = (): Buffer[] => messages.filter((message) => Buffer.isBuffer(message));
    await until(() => binaries().length >= 1 + gop.length);
    const [first] = messages;
    assert(first !== undefined && !Buffer.isBuffer(first) && first.type === 'stream');
    assert.deepEqual([first.camera, first.manager, first.width], [camera, 'b', 320]);
    const [init, ...fragments] = binaries();
    assert(init !== undefined && parseInit(init).ok);
    for (const [place, bytes] of fragments.entries()) {
      const parsed = parseFragment(bytes);
      assert(parsed.ok);
      const [batch] = parsed.value.batches;
      assert.equal(batch?.samples.length, 1);
      assert.equal(batch?.samples[0]?.ptsUs, gop[place]?.ptsUs);
      assert.deepEqual(batch?.samples[0]?.payload[0], Buffer.concat(gop[place]?.payload ?? []));
    }
    assert.equal(live.viewers(camera), 1);
    const cameras = await it.json<CamerasAnswer>('a', '/api/cameras');
    assert.equal(cameras.cameras[0]?.width, 320);
    assert.match(cameras.cameras[0]?.codecs ?? '', /^avc1\.[0-9a-f]{6},mp4a\.40\.2$/);
    assert.notEqual(cameras.cameras[0]?.lastFrameAt, null);

    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    live.publishEnd(camera, 'the camera went to another server');
    await closed;
    const last = messages.at(-1);
    assert(last !== undefined && !Buffer.isBuffer(last) && last.type === 'state');
    assert.deepEqual([last.state, last.reason], ['ended', 'the camera went to another server']);
  });

  test('a viewer that does not read is made to drop by the managing server, and goes on at a keyframe', async () => {
    const { live } = it.site.server('b');
    live.publishTracks(camera, it.tracks);
    const socket = new WebSocket(`${it.url('a').replace('http', 'ws')}/api/cameras/${camera}/live`);
    let dropped = 0;
    let framesAfterDrop = 0;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (dropped > 0 && isBinary) framesAfterDrop += 1;
      const message = isBinary ? undefined : (JSON.parse(data.toString()) as LiveMessage);
      if (message?.type === 'dropped') dropped = message.frames;
    });
    await new Promise((resolve) => socket.once('message', resolve));
    socket.pause();
    const large = Buffer.alloc(512 * 1024);
    let sequence = 0;
    const publish = (payload: Buffer): void => {
      const keyframe = sequence % 10 === 0;
      const ptsUs = sequence * 33_333;
      const sample = {
        sequence,
        ptsUs,
        durationUs: 33_333,
        compositionUs: 0,
        keyframe,
        payload: [payload],
        bytes: payload.length,
      };
      live.publishSample(camera, 1, sample, Date.now() * 1000);
      sequence += 1;
    };
    // More than the network between the three can hold.
    for (let i = 0; i < 160; i++) {
      publish(large);
      await new Promise(setImmediate);
    }
    socket.resume();
    while (framesAfterDrop < 15) {
      publish(Buffer.alloc(1000));
      await new Promise(setImmediate);
    }
    assert(dropped > 20, `${dropped} frames dropped`);
    socket.terminate();
    live.publishEnd(camera, 'the test is over');
  });

  test('a page of another site, a foreign host name and an unknown camera are refused before the upgrade', async () => {
    const base = `${it.url('a').replace('http', 'ws')}/api/cameras`;
    const refused = (
      url: string,
      options: { origin?: string; headers?: Record<string, string> } = {},
    ): Promise<number> =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, options);
        socket.on('error', () => undefined);
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
        socket.on('open', () => resolve(101));
      });
    assert.equal(await refused(`${base}/${camera}/live`, { origin: 'https://evil.example' }), 403);
    assert.equal(await refused(`${base}/${camera}/live`, { headers: { host: 'evil.example' } }), 421);
    assert.equal(await refused(`${base}/nobody/live`), 404);
    assert.equal(await refused(`${base}/__proto__/live`), 400);
    assert.equal(await refused(`${base}/${camera}/nothing`), 404);
  });
});

test('no request ran into a bug', () => {
  for (const server of it.site.servers.values()) assert.deepEqual(server.errors, []);
});
