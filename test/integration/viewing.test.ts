/** Two servers with real recordings, seen through real HTTP: lists, files, playback and live over each other. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { createServer, type Server } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { parseFragment, parseInit } from '../../firmware/media/mp4-scanner.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import type { CamerasAnswer, LiveMessage, RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { describeTrack, type Encoded, encodeAudio, encodeVideo, run } from '../support/gst.ts';
import { ViewingSite } from '../support/viewing-site.ts';

const originUs = Date.parse('2026-11-22T12:00:00Z') * 1000;
const at = (seconds: number): string => new Date(originUs / 1000 + seconds * 1000).toISOString();
const camera = 'door';

let site: ViewingSite;
let video: Encoded;
let audio: Encoded;
let tracks: TrackDescription[];
let folder: string;

/** The first capture: 10 s, of which `a` has the first 5 and `b` the last 7; the second, 4 s on `b`, a minute later. */
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'starling-playback-'));
  video = await encodeVideo({ frames: 300, gopFrames: 30 });
  audio = await encodeAudio({ buffers: 468 });
  tracks = [describeTrack(video.format), describeTrack(audio.format)];
  site = await ViewingSite.open('a', 'b');
  site.addCamera(camera, 'b');
  await site.record('a', { tracks, epoch: 1, originUs, samples: [between(0, 5), between(0, 5, audio)] });
  await site.record('b', { tracks, epoch: 2, originUs, samples: [between(3, 10), between(3, 10, audio)] });
  const later = tracks.map((track) => ({ ...track, captureId: 'boot-1.2' }));
  const minuteUs = originUs + 60_000_000;
  await site.record('b', { tracks: later, epoch: 2, originUs: minuteUs, samples: [between(0, 4), between(0, 4, audio)] });
});

after(async () => {
  await site[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function between(from: number, to: number, { samples } = video): Sample[] {
  return samples.filter(({ ptsUs }) => ptsUs - firstPts(samples) >= from * 1e6 && ptsUs - firstPts(samples) < to * 1e6);
}

function firstPts(samples: readonly Sample[]): number {
  return samples[0]?.ptsUs ?? 0;
}

async function json<T>(url: string, headers: Record<string, string> = {}): Promise<T> {
  const response = await fetch(url, { headers });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as T;
}

function recordings(server: string, query = `from=${at(0)}&to=${at(120)}`, headers = {}): Promise<RecordingsAnswer> {
  return json(`${site.server(server).url}/api/cameras/${camera}/recordings?${query}`, headers);
}

interface Download {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
}

/** `fetch` does not show trailers. */
function download(server: string, query: string): Promise<Download> {
  return new Promise((resolve, reject) => {
    const url = `${site.server(server).url}/api/cameras/${camera}/video.mp4?${query}`;
    http
      .get(url, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
        const { statusCode = 0, headers, trailers } = response;
        resolve({ status: statusCode, body: Buffer.concat(chunks), headers, trailers });
      })
      .once('error', reject);
  });
}

interface Packet {
  readonly pts: number;
  readonly duration: number;
}

/** Has ffmpeg decode every frame without a word, and lists the video packets, in seconds. */
async function judge(name: string, body: Buffer): Promise<Packet[]> {
  const file = path.join(folder, name);
  await writeFile(file, body);
  const decoded = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-']);
  assert.deepEqual([decoded.stderr, decoded.code], ['', 0]);
  const fields = ['-select_streams', 'v', '-show_entries', 'packet=pts_time,duration_time', '-of', 'csv=p=0'];
  const listed = await run('ffprobe', ['-v', 'error', ...fields, file]);
  assert.deepEqual([listed.stderr, listed.code], ['', 0]);
  const lines = listed.stdout.toString().trim().split('\n');
  return lines.map((line) => {
    const [pts, duration] = line.split(',').map(Number);
    return { pts: pts ?? Number.NaN, duration: duration ?? Number.NaN };
  });
}

describe('the list of recordings', () => {
  test('any server answers with what all of them hold, by start', async () => {
    const [fromA, fromB] = [await recordings('a'), await recordings('b')];
    assert.deepEqual(fromA, fromB);
    assert.deepEqual(
      fromA.segments.map(({ server }) => server),
      ['a', 'b', 'b'],
    );
    assert.deepEqual(
      fromA.segments.map(({ from }) => Math.floor((Date.parse(from) * 1000 - originUs) / 1e6)),
      [0, 3, 60].map((second) => second + Math.floor(firstPts(video.samples) / 1e6)),
    );
    assert.deepEqual([fromA.unreachable, fromA.truncated], [[], false]);
  });

  test('with x-starling-own a server answers from its own archive', async () => {
    const own = await recordings('a', undefined, { 'x-starling-own': '1' });
    assert.deepEqual(
      own.segments.map(({ server }) => server),
      ['a'],
    );
  });

  test('Unix seconds mean the same as ISO 8601', async () => {
    const seconds = originUs / 1e6;
    assert.deepEqual(await recordings('a', `from=${seconds}&to=${seconds + 120}`), await recordings('a'));
  });
});

describe('segments as files', () => {
  test('a segment is the same from its holder and through another server, whole and in ranges', async () => {
    for (const segment of (await recordings('a')).segments) {
      for (const server of ['a', 'b']) {
        const url = site.server(server).url + segment.url;
        const whole = await fetch(url);
        const bytes = Buffer.from(await whole.arrayBuffer());
        assert.equal(bytes.length, segment.bytes);
        assert.equal(parseInit(bytes).ok, true);
        const part = await fetch(url, { headers: { range: 'bytes=100-199' } });
        assert.equal(part.status, 206);
        assert.equal(part.headers.get('content-range'), `bytes 100-199/${segment.bytes}`);
        assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(100, 200));
        const tail = await fetch(url, { headers: { range: 'bytes=-10' } });
        assert.deepEqual(Buffer.from(await tail.arrayBuffer()), bytes.subarray(-10));
        const behind = await fetch(url, { headers: { range: `bytes=${segment.bytes}-` } });
        assert.equal(behind.status, 416);
        assert.equal(behind.headers.get('content-range'), `bytes */${segment.bytes}`);
        const several = await fetch(url, { headers: { range: 'bytes=0-1,5-6' } });
        assert.equal(several.status, 200);
        assert.equal((await several.arrayBuffer()).byteLength, segment.bytes);
        const etag = whole.headers.get('etag') ?? '';
        assert.match(etag, /^".+"$/);
        const again = await fetch(url, { headers: { 'if-none-match': etag } });
        assert.equal(again.status, 304);
        const head = await fetch(url, { method: 'HEAD' });
        assert.equal(head.headers.get('content-length'), String(segment.bytes));
      }
    }
  });
});

describe('playback', () => {
  test('a range over two holders plays as one, each frame once and 33 ms apart', async () => {
    for (const server of ['a', 'b']) {
      const { status, body, headers, trailers } = await download(server, `from=${at(0)}&to=${at(30)}`);
      assert.equal(status, 200);
      const packets = await judge('two-holders.mp4', body);
      assert.equal(packets.length, 300);
      assert.equal(packets[0]?.pts, 0);
      for (const [place, { pts }] of packets.entries()) assert(Math.abs(pts - place / 30) < 0.002, `frame ${place} at ${pts}`);
      assert.equal(headers['x-starling-partial'], undefined);
      assert.deepEqual({ ...trailers }, {});
      assert.match(String(headers['content-disposition']), /filename="door_2026-11-22T12-00-00Z_0m30s\.mp4"/);
    }
  });

  test('a gap stays a gap: the second capture comes a minute after the first', async () => {
    const { body } = await download('a', `from=${at(0)}&to=${at(120)}`);
    const packets = await judge('gap.mp4', body);
    assert.equal(packets.length, 420);
    assert(Math.abs((packets[300]?.pts ?? 0) - 60) < 0.002, String(packets[300]?.pts));
    assert((packets[299]?.duration ?? 0) < 0.1, 'the last frame before a gap is not stretched over it');
    const last = packets.at(-1);
    assert(Math.abs((last?.pts ?? 0) + (last?.duration ?? 0) - 64) < 0.05);
  });

  test('the file begins at the keyframe at or before the wanted time and ends at its end', async () => {
    const startS = firstPts(video.samples) / 1e6;
    const { body, headers } = await download('a', `from=${at(startS + 4.5)}&to=${at(startS + 6.2)}`);
    const packets = await judge('middle.mp4', body);
    assert.equal(Date.parse(String(headers['x-starling-start'])), originUs / 1000 + Math.floor(startS * 1000) + 4000);
    assert.equal(packets[0]?.pts, 0);
    assert.equal(packets.length, Math.ceil(2.2 * 30));
  });

  test('nothing recorded is 404 and says where to look', async () => {
    const { status, body } = await download('a', `from=${at(1000)}&to=${at(2000)}`);
    assert.equal(status, 404);
    assert.match(body.toString(), /nothing of door is recorded.*recordings/);
  });

  test('the sound goes with the picture', async () => {
    const { body } = await download('b', `from=${at(0)}&to=${at(30)}`);
    const file = path.join(folder, 'sound.mp4');
    await writeFile(file, body);
    const listed = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name,duration', '-of', 'csv=p=0', file]);
    const [picture, sound] = listed.stdout.toString().trim().split('\n').map((line) => line.split(','));
    assert.deepEqual([picture?.[0], sound?.[0]], ['h264', 'aac']);
    assert((await readFile(file)).length > 0);
  });
});

describe('a holder that cannot be reached', () => {
  test('is named in the list, at once when it is known and after two seconds when not', async () => {
    site.unreachable.add('b');
    try {
      assert.deepEqual((await recordings('a')).unreachable, ['b']);
    } finally {
      site.unreachable.delete('b');
    }
    await using silent = await silentServer();
    site.detours.set('b', silent.address);
    try {
      const startMs = performance.now();
      const [list, cameras] = await Promise.all([
        recordings('a'),
        json<CamerasAnswer>(`${site.server('a').url}/api/cameras`),
      ]);
      assert(performance.now() - startMs < 3000);
      assert.deepEqual(list.unreachable, ['b']);
      assert.deepEqual(
        list.segments.map(({ server }) => server),
        ['a'],
      );
      assert.deepEqual(cameras.unreachable, ['b']);
      assert.equal(cameras.cameras[0]?.lastFrameAt, null);
    } finally {
      site.detours.delete('b');
    }
  });

  test('leaves a playable file that says what is missing', async () => {
    site.unreachable.add('b');
    try {
      const { body, headers, trailers } = await download('a', `from=${at(0)}&to=${at(10)}`);
      const packets = await judge('partial.mp4', body);
      assert.equal(packets.length, 150);
      const told = String(headers['x-starling-partial']);
      const [from, to] = told.split('/').map(Date.parse);
      assert(Math.abs((from ?? 0) - Date.parse(at(5 + firstPts(video.samples) / 1e6))) < 100, told);
      assert.equal(to, Date.parse(at(10)));
      assert.equal(trailers['x-starling-partial'], told);
    } finally {
      site.unreachable.delete('b');
    }
  });

  test('that dies during playback ends the file cleanly and is told in the trailer', async () => {
    await using relay = await cuttingRelay(site.server('b').links.port);
    site.detours.set('b', relay.address);
    try {
      const url = `${site.server('a').url}/api/cameras/${camera}/video.mp4?from=${at(0)}&to=${at(120)}`;
      const done = new Promise<Download>((resolve, reject) => {
        http
          .get(url, async (response) => {
            relay.cut();
            const chunks: Buffer[] = [];
            for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
            const { statusCode = 0, headers, trailers } = response;
            resolve({ status: statusCode, body: Buffer.concat(chunks), headers, trailers });
          })
          .once('error', reject);
      });
      const { body, headers, trailers } = await done;
      const packets = await judge('died.mp4', body);
      assert.equal(headers['x-starling-partial'], undefined);
      assert(packets.length >= 150 && packets.length < 420, String(packets.length));
      assert.match(String(trailers['x-starling-partial']), /T12:0\d:.*\//);
    } finally {
      site.detours.delete('b');
    }
  });
});

describe('live through another server', () => {
  test('a viewer of a gets what b publishes, from the keyframe on, and is told when it ends', async () => {
    const { live } = site.server('b');
    live.publishTracks(camera, tracks);
    const gop = between(0, 1);
    for (const sample of gop) live.publishSample(camera, 1, sample, originUs + sample.ptsUs);
    const socket = new WebSocket(`${site.server('a').url.replace('http', 'ws')}/api/cameras/${camera}/live`);
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
    const cameras = await json<CamerasAnswer>(`${site.server('a').url}/api/cameras`);
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

  test('a page of another site, a foreign host name and an unknown camera are refused before the upgrade', async () => {
    const base = `${site.server('a').url.replace('http', 'ws')}/api/cameras`;
    const refused = (url: string, options: { origin?: string; headers?: Record<string, string> } = {}): Promise<number> =>
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
  for (const server of site.servers.values()) assert.deepEqual(server.errors, []);
});

interface Listening extends AsyncDisposable {
  readonly address: { host: string; port: number };
}

/** Takes connections and never says anything. */
async function silentServer(): Promise<Listening> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  return listening(server, () => sockets);
}

/** Passes connections on to a port until it is cut. */
async function cuttingRelay(port: number): Promise<Listening & { cut(): void }> {
  const sockets = new Set<{ destroy(): void }>();
  const { connect } = await import('node:net');
  const server = createServer((socket) => {
    const onward = connect(port, '127.0.0.1');
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        socket.destroy();
        onward.destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  });
  const relay = await listening(server, () => sockets);
  return {
    ...relay,
    [Symbol.asyncDispose]: relay[Symbol.asyncDispose],
    cut: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listening(server: Server, sockets: () => Iterable<{ destroy(): void }>): Promise<Listening> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return {
    address: { host: '127.0.0.1', port: address.port },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets()) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
