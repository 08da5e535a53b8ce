/** `starling protect`, and what `starling status` says of recording, against a server that answers as the API says. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { addCameraCommands } from '../../firmware/cli/camera-commands.ts';
import type { ProtectedAnswer, SiteAnswer, StatusAnswer } from '../../firmware/viewing/api.ts';
import { type CommandResult, fakeServer, runCommandLine } from '../support/command-line.ts';
import { statusOf } from '../support/viewing-site.ts';

const starling = (...argv: string[]): Promise<CommandResult> => runCommandLine(addCameraCommands, argv);

const range = {
  id: 'door.ss-1.1',
  from: '2026-11-22T11:00:00.000Z',
  to: '2026-11-22T12:00:00.000Z',
  note: 'the parcel',
  by: 'ann',
  at: '2026-11-22T13:00:00.000Z',
};
const kept: ProtectedAnswer = { camera: 'door', ranges: [range] };

const answering = (status: number, answer: object): RequestListener => {
  return (_request, response) => response.writeHead(status).end(JSON.stringify(answer));
};

test('a range is kept: the times count back from now, the note and who wants it go along', async () => {
  const seen: (string | string[] | undefined)[] = [];
  await using server = await fakeServer((request, response) => {
    seen.push(request.headers['x-starling']);
    response.writeHead(201).end(JSON.stringify(range));
  });
  const times = ['--from', '-2h', '--to', '-1h', '--note', 'the parcel & more'];
  const { out, code, err } = await starling('protect', 'door', ...times, '--server', server.url);
  assert.deepEqual([code, err, seen], [0, '', ['1']]);
  assert.deepEqual(server.asked, ['POST /api/cameras/door/protected']);
  const { from, to, note } = JSON.parse(server.bodies[0] ?? '') as Record<string, unknown>;
  assert.deepEqual([from, to, note], [range.from, range.to, 'the parcel & more']);
  assert.match(out, /^ID .*\ndoor\.ss-1\.1 +2026-11-22T11:00:00.000Z +\S+ +ann +the parcel\n$/);
});

test('what is kept is listed, for people and as JSON, and removed', async () => {
  await using server = await fakeServer(answering(200, kept));
  const { out } = await starling('protect', 'door', '--list', '--server', server.url);
  assert.match(out, /the parcel/);
  const json = await starling('protect', 'door', '--list', '--json', '--server', server.url);
  assert.deepEqual(JSON.parse(json.out), kept);
  await starling('protect', 'door', '--remove', range.id, '--server', server.url);
  assert.deepEqual(server.asked, [
    'GET /api/cameras/door/protected',
    'GET /api/cameras/door/protected',
    'DELETE /api/cameras/door/protected/door.ss-1.1',
  ]);
});

test('nothing to do, half a range, or two things at once are refused before anything is asked', async () => {
  await using server = await fakeServer(answering(200, kept));
  for (const options of [
    [],
    ['--from', '-1h'],
    ['--list', '--remove', 'x'],
    ['--from', '-1h', '--to', 'now', '--list'],
  ]) {
    const { code, err } = await starling('protect', 'door', ...options, '--server', server.url);
    assert.deepEqual([code, server.asked], [2, []], options.join(' '));
    assert.match(err, /--from and --to/);
  }
});

test('status names the alarms, the volumes and until when each camera is safe', async () => {
  const status: StatusAnswer = {
    ...statusOf('ss-1'),
    alarms: [
      {
        id: 'volume//disk',
        kind: 'volume-missing',
        text: '/disk: not mounted',
        since: '2026-11-22T12:00:00.000Z',
      },
    ],
    volumes: [
      {
        number: 0,
        id: '0123456789abcdef',
        folder: '/disk',
        state: 'missing',
        reason: '/disk: not mounted',
        totalBytes: 2e12,
        freeBytes: 5e11,
        recordedBytes: 1e12,
        reserveBytes: 1e10,
      },
    ],
    cameras: [
      { id: 'door', receivedBytes: 1, samples: 1, durableThrough: '2026-11-22T12:03:41.200Z' },
      { id: 'yard', receivedBytes: 0, samples: 0, durableThrough: null },
    ],
  };
  const site: SiteAnswer = { site: 'demo', server: 'ss-1', version: '1', servers: [] };
  await using server = await fakeServer((request, response) => {
    response.end(JSON.stringify(request.url === '/api/site' ? site : status));
  });
  const { out, code } = await starling('status', '--server', server.url);
  assert.equal(code, 0);
  assert.match(out, /volume\/\/disk +2026-11-22T12:00:00.000Z +\/disk: not mounted/);
  assert.match(out, /\/disk +missing +1\.0 TB +500\.0 GB of 2\.0 TB +\/disk: not mounted/);
  assert.match(out, /door +2026-11-22T12:03:41.200Z\nyard +nothing yet/);
});
