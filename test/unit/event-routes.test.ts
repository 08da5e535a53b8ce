/** Events over HTTP and at the command line: over all servers, of the cameras that one may see, the newest first. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { addCameraCommands } from '../../firmware/cli/camera-commands.ts';
import type { EventQuery, StoredEvent } from '../../firmware/recording/event-log.ts';
import type { EventsAnswer } from '../../firmware/viewing/api.ts';
import { bareViewing } from '../support/bare-viewing.ts';
import { fakeServer, runCommandLine } from '../support/command-line.ts';

const at = (seconds: number): number => Date.parse('2026-11-22T11:00:00Z') * 1_000 + seconds * 1_000_000;
const time = (seconds: number): string => new Date(at(seconds) / 1_000).toISOString();

const own: StoredEvent[] = [
  { camera: 'door', kind: 'motion', sensor: '', fromUs: at(20), toUs: 0 },
  { camera: 'door', kind: 'button', sensor: '', fromUs: at(10), toUs: at(11) },
];
const theirs = {
  events: [
    { camera: 'door', kind: 'motion', sensor: '', from: time(20), to: time(25), server: 's2' },
    { camera: 'yard', kind: 'end-stop', sensor: 'pan-max', from: time(5), to: time(6), server: 's2' },
  ],
  unreachable: [],
  truncated: false,
};

/** Server s1, and s2 that answers with `body`. */
function scene(body: string = JSON.stringify(theirs), status = 200) {
  const queries: EventQuery[] = [];
  const asked: string[] = [];
  const server = (id: string, state: 'self' | 'reachable' | 'unreachable') => {
    return { id, state, hops: 1, pageUrl: `http://${id}/`, cameras: [] };
  };
  const viewing = bareViewing({
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [server('s1', 'self'), server('s2', 'reachable')],
      cameras: () => [],
    },
    peers: {
      get: async (_id: string, path: string) => {
        asked.push(path);
        return { status, headers: {}, body: Readable.from([Buffer.from(body)]) };
      },
      webSocket: () => assert.fail('no WebSocket is needed'),
    },
    events: {
      read: async (query) => {
        queries.push(query);
        return { events: own, nextUs: undefined };
      },
    },
  });
  const get = async (path: string): Promise<[number, unknown]> => {
    const response = await viewing.ask(path);
    return [response.status, await response.json()];
  };
  return { get, errors: viewing.errors, queries, asked };
}

test('events of all servers are one list, an event that two know is there once', async () => {
  const { get, asked, errors } = scene();
  const [status, answer] = await get(`/api/events?from=${time(0)}&to=${time(60)}`);
  assert.equal(status, 200);
  assert.deepEqual(answer, {
    events: [
      { camera: 'door', kind: 'motion', sensor: '', from: time(20), to: time(25), server: 's2' },
      { camera: 'door', kind: 'button', sensor: '', from: time(10), to: time(11), server: 's1' },
      { camera: 'yard', kind: 'end-stop', sensor: 'pan-max', from: time(5), to: time(6), server: 's2' },
    ],
    unreachable: [],
    truncated: false,
    next: null,
  });
  assert.match(asked[0] ?? '', /^\/api\/events\?from=\d+\.000000&to=\d+\.000000&limit=100$/);
  assert.deepEqual(errors, []);
});

test('a camera, a time and a limit are passed on; what makes no sense is refused', async () => {
  const { get, asked, queries } = scene();
  await get('/api/events?camera=door&limit=7');
  assert.match(asked[0] ?? '', /limit=7&camera=door$/);
  assert.deepEqual([queries[0]?.camera, queries[0]?.limit], ['door', 7]);
  assert.equal((queries[0]?.toUs ?? 0) - (queries[0]?.fromUs ?? 0), 86_400_000_000);
  for (const query of ['from=never', 'camera=DOOR', 'limit=0', 'limit=1001', 'from=2&to=1'])
    assert.equal((await get(`/api/events?${query}`))[0], 400, query);
});

test('a server that answers nonsense, or nothing, is named and its events are missing', async () => {
  for (const [body, status] of [
    ['[]', 200],
    ['{"events":[{"camera":"../x"}],"truncated":false}', 200],
    ['{}', 500],
  ] as const) {
    const [code, answer] = await scene(body, status).get('/api/events');
    assert.equal(code, 200);
    const { unreachable, events } = answer as EventsAnswer;
    assert.deepEqual([unreachable, events.length], [['s2'], 2], body);
  }
});

test('what a server says of the end of its list hides nothing of others where it makes no sense', async () => {
  const one = { camera: 'door', kind: 'button', sensor: '' };
  const future = { ...one, from: '2200-01-01T00:00:00Z', to: null };
  const range = `from=${time(0)}&to=${time(60)}`;
  for (const claim of [
    { events: [], truncated: true },
    { events: [], truncated: true, next: null },
    { events: [], truncated: true, next: '2200-01-01T00:00:00Z' },
    { events: [], truncated: false, next: time(59) },
    { events: [future, future], truncated: true },
  ]) {
    const [, answer] = await scene(JSON.stringify(claim)).get(`/api/events?${range}&limit=2`);
    const { events, truncated, next } = answer as EventsAnswer;
    assert.deepEqual([events.length, truncated, next], [2, false, null], JSON.stringify(claim));
  }
});

test('a list goes on where a server stopped looking, also one of an earlier version that was full', async () => {
  const range = `from=${time(0)}&to=${time(60)}`;
  const [, stopped] = await scene(JSON.stringify({ events: [], truncated: true, next: time(15) })).get(
    `/api/events?${range}`,
  );
  assert.deepEqual((stopped as EventsAnswer).events.length, 1);
  assert.deepEqual([(stopped as EventsAnswer).truncated, (stopped as EventsAnswer).next], [true, time(15)]);
  const full = JSON.stringify({ ...theirs, events: theirs.events.slice(0, 1), truncated: true });
  const [, cut] = await scene(full).get(`/api/events?${range}&limit=1`);
  assert.deepEqual([(cut as EventsAnswer).events.length, (cut as EventsAnswer).next], [1, time(20)]);
});

test('`starling events` prints them, the newest first, and says when there are more', async () => {
  const answer: EventsAnswer = {
    events: [
      { camera: 'door', kind: 'motion', sensor: '', from: time(20), to: null, server: 's1' },
      { camera: 'yard', kind: 'end-stop', sensor: 'pan-max', from: time(5), to: time(6.5), server: 's2' },
    ],
    unreachable: [],
    truncated: true,
    next: time(4),
  };
  await using server = await fakeServer((_request, response) => {
    response.writeHead(200).end(JSON.stringify(answer));
  });
  const starling = (...argv: string[]) =>
    runCommandLine(addCameraCommands, ['events', ...argv, '--server', server.url]);
  const { out, err, code } = await starling('door', '--from', '-1h', '--limit', '2');
  assert.equal(code, 0, err);
  assert.match(out, /^FROM +LENGTH +CAMERA +KIND +SENSOR\n/);
  assert.match(out, /no end yet +door +motion\n/);
  assert.match(out, /1\.5s +yard +end-stop +pan-max\n/);
  assert.match(err, new RegExp(`There may be older ones: add --to ${time(4)}`));
  assert.match(server.asked[0] ?? '', /^GET \/api\/events/);
  assert.deepEqual(JSON.parse((await starling('--json')).out), answer);
});
