/** The commands about the network, against a server that answers as the API says. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, test } from 'node:test';
import type { Terminal } from '../../firmware/cli/exit-codes.ts';
import { addNetworkCommands } from '../../firmware/cli/network-commands.ts';
import { formatCost, formatNetworkTime } from '../../firmware/cli/network-text.ts';
import type { LogAnswer, TablesAnswer, WhereAnswer } from '../../firmware/viewing/api.ts';
import { tablesJson } from '../../firmware/viewing/network-json.ts';
import { type CommandResult, type FakeServer, fakeServer, runCommandLine } from '../support/command-line.ts';
import { figureOne } from '../support/figure-one.ts';

const starling = (argv: readonly string[], given: Partial<Terminal> = {}): Promise<CommandResult> =>
  runCommandLine(addNetworkCommands, argv, given);

/** A server that always answers with this. */
const answering = (answer: object, status = 200): RequestListener => {
  return (_request, response) => response.writeHead(status).end(JSON.stringify(answer));
};

/** Columns of a printed line, which are at least two spaces apart. */
const cells = (line = ''): string[] => line.split(/ {2,}/);
/** A cell of the patent's tables: sets between bars. */
const sets = (cell = ''): Set<string>[] => cell.split(' | ').map((ids) => new Set(ids.split(', ')));
const cameras = (...numbers: number[]): Set<string> => new Set(numbers.map((number) => `cam-${number}`));

describe('tables', () => {
  const tables = tablesJson(figureOne);

  test('prints the Tables 1 to 3 of the patent for SS4 of FIG. 1', async () => {
    await using server = await fakeServer(answering(tables));
    const { out, code, err } = await starling(['tables', '--server', server.url]);
    assert.deepEqual([code, err, server.asked], [0, '', ['GET /api/tables']]);
    const [head, one = '', two = '', three = ''] = out.split('\n\n');
    assert.equal(head, 'ss-4, established network of ss-1, founded 2008-07-08T09:00:00.000Z');

    const [ownTime, oneHop, ss3, ss5, twoHop, ss2] = one.split('\n');
    assert.match(ownTime ?? '', /^Table 1: .* Join time: 2008-07-08T11:23:00.000Z \+2$/);
    assert.deepEqual(cells(oneHop), ['1-HOP', 'LINK COST', 'JOIN TIME']);
    assert.deepEqual(cells(ss3), ['ss-3', '5 ms', '2008-07-08T10:00:00.000Z']);
    assert.deepEqual(cells(ss5), ['ss-5', '5 ms', '2008-07-08T00:00:00.000Z']);
    assert.deepEqual(cells(twoHop), ['2-HOP', 'FROM', 'LINK COST', 'JOIN TIME']);
    assert.deepEqual(cells(ss2), ['ss-2', 'ss-3', '12 ms', '2008-07-08T11:00:00.000Z']);

    const rows = new Map(two.split('\n').map((line) => [cells(line)[0], sets(cells(line)[1])]));
    assert.deepEqual(rows.get('DIRECT'), [cameras(6)]);
    assert.deepEqual(rows.get('INDIRECT'), [cameras(5, 3, 4), cameras(1, 2, 0)]);
    assert.deepEqual(rows.get('ss-3'), [cameras(3, 4), cameras(6, 1, 2), cameras(0, 5)]);
    assert.deepEqual(rows.get('ss-5'), [cameras(5), cameras(6), cameras(3, 4, 1, 2, 0)]);
    assert.deepEqual(rows.get('ss-2'), [cameras(1, 2), cameras(0, 3, 4), cameras(6, 5)]);
    const order = two.split('\n').map((line) => cells(line)[0]);
    assert.deepEqual(order.slice(3), ['1-HOP', 'ss-3', 'ss-5', '2-HOP', 'ss-2']);

    const [, heading, cam6] = three.split('\n');
    assert.deepEqual(cells(heading), ['CAMERA', 'STATE', 'PREVIOUS OWNER']);
    assert.deepEqual(cells(cam6), ['cam-6', 'online', 'N/A']);
  });

  test('prints with --json what the API answered', async () => {
    await using server = await fakeServer(answering(tables));
    const { out } = await starling(['tables', '--server', server.url, '--json']);
    assert.deepEqual(JSON.parse(out), tables);
  });

  test('of a server that is alone say so', async () => {
    const alone: TablesAnswer = {
      ...tables,
      neighbor: { ...tables.neighbor, oneHop: [], twoHop: [] },
      query: { direct: [], indirect: { oneHop: [], further: [] }, servers: [] },
      history: [],
    };
    await using server = await fakeServer(answering(alone));
    const { out } = await starling(['tables', '--server', server.url]);
    assert.match(out, /^DIRECT +-\nINDIRECT +- \| -\n/m);
  });
});

describe('neighbors', () => {
  test('prints all that is known of the servers one and two links away', async () => {
    await using server = await fakeServer(answering(tablesJson(figureOne)));
    const { out, code } = await starling(['neighbors', '--server', server.url]);
    const [head, one = '', two = ''] = out.split('\n\n');
    assert.deepEqual([code, head], [0, 'ss-4 joined 2008-07-08T11:23:00.000Z +2']);
    assert.deepEqual(one.split('\n').slice(1).map(cells), [
      ['ss-3', '5 ms', '2008-07-08T10:00:00.000Z', '25 %', 'alive', '192.0.2.3:8443', 'ss-2, ss-4'],
      ['ss-5', '5 ms', '2008-07-08T00:00:00.000Z', '0 %', 'suspected', '[2001:db8::5]:8443', 'ss-4'],
    ]);
    assert.deepEqual(two.trimEnd().split('\n').slice(1).map(cells), [
      ['ss-2', '12 ms', '2008-07-08T11:00:00.000Z', 'ss-3', '192.0.2.2:8443', 'ss-1, ss-3'],
    ]);
    const json = JSON.parse((await starling(['neighbors', '--server', server.url, '--json'])).out) as object;
    assert.deepEqual(json, { server: 'ss-4', ...tablesJson(figureOne).neighbor });
  });
});

describe('where', () => {
  const known: WhereAnswer = {
    camera: 'door',
    manager: 'ss-3',
    address: { host: '192.0.2.3', port: 8443 },
    pageUrl: 'http://192.0.2.3:8300',
    epoch: 5,
    state: 'online',
    tenures: [
      { server: 'unknown', firstEpoch: 1, lastEpoch: 1, from: null, to: '2026-11-22T10:00:00.000Z' },
      { server: 'ss-2', firstEpoch: 2, lastEpoch: 2, from: '2026-11-22T10:00:00.000Z', to: null },
      {
        server: 'ss-1',
        firstEpoch: 3,
        lastEpoch: 4,
        from: '2026-11-22T10:00:00.000Z',
        to: '2026-11-22T11:00:00.000Z',
      },
      { server: 'ss-3', firstEpoch: 5, lastEpoch: 5, from: '2026-11-22T12:00:00.000Z', to: null },
    ],
  };

  test('prints the present manager and those before with their times', async () => {
    await using server = await fakeServer(answering(known));
    const { out, code, err } = await starling(['where', 'door', '--server', server.url]);
    assert.deepEqual([code, err, server.asked], [0, '', ['GET /api/where/door']]);
    assert.deepEqual(out.trimEnd().split('\n').map(cells), [
      ['camera', 'door'],
      ['manager', 'ss-3'],
      ['state', 'online'],
      ['since', '2026-11-22T12:00:00.000Z'],
      ['epoch', '5'],
      ['address', '192.0.2.3:8443'],
      ['page', 'http://192.0.2.3:8300'],
      [''],
      ['MANAGER', 'FROM', 'TO', 'EPOCHS'],
      ['unknown', '-', '2026-11-22T10:00:00.000Z', '1'],
      ['ss-2', '2026-11-22T10:00:00.000Z', '-', '2'],
      ['ss-1', '2026-11-22T10:00:00.000Z', '2026-11-22T11:00:00.000Z', '3-4'],
      ['ss-3', '2026-11-22T12:00:00.000Z', 'now', '5'],
    ]);
  });

  test('prints what was known last of an unreachable manager, says the word, and ends with 6', async () => {
    await using server = await fakeServer(answering({ ...known, state: 'unreachable' }));
    for (const json of [[], ['--json']]) {
      const { out, code, err } = await starling(['where', 'door', '--server', server.url, ...json]);
      assert.equal(code, 6);
      assert.match(out, /ss-3[^]*unreachable[^]*ss-1/);
      assert.match(err, /error: ss-3, the last known manager of door, is unreachable\n/);
    }
  });

  test('ends with 3 for a camera that nobody knows, or that nobody manages any more', async () => {
    await using server = await fakeServer(answering({ error: 'no camera is named x', advice: 'see' }, 404));
    const unknown = await starling(['where', 'x', '--server', server.url]);
    assert.deepEqual([unknown.code, unknown.out, unknown.err], [3, '', 'error: no camera is named x\nsee\n']);
    const gone = { ...known, manager: null, address: null, pageUrl: null, state: 'unknown' };
    await using other = await fakeServer(answering(gone));
    const left = await starling(['where', 'door', '--server', other.url]);
    assert.equal(left.code, 3);
    assert.match(left.out, /ss-1 +2026/);
  });
});

describe('log', () => {
  const entry = (number: number, text = `line ${number}`): LogAnswer['entries'][number] => {
    return { number, time: '2026-11-22T12:00:00.000Z', level: 'info', text };
  };

  test('prints the last entries, and none can steer the terminal', async () => {
    const answer: LogAnswer = { server: 'ss-1', newest: 9, entries: [entry(8), entry(9, 'a\u001b[2Jb')] };
    await using server = await fakeServer(answering(answer));
    const { out, code } = await starling(['log', '--lines', '2', '--server', server.url]);
    assert.deepEqual([code, server.asked], [0, ['GET /api/log?lines=2']]);
    assert.equal(out, '2026-11-22T12:00:00.000Z info  line 8\n2026-11-22T12:00:00.000Z info  a\ufffd[2Jb\n');
    const json = await starling(['log', '--json', '--server', server.url]);
    assert.deepEqual(
      json.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
      answer.entries,
    );
  });

  test('follows what happens next, says what it missed, and notices a new start, until nobody answers', async () => {
    const answers: LogAnswer[] = [
      { server: 'ss-1', newest: 9, entries: [entry(9)] },
      { server: 'ss-1', newest: 9, entries: [] },
      { server: 'ss-1', newest: 11, entries: [entry(10), entry(11)] },
      { server: 'ss-1', newest: 15, entries: [entry(14), entry(15)] },
      { server: 'ss-1', newest: 1, entries: [] },
      { server: 'ss-1', newest: 2, entries: [entry(1), entry(2)] },
    ];
    await using server = await fakeServer((_request, response) => {
      const next = answers.shift();
      if (next === undefined) response.destroy();
      else response.end(JSON.stringify(next));
    });
    const { out, err, code } = await starling(['log', '--lines', '1', '--follow', '--server', server.url]);
    assert.deepEqual(
      out.match(/line \d+/g),
      [9, 10, 11, 14, 15, 1, 2].map((number) => `line ${number}`),
    );
    assert.match(err, /^2 entries came too fast.*\nss-1 was started again\nerror: no server answers/);
    assert.equal(code, 5);
    const afters = server.asked.map((asked) => /after=(\d+)/.exec(asked)?.[1]);
    assert.deepEqual(afters, [undefined, '9', '9', '11', '15', '0', '2']);
  });

  for (const lines of ['0', '501', 'x', '-1', '1e2']) {
    test(`refuses --lines ${lines} and asks nobody`, async () => {
      const { code, err } = await starling(['log', `--lines=${lines}`]);
      assert.equal(code, 2);
      assert.match(err, /expected 1\.\.500/);
    });
  }
});

describe('leave', () => {
  /** Servers `ss-4`, which manages cam-6 and cam-7, and `ss-3`. */
  interface Scene extends AsyncDisposable {
    readonly leaving: FakeServer;
    readonly other: FakeServer;
  }

  /** What `ss-4` answers after it was asked to leave, in turn; then it is gone. */
  type Moment = Record<string, string> | 'fails';

  async function scene(moments: Moment[], after: Record<string, string>, otherId = 'ss-3'): Promise<Scene> {
    const camerasAnswer = (managers: Record<string, string>): object => {
      return { cameras: Object.entries(managers).map(([id, manager]) => ({ id, manager })), unreachable: [] };
    };
    const other = await fakeServer((request, response) => {
      const answer = request.url === '/api/site' ? { server: otherId } : camerasAnswer(after);
      response.end(JSON.stringify(answer));
    });
    let left = false;
    let newest = 1;
    const tables = tablesJson(figureOne);
    const answers: Record<string, () => object> = {
      'GET /api/tables': () => ({ ...tables, query: { ...tables.query, direct: ['cam-6', 'cam-7'] } }),
      'GET /api/site': () => ({
        server: 'ss-4',
        servers: [
          { id: 'ss-4', state: 'self', pageUrl: '' },
          { id: 'ss-3', state: 'reachable', pageUrl: other.url },
          { id: 'ss-9', state: 'unreachable', pageUrl: 'http://192.0.2.9:1' },
        ],
      }),
      'GET /api/log?lines=1': () => ({ server: 'ss-4', newest, entries: [] }),
    };
    const leaving = await fakeServer((request, response) => {
      const asked = `${request.method} ${request.url}`;
      const answer = answers[asked];
      if (answer !== undefined) response.end(JSON.stringify(answer()));
      else if (asked === 'POST /api/leave' && request.headers['x-starling'] === '1') {
        left = true;
        response.writeHead(202).end('{"server":"ss-4"}');
      } else if (left && moments[0] === undefined) {
        response.destroy();
        void leaving.close();
      } else if (left && moments[0] === 'fails') {
        moments.shift();
        response.destroy();
      } else if (asked.startsWith('GET /api/log')) {
        const entry = {
          number: ++newest,
          time: '2026-11-22T12:00:00.000Z',
          level: 'info',
          text: 'handed over',
        };
        response.end(JSON.stringify({ server: 'ss-4', newest, entries: [entry] }));
      } else if (asked === 'GET /api/cameras' && request.headers['x-starling-own'] === '1') {
        response.end(JSON.stringify(camerasAnswer(moments.shift() as Record<string, string>)));
      } else response.writeHead(404).end();
    });
    return {
      leaving,
      other,
      async [Symbol.asyncDispose]() {
        await Promise.all([leaving.close(), other.close()]);
      },
    };
  }

  const here = { 'cam-6': 'ss-4', 'cam-7': 'ss-4', 'cam-1': 'ss-2' };

  test('waits until the server is gone and tells who took its cameras, by what it said itself', async () => {
    const moved = { ...here, 'cam-6': 'ss-3' };
    await using it = await scene([here, moved, 'fails', { ...moved, 'cam-7': 'ss-2' }], {});
    const { out, err, code } = await starling(['leave', '--server', it.leaving.url]);
    assert.equal(code, 0, err);
    assert.deepEqual(out.trimEnd().split('\n').map(cells), [
      ['CAMERA', 'NEW MANAGER'],
      ['cam-6', 'ss-3'],
      ['cam-7', 'ss-2'],
    ]);
    assert.match(err, /^(\S+Z info {2}handed over\n){3}ss-4 has left after 0\.0 s\n$/);
    assert.deepEqual(it.other.asked, [], 'nobody else had to be asked');
    assert.equal(it.leaving.asked.filter((asked) => asked.startsWith('POST')).length, 1);
  });

  test('asks the other servers for the cameras that moved too late', async () => {
    await using it = await scene([here], { ...here, 'cam-6': 'ss-3', 'cam-7': 'ss-3' });
    const { out, code } = await starling(['leave', '--json', '--server', it.leaving.url]);
    assert.equal(code, 0);
    assert.deepEqual((JSON.parse(out) as { cameras: object }).cameras, [
      { camera: 'cam-6', manager: 'ss-3' },
      { camera: 'cam-7', manager: 'ss-3' },
    ]);
    assert.deepEqual(it.other.asked, ['GET /api/site', 'GET /api/cameras']);
  });

  test('believes no other server than the one it looked for, and says what is not known', async () => {
    await using it = await scene([here], { 'cam-6': 'ss-3', 'cam-7': 'ss-3' }, 'ss-8');
    const { out, err, code } = await starling(['leave', '--server', it.leaving.url]);
    assert.equal(code, 0);
    assert.match(out, /^cam-6 +-\ncam-7 +-$/m);
    assert.match(err, /cam-6, cam-7 now is not known here; .*starling where/);
    assert.deepEqual(it.other.asked, ['GET /api/site']);
  });

  test('shows on a terminal how far it is, and wipes it away', async () => {
    await using it = await scene([here, { ...here, 'cam-6': 'ss-3', 'cam-7': 'ss-3' }], {});
    let err = '';
    const said = (text: string): void => {
      err += text;
    };
    await starling(['leave', '--server', it.leaving.url], { interactive: true, err: said });
    assert.match(err, /ss-4 leaves: 0 of 2 cameras handed over\r/);
    const wiped = 'ss-4 leaves: 2 of 2 cameras handed over\r\u001b[K';
    assert(err.includes(wiped) && !err.split(wiped).at(-1)?.includes('leaves:'), JSON.stringify(err));
  });

  test('of a server that stays ends with 1 after 20 s', async () => {
    await using it = await scene(
      Array.from({ length: 50 }, () => here),
      {},
    );
    let nowMs = 0;
    const nowOf = (): number => (nowMs += 4_000);
    const { code, err } = await starling(['leave', '--server', it.leaving.url], { nowMs: nowOf });
    assert.equal(code, 1);
    assert.match(err, /ss-4 is still there after 20 s\nSee `starling log --server http/);
  });

  test('of a server that is gone already ends with 5, of one that refuses with 4', async () => {
    const closed = await fakeServer(answering({}));
    await closed.close();
    assert.equal((await starling(['leave', '--server', closed.url])).code, 5);
    const tables = tablesJson(figureOne);
    await using refusing = await fakeServer((request, response) => {
      if (request.method !== 'POST') response.end(JSON.stringify({ ...tables, servers: [], newest: 0 }));
      else response.writeHead(403).end('{"error":"not you","advice":"ask"}');
    });
    const refused = await starling(['leave', '--server', refusing.url]);
    assert.deepEqual([refused.code, refused.err], [4, 'error: not you\nask\n']);
  });
});

describe('the pieces', () => {
  test('a cost has as many digits as it is worth', () => {
    assert.deepEqual([0, 0.347, 0.999, 1.04, 4.66, 5, 12.3, 1234.5].map(formatCost), [
      '-',
      '0.35 ms',
      '1 ms',
      '1 ms',
      '4.7 ms',
      '5 ms',
      '12 ms',
      '1235 ms',
    ]);
  });

  test('a join time is UTC, and its count only where there is one', () => {
    const at = '2026-11-22T12:00:00.000Z';
    assert.deepEqual(
      [0, 3].map((count) => formatNetworkTime({ at, count })),
      [at, `${at} +3`],
    );
  });

  for (const name of ['tables', 'neighbors', 'where', 'log', 'leave']) {
    test(`${name} explains itself with an example`, async () => {
      const { out, code } = await starling([name, '--help']);
      assert.equal(code, 0);
      assert.match(out, new RegExp(`--server[^]*--json[^]*Example:\n  starling ${name}`));
    });
  }
});
