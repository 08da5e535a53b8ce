/** The part of the HTTP API that tells of the network, and lets a server leave it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { QueryAnswer } from '../../firmware/overlay/effects.ts';
import type { LogEntry } from '../../firmware/runtime/log-ring.ts';
import type {
  ErrorAnswer,
  LeaveAnswer,
  LogAnswer,
  TablesAnswer,
  WhereAnswer,
} from '../../firmware/viewing/api.ts';
import type { NetworkAccess } from '../../firmware/viewing/network-access.ts';
import { bareViewing } from '../support/bare-viewing.ts';
import { figureOne, networkAccess, unknownTo } from '../support/figure-one.ts';

type Ask = (path: string, init?: RequestInit, peer?: string) => Promise<Response>;

/** The API of server `ss-4`, whose page and whose neighbor's is known. */
function scene(network: Partial<NetworkAccess> = {}): { ask: Ask; errors: unknown[] } {
  const servers = ['ss-4', 'ss-3'].map((id, hops) => {
    return { id, state: 'reachable' as const, hops, pageUrl: `http://${id}.example:8300`, cameras: [] };
  });
  const { ask, errors } = bareViewing({
    directory: { site: 'demo', self: 'ss-4', servers: () => servers, cameras: () => [] },
    network: networkAccess(network),
  });
  return { ask: (path, init, peer) => ask(path, init, { peer }), errors };
}

async function assertRefusal(response: Response, status: number): Promise<ErrorAnswer> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  const answer = JSON.parse(text) as ErrorAnswer;
  assert(answer.error.length > 5 && answer.advice.length > 5, text);
  return answer;
}

describe('the tables', () => {
  test('are told whole, with times that a person can read', async () => {
    const response = await scene().ask('/api/tables');
    assert.equal(response.status, 200);
    const answer = (await response.json()) as TablesAnswer;
    assert.deepEqual(answer.neighbor.joinTime, { at: '2008-07-08T11:23:00.000Z', count: 2 });
    assert.deepEqual(answer.network, {
      founder: 'ss-1',
      founded: { at: '2008-07-08T09:00:00.000Z', count: 0 },
      standing: 'established',
      trusted: true,
    });
    assert.deepEqual(answer.query, figureOne.query);
    const { joinTime: _, ...second } = figureOne.neighbor.oneHop[1] ?? assert.fail('FIG. 1 has two');
    assert.deepEqual(answer.neighbor.oneHop[1], {
      ...second,
      joinTime: { at: '2008-07-08T00:00:00.000Z', count: 0 },
    });
    assert.deepEqual(answer.neighbor.twoHop[0]?.from, ['ss-3']);
    assert.deepEqual(answer.history[0]?.tenures, [
      { server: 'ss-4', firstEpoch: 1, lastEpoch: 1, from: '2008-07-08T12:00:00.000Z', to: null },
    ]);
  });

  test('survive times of other servers that no date can show', async () => {
    const [row] = figureOne.neighbor.oneHop;
    assert(row !== undefined);
    const far = { ...row, joinTime: { ms: Number.MAX_SAFE_INTEGER, count: 0 } };
    const tables = { ...figureOne, neighbor: { ...figureOne.neighbor, oneHop: [far] } };
    const { ask, errors } = scene({ tables: () => tables });
    const answer = (await (await ask('/api/tables')).json()) as TablesAnswer;
    assert.equal(answer.neighbor.oneHop[0]?.joinTime.at, '+275760-09-13T00:00:00.000Z');
    assert.deepEqual(errors, []);
  });
});

describe('the managers of a camera', () => {
  const us = (time: string): number => Date.parse(`2026-11-22T${time}Z`) * 1000;
  const known: QueryAnswer = {
    camera: 'door',
    manager: 'ss-3',
    link: { host: '192.0.2.3', port: 8443 },
    epoch: 5,
    state: 'online',
    tenures: [
      {
        camera: 'door',
        server: 'ss-1',
        firstEpoch: 1,
        lastEpoch: 2,
        fromUs: us('10:00:00'),
        toUs: us('11:00:00'),
      },
      { camera: 'door', server: 'ss-3', firstEpoch: 5, lastEpoch: 5, fromUs: us('12:00:00'), toUs: 0 },
    ],
  };

  test('are told with times, and an epoch that nobody knows of is one of an unknown server', async () => {
    const { ask } = scene({ where: async () => known });
    const answer = (await (await ask('/api/where/door')).json()) as WhereAnswer;
    assert.deepEqual(answer, {
      camera: 'door',
      manager: 'ss-3',
      address: { host: '192.0.2.3', port: 8443 },
      pageUrl: 'http://ss-3.example:8300',
      epoch: 5,
      state: 'online',
      tenures: [
        {
          server: 'ss-1',
          firstEpoch: 1,
          lastEpoch: 2,
          from: '2026-11-22T10:00:00.000Z',
          to: '2026-11-22T11:00:00.000Z',
        },
        {
          server: 'unknown',
          firstEpoch: 3,
          lastEpoch: 4,
          from: '2026-11-22T11:00:00.000Z',
          to: '2026-11-22T12:00:00.000Z',
        },
        { server: 'ss-3', firstEpoch: 5, lastEpoch: 5, from: '2026-11-22T12:00:00.000Z', to: null },
      ],
    } satisfies WhereAnswer);
  });

  test('are told as last known, with the word unreachable, when the manager does not answer', async () => {
    const { ask } = scene({ where: async () => ({ ...known, state: 'unreachable' }) });
    const response = await ask('/api/where/door');
    const answer = (await response.json()) as WhereAnswer;
    assert.deepEqual([response.status, answer.state, answer.manager], [200, 'unreachable', 'ss-3']);
  });

  test('are not found for a camera that nobody knows, and asked of nobody for what is no id', async () => {
    const asked: string[] = [];
    const where = async (camera: string): Promise<QueryAnswer> => {
      asked.push(camera);
      return unknownTo(camera);
    };
    const { ask } = scene({ where });
    const { error } = await assertRefusal(await ask('/api/where/nobody'), 404);
    assert.match(error, /nobody/);
    for (const id of ['HERE', '__proto__', 'a%2fb', '%00', 'a'.repeat(33)]) {
      await assertRefusal(await ask(`/api/where/${id}`), 400);
    }
    await assertRefusal(await ask('/api/where/'), 404);
    assert.deepEqual(asked, ['nobody']);
  });

  test('are told without a manager where only the history is left', async () => {
    const { ask } = scene({ where: async (camera) => ({ ...unknownTo(camera), tenures: known.tenures }) });
    const answer = (await (await ask('/api/where/door')).json()) as WhereAnswer;
    assert.deepEqual([answer.manager, answer.address, answer.pageUrl], [null, null, null]);
    assert.equal(answer.tenures.length, 3);
  });

  test('are told with the epochs before the first one that is known', async () => {
    const tenures = known.tenures.slice(1);
    const { ask } = scene({ where: async () => ({ ...known, tenures }) });
    const answer = (await (await ask('/api/where/door')).json()) as WhereAnswer;
    assert.deepEqual(answer.tenures[0], {
      server: 'unknown',
      firstEpoch: 1,
      lastEpoch: 4,
      from: null,
      to: '2026-11-22T12:00:00.000Z',
    });
  });
});

describe('the log', () => {
  const entry = (number: number): LogEntry => ({
    number,
    utcMs: number * 1000,
    level: 'info',
    text: `line ${number}`,
  });
  const entries = [7, 8, 9].map(entry);
  const log = (lines: number): LogEntry[] => entries.slice(-lines);

  test('is told from its end, or from where a reader has got to', async () => {
    const { ask } = scene({ log });
    const numbers = async (query: string): Promise<number[]> => {
      const answer = (await (await ask(`/api/log${query}`)).json()) as LogAnswer;
      assert.deepEqual([answer.server, answer.newest], ['ss-4', 9]);
      return answer.entries.map(({ number }) => number);
    };
    assert.deepEqual(await numbers(''), [7, 8, 9]);
    assert.deepEqual(await numbers('?lines=2'), [8, 9]);
    assert.deepEqual(await numbers('?lines=500&after=8'), [9]);
    assert.deepEqual(await numbers('?after=9'), []);
    const first = (await (await ask('/api/log')).json()) as LogAnswer;
    assert.deepEqual(first.entries[0], {
      number: 7,
      time: '1970-01-01T00:00:07.000Z',
      level: 'info',
      text: 'line 7',
    });
  });

  test('that is empty is no failure', async () => {
    assert.deepEqual(await (await scene().ask('/api/log')).json(), {
      server: 'ss-4',
      newest: 0,
      entries: [],
    });
  });

  for (const query of [
    '?lines=0',
    '?lines=501',
    '?lines=-1',
    '?lines=x',
    '?lines=',
    '?after=-1',
    '?after=1e3',
  ]) {
    test(`is not told for ${query}`, async () => {
      await assertRefusal(await scene({ log }).ask(`/api/log${query}`), 400);
    });
  }
});

describe('to leave', () => {
  const meant = { 'x-starling': '1' };

  function leaving(): { ask: Ask; asked: () => number } {
    let count = 0;
    const { ask } = scene({ leave: () => (count += 1) });
    return { ask, asked: () => count };
  }

  test('is begun by a POST that says it is meant', async () => {
    const { ask, asked } = leaving();
    const response = await ask('/api/leave', {
      method: 'POST',
      headers: { ...meant, 'content-length': '0' },
    });
    assert.equal(response.status, 202);
    assert.deepEqual(await response.json(), { server: 'ss-4' } satisfies LeaveAnswer);
    assert.equal(asked(), 1);
  });

  test('is begun by the page of this very server', async () => {
    const { ask, asked } = leaving();
    const headers = { ...meant, origin: 'http://127.0.0.1:8300' };
    assert.equal((await ask('/api/leave', { method: 'POST', headers })).status, 202);
    assert.equal(asked(), 1);
  });

  for (const [who, status, init, peer] of [
    ['a form of another site, which cannot send the header', 403, { method: 'POST' }, undefined],
    ['a header that says something else', 403, { method: 'POST', headers: { 'x-starling': '0' } }, undefined],
    [
      'a page of another site',
      403,
      { method: 'POST', headers: { ...meant, origin: 'http://evil.example' } },
      undefined,
    ],
    [
      'a page of another port',
      403,
      { method: 'POST', headers: { ...meant, origin: 'http://127.0.0.1:80' } },
      undefined,
    ],
    ['a sandboxed page', 403, { method: 'POST', headers: { ...meant, origin: 'null' } }, undefined],
    ['another server', 403, { method: 'POST', headers: meant }, 'ss-3'],
    ['a body', 413, { method: 'POST', headers: { ...meant, 'content-length': '2' } }, undefined],
    ['a preflight', 405, { method: 'OPTIONS', headers: { origin: 'http://evil.example' } }, undefined],
    ['a link', 405, { headers: meant }, undefined],
    ['PUT', 405, { method: 'PUT', headers: meant }, undefined],
  ] as const) {
    test(`is not begun by ${who}`, async () => {
      const { ask, asked } = leaving();
      const response = await ask('/api/leave', init, peer);
      assert.equal(response.headers.get('access-control-allow-origin'), null);
      await assertRefusal(response, status);
      assert.equal(asked(), 0);
    });
  }

  test('is the only thing that POST can do', async () => {
    const { ask, asked } = leaving();
    for (const [path, status] of [
      ['/api/site', 405],
      ['/api/tables', 405],
      ['/api/leave/', 404],
      ['/api/leave/now', 404],
      ['/api/log', 405],
    ] as const) {
      await assertRefusal(await ask(path, { method: 'POST', headers: meant }), status);
    }
    assert.equal(asked(), 0);
  });
});
