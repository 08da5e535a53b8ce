/** The commands that ask a server, against one that answers as the API says: files, tables, exit codes. */

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { formatBytes, formatSpan } from '../../firmware/base/quantity-text.ts';
import { chooseServer } from '../../firmware/cli/api-client.ts';
import { addCameraCommands } from '../../firmware/cli/camera-commands.ts';
import { signInAdvice } from '../../firmware/cli/credentials.ts';
import { exitCodeOf, runCommand, type Terminal } from '../../firmware/cli/exit-codes.ts';
import { formatTable } from '../../firmware/cli/text-table.ts';
import { parseTimeArgument } from '../../firmware/cli/time-argument.ts';
import type { CamerasAnswer, RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { type CommandResult, fakeServer, runCommandLine } from '../support/command-line.ts';

const nowMs = Date.parse('2026-11-22T13:00:00Z');
const missing = '2026-11-22T12:05:00.000Z/2026-11-22T12:10:00.000Z';

const starling = (...argv: string[]): Promise<CommandResult> => runCommandLine(addCameraCommands, argv);

interface Scene extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly asked: string[];
}

async function scene(answer: RequestListener): Promise<Scene> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'starling-cli-'));
  const server = await fakeServer(answer);
  return {
    ...server,
    folder,
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** A file in two pieces, with or without something missing. */
function video(options: { header?: string; trailer?: string; breakOff?: true } = {}): RequestListener {
  return (_request, response) => {
    const headers: Record<string, string> = { trailer: 'x-starling-partial' };
    if (options.header !== undefined) headers['x-starling-partial'] = options.header;
    response.writeHead(200, headers);
    response.write('first ');
    if (options.breakOff) {
      response.write('half', () => response.destroy());
      return;
    }
    if (options.trailer !== undefined) response.addTrailers({ 'x-starling-partial': options.trailer });
    response.end('second');
  };
}

const tenMinutes = ['--from', '2026-11-22T12:00:00Z', '--to', '2026-11-22T12:10:00Z'];

describe('export', () => {
  test('writes the whole file under its name and nothing else', async () => {
    await using it = await scene(video());
    const file = path.join(it.folder, 'out.mp4');
    const result = await starling(
      'export',
      'door',
      '--server',
      it.url,
      '--from',
      '-1h',
      '--to',
      'now',
      '-o',
      file,
    );
    assert.deepEqual([result.code, result.out], [0, '']);
    assert.match(result.err, /wrote .*out\.mp4: 12 B/);
    assert.equal(await readFile(file, 'utf8'), 'first second');
    assert.deepEqual(await readdir(it.folder), ['out.mp4']);
    const query = 'from=2026-11-22T12%3A00%3A00.000Z&to=2026-11-22T13%3A00%3A00.000Z';
    assert.deepEqual(it.asked, [
      `GET /api/cameras/door/recordings?${query}`,
      `GET /api/cameras/door/video.mp4?${query}`,
    ]);
  });

  test('keeps an existing file unless it is forced, and asks no server then', async () => {
    await using it = await scene(video());
    const file = path.join(it.folder, 'out.mp4');
    await writeFile(file, 'precious');
    const args = ['export', 'door', '--server', it.url, ...tenMinutes, '-o', file];
    const refused = await starling(...args);
    assert.equal(refused.code, 2);
    assert.match(refused.err, /exists\n.*--force/);
    assert.deepEqual([await readFile(file, 'utf8'), it.asked], ['precious', []]);
    assert.equal((await starling(...args, '--force')).code, 0);
    assert.equal(await readFile(file, 'utf8'), 'first second');
  });

  for (const [how, options] of [
    ['header', { header: missing }],
    ['trailer', { trailer: missing }],
  ] as const) {
    test(`a file that lacks something, as its ${how} says, is kept, named and ends with 6`, async () => {
      await using it = await scene(video(options));
      const file = path.join(it.folder, 'out.mp4');
      const result = await starling(
        'export',
        'door',
        '--server',
        it.url,
        ...tenMinutes,
        '-o',
        file,
        '--json',
      );
      assert.equal(result.code, 6);
      assert(result.err.includes(missing), result.err);
      const printed = JSON.parse(result.out) as { file: string; bytes: number; missing: string[] };
      assert.deepEqual([printed.file, printed.bytes, printed.missing], [file, 12, [missing]]);
      assert.equal(await readFile(file, 'utf8'), 'first second');
    });
  }

  test('an answer that breaks off leaves what has come, not under the name of the file, and ends with 5', async () => {
    await using it = await scene(video({ breakOff: true }));
    const result = await starling(
      'export',
      'door',
      '--server',
      it.url,
      ...tenMinutes,
      '-o',
      path.join(it.folder, 'x'),
    );
    assert.equal(result.code, 5);
    assert.match(result.err, /error: the server broke off/);
    assert.deepEqual(await readdir(it.folder), ['x.part', 'x.part.json']);
  });

  test('a folder that does not exist is a failure with advice', async () => {
    await using it = await scene(video());
    const file = path.join(it.folder, 'nowhere', 'x.mp4');
    const result = await starling('export', 'door', '--server', it.url, ...tenMinutes, '-o', file);
    assert.equal(result.code, 1);
    assert.match(result.err, /cannot write .*x\.mp4\.part.*\n.*permissions/);
  });

  for (const [status, code] of [
    [404, 3],
    [400, 2],
    [401, 4],
    [403, 4],
    [502, 5],
    [500, 1],
  ] as const) {
    test(`status ${status} ends with ${code} and says what the server said`, async () => {
      await using it = await scene((_request, response) => {
        response.writeHead(status).end('{"error":"it is so","advice":"do this"}');
      });
      const result = await starling(
        'export',
        'door',
        '--server',
        it.url,
        ...tenMinutes,
        '-o',
        path.join(it.folder, 'x'),
      );
      // Nothing was shown here, so this side knows best what to do about that.
      const advice = status === 401 ? signInAdvice : 'do this';
      assert.deepEqual([result.code, result.err], [code, `error: it is so\n${advice}\n`]);
    });
  }

  for (const [why, args, message] of [
    ['no output', ['export', 'door', ...tenMinutes], /required option '-o/],
    ['no camera', ['export', ...tenMinutes, '-o', 'x'], /missing required argument/],
    [
      'a time that is none',
      ['export', 'door', '--from', 'yesterday', '--to', 'now', '-o', 'x'],
      /--from yesterday is no time/,
    ],
    [
      'a time without a zone',
      ['export', 'door', '--from', '2026-11-22T12:00', '--to', 'now', '-o', 'x'],
      /with a zone/,
    ],
    ['a range backwards', ['export', 'door', '--from', 'now', '--to', '-1h', '-o', 'x'], /is not before/],
    [
      'a server that is no URL',
      ['export', 'door', ...tenMinutes, '-o', 'x', '--server', 'ftp://x'],
      /ftp:\/\/x is no server/,
    ],
    ['an unknown command', ['explode'], /unknown command/],
  ] as const) {
    test(`${why} is wrong usage and ends with 2`, async () => {
      const result = await starling(...args);
      assert.deepEqual([result.code, result.out], [2, '']);
      assert.match(result.err, message);
    });
  }

  test('no server is told as such and ends with 5', async () => {
    const closed = await scene(video());
    await closed[Symbol.asyncDispose]();
    const result = await starling('cameras', '--server', closed.url);
    assert.equal(result.code, 5);
    assert.match(
      result.err,
      /error: no server answers at http:\/\/127.*\n.*starling run.*--server.*STARLING_SERVER/,
    );
  });
});

describe('lists', () => {
  const cameras: CamerasAnswer = {
    cameras: [
      {
        id: 'door',
        unit: 'u',
        manager: 's1',
        epoch: 1,
        state: 'online',
        lastFrameAt: '2026-11-22T12:00:00.000Z',
        durableThrough: null,
        width: 640,
        height: 360,
        codecs: null,
        name: '',
        group: '',
        ptz: null,
        frameRate: null,
      },
    ],
    alarms: [],
    unreachable: ['s9'],
  };

  test('cameras are a table for people; who did not answer is told on stderr and by 6', async () => {
    await using it = await scene((_request, response) => response.end(JSON.stringify(cameras)));
    const result = await starling('cameras', '--server', it.url);
    const [heading, row] = result.out.split('\n');
    assert.equal(heading?.indexOf('MANAGER'), row?.indexOf('s1'));
    assert.match(row ?? '', /^door +online +s1 +640x360 +2026-11-22T12:00:00.000Z +-$/);
    assert.equal(result.code, 6);
    assert.match(result.err, /no answer from s9/);
    assert.deepEqual(JSON.parse((await starling('cameras', '--json', '--server', it.url)).out), cameras);
  });

  test('what is wrong with recording on any server is below the cameras', async () => {
    const alarm = {
      id: 'camera/yard',
      kind: 'gone',
      text: 'yard is gone',
      since: '2026-11-22T11:00:00.000Z',
    };
    const answer = { ...cameras, alarms: [{ server: 's2', ...alarm }], unreachable: [] };
    await using it = await scene((_request, response) => response.end(JSON.stringify(answer)));
    const { out, code } = await starling('cameras', '--server', it.url);
    assert.match(out, /^ALARM +SERVER +SINCE\s*\ncamera\/yard +s2 +2026-11-22T11:00:00.000Z +yard is gone$/m);
    assert.equal(code, 0);
  });

  test('recordings and gaps are listed by time, however many lists the server cuts them into', async () => {
    const segment = (minute: number) => {
      const name = `2026-11-22/12${String(minute).padStart(2, '0')}00.000Z-1-${minute}`;
      const [from, to] = [minute, minute + 1].map((at) =>
        new Date(nowMs - 3_600_000 + at * 60_000).toISOString(),
      );
      const url = `/api/cameras/door/segments/s1/${name}.mp4`;
      return {
        server: 's1',
        name,
        from: from ?? '',
        to: to ?? '',
        bytes: 30e6,
        captureId: 'c',
        epoch: 1,
        open: minute === 5,
        url,
      };
    };
    const all = [0, 1, 2, 3, 5].map(segment);
    const gaps = [{ from: segment(4).from, to: segment(4).to, reason: 'camera-off' }];
    await using it = await scene((request, response) => {
      const from = new URL(request.url ?? '', 'http://x').searchParams.get('from') ?? '';
      const left = all.filter(({ to }) => to > from);
      const answer: RecordingsAnswer = {
        camera: 'door',
        segments: left.slice(0, 2),
        gaps,
        unreachable: [],
        truncated: left.length > 2,
      };
      response.end(JSON.stringify(answer));
    });
    const result = await starling('recordings', 'door', '--server', it.url, '--from', '-1h');
    const rows = result.out.trim().split('\n');
    assert.equal(rows.length, 7);
    assert.match(rows[1] ?? '', /12:00:00.000Z +\S+12:01:00.000Z +1m +30\.0 MB +s1$/);
    assert.match(rows[5] ?? '', /1m +- +- +gap: camera-off$/);
    assert.match(rows[6] ?? '', /s1 +recording$/);
    assert.equal(result.code, 0);
  });

  test('what is not JSON is told as such', async () => {
    await using it = await scene((_request, response) => response.end('<html>'));
    const result = await starling('status', '--server', it.url);
    assert.equal(result.code, 1);
    assert.match(result.err, /did not answer with JSON\n.*Starling server/);
  });
});

describe('the pieces', () => {
  test('the server comes from the option, else the environment, else this machine', () => {
    assert.equal(chooseServer('http://a:1/', { STARLING_SERVER: 'http://b:2' }), 'http://a:1');
    assert.equal(chooseServer(undefined, { STARLING_SERVER: 'http://b:2' }), 'http://b:2');
    assert.equal(chooseServer(undefined, {}), 'http://127.0.0.1:8300');
    assert.throws(() => chooseServer('door', {}), Failure);
  });

  test('times may count back from now', () => {
    for (const [text, iso] of [
      ['now', '2026-11-22T13:00:00.000Z'],
      ['-10m', '2026-11-22T12:50:00.000Z'],
      ['-90s', '2026-11-22T12:58:30.000Z'],
      ['-2d', '2026-11-20T13:00:00.000Z'],
      ['2026-11-22T22:00:00+09:00', '2026-11-22T13:00:00.000Z'],
    ] as const) {
      assert.equal(parseTimeArgument('--from', text, nowMs), iso);
    }
    assert.throws(() => parseTimeArgument('--from', '-10y', nowMs), /--from -10y/);
  });

  test('a bug exits like a failure and shows where it is', async () => {
    let [err, code] = ['', 0];
    const terminal: Terminal = {
      out: () => undefined,
      err: (text) => {
        err += text;
      },
      interactive: false,
      nowMs: () => nowMs,
      setExitCode: (value) => {
        code = value;
      },
    };
    await runCommand(() => Promise.reject(new TypeError('bug')), terminal);
    assert.equal(code, 1);
    assert.match(err, /error: bug\nTypeError: bug\n +at /);
    assert.equal(exitCodeOf('nonsense'), 1);
  });

  test('tables are aligned, and names from elsewhere cannot steer the terminal', () => {
    assert.equal(
      formatTable(
        ['A', 'B'],
        [
          ['long', 'x'],
          ['s', ''],
        ],
      ),
      'A     B\nlong  x\ns\n',
    );
    assert.doesNotMatch(
      formatTable(['A'], [['\u001b[2J\u009b']])
        .trimEnd()
        .split('\n')[1] ?? '',
      /\p{Cc}/u,
    );
  });

  test('quantities read at a glance', () => {
    assert.deepEqual([0, 999, 1000, 12_345_678].map(formatBytes), ['0 B', '999 B', '1.0 kB', '12.3 MB']);
    assert.deepEqual([0, 1.25, 60, 3661, 90_000].map(formatSpan), ['0s', '1.3s', '1m', '1h 1m', '1d 1h']);
  });
});
