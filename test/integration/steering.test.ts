/** A camera that is steered through a server that does not manage it, by real units; and what people set about it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { readTestBar } from '../../firmware/capture/test-bar.ts';
import { createTestPicture } from '../../firmware/capture/test-picture.ts';
import type {
  CameraAnswer,
  CamerasAnswer,
  LiveMessage,
  PtzAnswer,
  SiteAnswer,
} from '../../firmware/viewing/api.ts';
import { run } from '../support/gst.ts';
import { bundle, getCameras, startNetwork, type TestNetwork, until, untilUp } from '../support/network.ts';

const camera = 'cam-1';
const [width, height] = [960, 540];

describe('a camera with a mount, of a network of two servers', () => {
  let network: TestNetwork;
  let manager = '';
  let other = '';

  const ask = async <T>(server: string, method: string, path: string, body?: unknown): Promise<T> => {
    const headers = { 'x-starling': '1', 'content-type': 'application/json' };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`${network.url(server)}${path}`, init);
    const text = await response.text();
    assert.equal(response.status, 200, `${method} ${path}: ${text}`);
    return JSON.parse(text) as T;
  };
  const ptz = (server: string, wish?: object): Promise<PtzAnswer> =>
    ask(server, wish === undefined ? 'GET' : 'POST', `/api/cameras/${camera}/ptz`, wish);
  const starling = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run('node', [bundle, ...argv, '--server', network.url(other)]);
    assert.equal(code, 0, stderr);
    return String(stdout);
  };
  const rests = (server: string): Promise<PtzAnswer> =>
    until(`${camera} rests, as ${server} sees it`, async () => {
      const answer = await ptz(server);
      return answer.position !== null && !answer.moving && answer;
    });
  const entryAt = async (server: string): Promise<CameraAnswer | undefined> =>
    (await ask<CamerasAnswer>(server, 'GET', '/api/cameras')).cameras.find(({ id }) => id === camera);
  const findManager = async (): Promise<void> => {
    manager = (await getCameras(network.url()))[0]?.manager ?? '';
    other = manager === 'ss-1' ? 'ss-2' : 'ss-1';
  };

  const kill = (unit: string): void => {
    const { pid } = network.unit(unit);
    assert(pid !== undefined, `${unit} does not run`);
    process.kill(pid, 'SIGKILL');
  };

  before(async () => {
    network = await startNetwork({ servers: 2, cameras: 1 });
    await untilUp(network, 2, 1);
    await findManager();
  });
  after(async () => network?.[Symbol.asyncDispose]());

  test('is known as one by every server', async () => {
    for (const server of [manager, other]) {
      const { position, limits, fieldOfView, presets } = await ptz(server);
      assert.deepEqual(position, { pan: 0, tilt: 0, zoom: 1 });
      assert.deepEqual(limits, { pan: [-90, 90], tilt: [-10, 25], zoom: [1, 4] });
      assert.deepEqual([fieldOfView, presets.length], [60, 1]);
      const entry = await entryAt(server);
      assert.deepEqual(entry?.ptz, { pan: true, tilt: true, zoom: true });
      assert.equal(entry?.frameRate, 25);
    }
  });

  test('turns when the server that does not manage it is told, and both see where it went', async () => {
    const printed = await starling('ptz', camera, '--pan', '-30', '--zoom', '2', '--wait');
    assert.match(printed, /^now +-30\.0 +0\.0 +2\.00$/m);
    for (const server of [manager, other])
      assert.deepEqual((await rests(server)).position, { pan: -30, tilt: 0, zoom: 2 });
  });

  test('shows in its picture where it looks', async () => {
    const target = { pan: 12, tilt: 4, zoom: 1 };
    await ptz(other, target);
    await rests(other);
    const picture = { width, height, frameRate: 25, label: 'CAM-1', hue: 205, fieldOfView: 60 };
    const wanted = createTestPicture(picture, target);
    const drawn = Buffer.alloc(wanted.bytes);
    wanted.draw(drawn, 0, 0, target);
    // JPEG has the full range of luma.
    const full = (luma: number): number => ((luma - 16) * 255) / 219;
    const difference = async (): Promise<number> => {
      const response = await fetch(`${network.url(other)}/api/cameras/${camera}/frame.jpg`);
      assert.equal(response.status, 200);
      const jpeg = Buffer.from(await response.arrayBuffer());
      const gray = await grayOf(jpeg, ['-f', 'mjpeg']);
      // Between the bar and the writing; birds count, but are few.
      const places = Array.from(
        { length: 6_000 },
        (_, n) => (260 + 4 * Math.floor(n / 240)) * width + 4 * (n % 240),
      );
      const off = places.map((place) => Math.abs((gray[place] ?? 0) - full(drawn[place] ?? 0)));
      return off.reduce((sum, value) => sum + value, 0) / places.length;
    };
    await until('the picture follows', async () => (await difference()) < 6);
    await ptz(other, { pan: -60 });
    await rests(other);
    await until('it shows something else', async () => (await difference()) > 10);
  });

  test('shows that it turns soon after it was told', async () => {
    await ptz(other, { pan: 0, tilt: 0, zoom: 1 });
    await rests(other);
    await until('a second of it is on a disk', async () => {
      const { durableThrough } = (await entryAt(manager)) ?? {};
      return Date.parse(durableThrough ?? '') > Date.now() - 1_000;
    });
    const toldMs = Date.now();
    await ptz(other, { velocity: { pan: 1 } });
    const range = `from=${new Date(toldMs - 900).toISOString()}&to=${new Date(toldMs + 1_500).toISOString()}`;
    await until('what follows is on a disk', async () => {
      const { durableThrough } = (await entryAt(manager)) ?? {};
      return Date.parse(durableThrough ?? '') > toldMs + 1_500;
    });
    const response = await fetch(`${network.url(other)}/api/cameras/${camera}/video.mp4?${range}`);
    const frames = await grayOf(Buffer.from(await response.arrayBuffer()), []);
    const size = width * height;
    const rowOf = (frame: Buffer): number[] =>
      Array.from({ length: 200 }, (_, x) => frame[330 * width + 2 * x + 200] ?? 0);
    const times: { utcMs: number; row: number[] }[] = [];
    for (let start = 0; start + size <= frames.length; start += size) {
      const frame = frames.subarray(start, start + size);
      const bar = readTestBar((x, y) => frame[y * width + x] ?? 0, width, height);
      if (bar.ok) times.push({ utcMs: bar.value.utcMs, row: rowOf(frame) });
    }
    const still = times.findLast(({ utcMs }) => utcMs <= toldMs)?.row ?? [];
    const moved = times.find(({ utcMs, row }) => {
      const changed = row.reduce((sum, value, x) => sum + Math.abs(value - (still[x] ?? 0)), 0) / row.length;
      return utcMs > toldMs && changed > 1.5;
    });
    assert(moved !== undefined, `it moves in none of ${times.length} pictures`);
    const latencyMs = moved.utcMs - toldMs;
    console.log(`command to the first picture that moved: ${latencyMs} ms`);
    assert(latencyMs < 1_000, `${latencyMs} ms`);
  });

  test('stops by itself when whoever turned it says no more', async () => {
    await ptz(other, { pan: -80 });
    await rests(other);
    const startMs = Date.now();
    await ptz(other, { velocity: { pan: 1, zoom: 1 } });
    await rests(other);
    const { position } = await rests(manager);
    const turned = (position?.pan ?? 0) + 80;
    assert(turned > 20 && turned < 60, `${turned} degrees of 40 a second in ${Date.now() - startMs} ms`);
  });

  test('tells those who watch where it looks, through any server', async () => {
    const socket = new WebSocket(`${network.url(other).replace('http', 'ws')}/api/cameras/${camera}/live`);
    const told: Extract<LiveMessage, { type: 'ptz' }>[] = [];
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const message = isBinary ? undefined : (JSON.parse(data.toString()) as LiveMessage);
      if (message?.type === 'ptz') told.push(message);
    });
    await until('the first word', () => told.length > 0);
    await ptz(manager, { pan: 40, zoom: 1 });
    await until('the last', () => told.at(-1)?.moving === false && told.at(-1)?.position.pan === 40);
    assert(
      told.some(({ moving }) => moving),
      'and some on the way',
    );
    socket.terminate();
  });

  test('remembers where it looked and its presets when its unit is killed', async () => {
    await starling('ptz', camera, '--save', 'am Tor');
    await ptz(other, { pan: 20, tilt: 10 });
    const left = await rests(other);
    assert.deepEqual(left.position, { pan: 20, tilt: 10, zoom: 1 });
    // It is kept a second after it came to rest.
    await until('it is kept', async () => {
      const text = await run('cat', [`${network.folder}/${camera}/data/steering.json`]);
      return String(text.stdout).includes('"pan":20');
    });
    const epoch = (await entryAt(manager))?.epoch ?? 0;
    kill(camera);
    await until('it is back', async () => {
      const entry = await entryAt(other);
      return entry !== undefined && entry.epoch > epoch && entry.ptz !== null;
    });
    await findManager();
    const back = await rests(other);
    assert.deepEqual(back.position, left.position);
    assert.deepEqual(
      back.presets.map(({ name, pan }) => `${name} ${pan}`),
      ['home 0', 'am Tor 40'],
    );
    await starling('ptz', camera, '--preset', 'am Tor', '--wait');
    assert.equal((await rests(other)).position?.pan, 40);
  });

  test('is steered by its new manager when the old one dies', async () => {
    kill(manager);
    await until('the other one has it', async () => {
      const entry = await entryAt(other);
      return entry?.manager === other && entry.ptz !== null;
    });
    const { position } = await ptz(other, { pan: 30 });
    assert.notEqual(position, null);
    assert.equal((await rests(other)).position?.pan, 30);
    // It is started again by itself.
    await untilUp(network, 2, 1);
    await findManager();
  });

  test('has the name, group and days that people gave it, on every server, and so has a server', async () => {
    await starling('set', 'camera', camera, '--name', 'Front <door>', '--group', 'Yard', '--days', '30');
    await starling('set', 'server', manager, '--name', 'Barn');
    await until('both know', async () => {
      const entries = await Promise.all([entryAt(manager), entryAt(other)]);
      return entries.every((entry) => entry?.name === 'Front <door>' && entry.group === 'Yard');
    });
    const { servers } = await ask<SiteAnswer>(other, 'GET', '/api/site');
    assert.equal(servers.find(({ id }) => id === manager)?.name, 'Barn');
    const settings = await ask(manager, 'GET', `/api/cameras/${camera}/settings`);
    assert.deepEqual(settings, { camera, name: 'Front <door>', group: 'Yard', days: 30, maxMb: null });
  });

  test('is on no list when somebody says that it is gone for good, until it is back', async () => {
    await network.unit(camera).stop();
    await until('it is off', async () => (await entryAt(other))?.state === 'offline');
    assert.match(await starling('forget', camera), /on no list/);
    for (const server of [manager, other])
      await until(`${server} has forgotten it`, async () => (await entryAt(server)) === undefined);
    const { segments } = await ask<{ segments: unknown[] }>(
      other,
      'GET',
      `/api/cameras/${camera}/recordings`,
    );
    assert(segments.length > 0, 'its recordings are kept');
    network.unit(camera).start();
    for (const server of [manager, other])
      await until(`${server} has it again`, async () => {
        const entry = await entryAt(server);
        return entry?.state === 'online' && entry.name === 'Front <door>' && entry.ptz !== null;
      });
  });
});

/** Every frame of a picture or video, one byte of luma for each pixel. */
async function grayOf(media: Buffer, format: readonly string[]): Promise<Buffer> {
  const { stdout, stderr, code } = await run(
    'ffmpeg',
    ['-v', 'error', ...format, '-i', 'pipe:0', '-f', 'rawvideo', '-pix_fmt', 'gray', 'pipe:1'],
    media,
  );
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}
