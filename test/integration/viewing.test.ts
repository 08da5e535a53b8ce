/** Two servers with real recordings, seen through real HTTP: lists, files, playback and export over each other. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Command } from 'commander';
import { addCameraCommands } from '../../firmware/cli/camera-commands.ts';
import { runCommand, type Terminal } from '../../firmware/cli/exit-codes.ts';
import { parseInit } from '../../firmware/media/mp4-scanner.ts';
import type { CamerasAnswer } from '../../firmware/viewing/api.ts';
import { cuttingRelay, silentServer } from '../support/faulty-network.ts';
import { describeTrack, encodeVideo, run } from '../support/gst.ts';
import { at, camera, originUs, RecordedSite } from '../support/recorded-site.ts';

let it: RecordedSite;

before(async () => {
  it = await RecordedSite.open();
});

after(() => it[Symbol.asyncDispose]());

describe('the list of recordings', () => {
  test('any server answers with what all of them hold, by start', async () => {
    const [fromA, fromB] = [await it.recordings('a'), await it.recordings('b')];
    assert.deepEqual(fromA, fromB);
    assert.deepEqual(
      fromA.segments.map(({ server }) => server),
      ['a', 'b', 'b'],
    );
    assert.deepEqual(
      fromA.segments.map(({ from }) => Math.floor((Date.parse(from) * 1000 - originUs) / 1e6)),
      [0, 3, 60].map((second) => second + Math.floor(it.startSeconds)),
    );
    assert.deepEqual([fromA.unreachable, fromA.truncated], [[], false]);
  });

  test('with x-starling-own a server answers from its own archive', async () => {
    const own = await it.recordings('a', undefined, { 'x-starling-own': '1' });
    assert.deepEqual(
      own.segments.map(({ server }) => server),
      ['a'],
    );
  });

  test('Unix seconds mean the same as ISO 8601', async () => {
    const seconds = originUs / 1e6;
    assert.deepEqual(
      await it.recordings('a', `from=${seconds}&to=${seconds + 120}`),
      await it.recordings('a'),
    );
  });
});

describe('segments as files', () => {
  test('a segment is the same from its holder and through another server, whole and in ranges', async () => {
    for (const segment of (await it.recordings('a')).segments) {
      for (const server of ['a', 'b']) {
        const url = it.url(server) + segment.url;
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
      const { status, body, headers, trailers } = await it.download(server, `from=${at(0)}&to=${at(30)}`);
      assert.equal(status, 200);
      const packets = await it.judge(body);
      assert.equal(packets.length, 300);
      assert.equal(packets[0]?.pts, 0);
      for (const [place, { pts }] of packets.entries())
        assert(Math.abs(pts - place / 30) < 0.002, `frame ${place} at ${pts}`);
      assert.equal(headers['x-starling-partial'], undefined);
      assert.deepEqual({ ...trailers }, {});
      assert.match(String(headers['content-disposition']), /filename="door_2026-11-22T12-00-00Z_0m30s\.mp4"/);
    }
  });

  test('a gap stays a gap: the second capture comes a minute after the first', async () => {
    const { body } = await it.download('a', `from=${at(0)}&to=${at(120)}`);
    const packets = await it.judge(body);
    assert.equal(packets.length, 420);
    assert(Math.abs((packets[300]?.pts ?? 0) - 60) < 0.002, String(packets[300]?.pts));
    assert((packets[299]?.duration ?? 0) < 0.1, 'the last frame before a gap is not stretched over it');
    const last = packets.at(-1);
    assert(Math.abs((last?.pts ?? 0) + (last?.duration ?? 0) - 64) < 0.05);
  });

  test('the file begins at the keyframe at or before the wanted time and ends at its end', async () => {
    const startS = it.startSeconds;
    const { body, headers } = await it.download('a', `from=${at(startS + 4.5)}&to=${at(startS + 6.2)}`);
    const packets = await it.judge(body);
    assert.equal(
      Date.parse(String(headers['x-starling-start'])),
      originUs / 1000 + Math.floor(startS * 1000) + 4000,
    );
    assert.equal(packets[0]?.pts, 0);
    assert.equal(packets.length, Math.ceil(2.2 * 30));
  });

  test('in a long GOP, stored in several fragments, the file begins at the keyframe before them', async () => {
    const long = await encodeVideo({ frames: 240, gopFrames: 300 });
    const track = describeTrack(long.format, 'boot-1.3');
    const hourUs = originUs + 3_600_000_000;
    await it.site.record('a', { tracks: [track], epoch: 3, originUs: hourUs, samples: [long.samples] });
    const { body } = await it.download('b', `from=${at(3600 + it.startSeconds + 5)}&to=${at(3700)}`);
    const packets = await it.judge(body);
    assert.equal(packets.length, 240);
  });

  test('nothing recorded is 404 and says where to look', async () => {
    const { status, body } = await it.download('a', `from=${at(1000)}&to=${at(2000)}`);
    assert.equal(status, 404);
    assert.match(body.toString(), /nothing of door is recorded.*recordings/);
  });

  test('the sound goes with the picture', async () => {
    const { body } = await it.download('b', `from=${at(0)}&to=${at(30)}`);
    const file = path.join(it.folder, 'sound.mp4');
    await writeFile(file, body);
    const listed = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'stream=codec_name,duration',
      '-of',
      'csv=p=0',
      file,
    ]);
    const [picture, sound] = listed.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    assert.deepEqual([picture?.[0], sound?.[0]], ['h264', 'aac']);
    assert((await readFile(file)).length > 0);
  });
});

describe('a holder that cannot be reached', () => {
  test('is named in the list, at once when it is known and after two seconds when not', async () => {
    await it.without('b', async () => {
      assert.deepEqual((await it.recordings('a')).unreachable, ['b']);
    });
    await using silent = await silentServer();
    it.site.detours.set('b', silent.address);
    try {
      const startMs = performance.now();
      const [list, cameras] = await Promise.all([
        it.recordings('a'),
        it.json<CamerasAnswer>('a', '/api/cameras'),
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
      it.site.detours.delete('b');
    }
  });

  test('leaves a playable file that says what is missing', async () => {
    await it.without('b', async () => {
      const { body, headers, trailers } = await it.download('a', `from=${at(0)}&to=${at(10)}`);
      const packets = await it.judge(body);
      assert.equal(packets.length, 150);
      const told = String(headers['x-starling-partial']);
      const [from, to] = told.split('/').map(Date.parse);
      assert(Math.abs((from ?? 0) - Date.parse(at(5 + it.startSeconds))) < 100, told);
      assert.equal(to, Date.parse(at(10)));
      assert.equal(trailers['x-starling-partial'], told);
    });
  });

  test('that dies during playback ends the file cleanly and is told in the trailer', async () => {
    await using relay = await cuttingRelay(it.site.server('b').links.port);
    it.site.detours.set('b', relay.address);
    try {
      const query = `from=${at(0)}&to=${at(120)}`;
      const { body, headers, trailers } = await it.download('a', query, () => relay.cut());
      const packets = await it.judge(body);
      assert.equal(headers['x-starling-partial'], undefined);
      assert(packets.length >= 150 && packets.length < 420, String(packets.length));
      assert.match(String(trailers['x-starling-partial']), /T12:0\d:.*\//);
    } finally {
      it.site.detours.delete('b');
    }
  });
});

describe('starling export', () => {
  /** Runs the command; what it says on stderr, and its exit code. */
  async function starling(...args: string[]): Promise<{ err: string; code: number }> {
    const result = { err: '', code: 0 };
    const terminal: Terminal = {
      out: () => undefined,
      err: (text) => {
        result.err += text;
      },
      interactive: false,
      nowMs: () => Date.now(),
      setExitCode: (code) => {
        result.code = code;
      },
    };
    const program = new Command('starling').exitOverride();
    addCameraCommands(program, terminal);
    await runCommand(() => program.parseAsync(args, { from: 'user' }), terminal);
    return result;
  }

  test('saves what any server plays, and names what a dead one keeps from it', async () => {
    const file = path.join(it.folder, 'export.mp4');
    const args = [
      'export',
      camera,
      '--server',
      it.site.server('a').url,
      '--from',
      at(0),
      '--to',
      at(10),
      '-o',
      file,
    ];
    assert.equal((await starling(...args)).code, 0);
    assert.equal((await it.judge(await readFile(file))).length, 300);
    await it.without('b', async () => {
      const { err, code } = await starling(...args, '--force');
      assert.equal(code, 6);
      assert.match(err, /missing 2026-11-22T12:00:0\d\.\d{3}Z\/2026-11-22T12:00:10\.000Z/);
      assert.equal((await it.judge(await readFile(file))).length, 150);
    });
  });
});

test('no request ran into a bug', () => {
  for (const server of it.site.servers.values()) assert.deepEqual(server.errors, []);
});
