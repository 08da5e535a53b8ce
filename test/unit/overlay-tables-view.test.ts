/** Table 2 of the patent, from who neighbors whom and who manages which camera. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { queryView } from '../../firmware/overlay/tables-view.ts';

/** FIG. 1: the line SS1–SS2–SS3–SS4–SS5. */
const line = new Map([
  ['ss-1', ['ss-2']],
  ['ss-2', ['ss-1', 'ss-3']],
  ['ss-3', ['ss-2', 'ss-4']],
  ['ss-4', ['ss-3', 'ss-5']],
  ['ss-5', ['ss-4']],
]);
const cameras = new Map([
  ['ss-1', ['cam-0']],
  ['ss-2', ['cam-1', 'cam-2']],
  ['ss-3', ['cam-3', 'cam-4']],
  ['ss-4', ['cam-6']],
  ['ss-5', ['cam-5']],
]);
type Links = ReadonlyMap<string, readonly string[]>;

/** What `self` sees of a network of which the test knows all links. */
function viewFrom(self: string, links: Links, cams: Links) {
  const near = new Set(links.get(self));
  const far = new Set([...near].flatMap((server) => links.get(server) ?? []));
  const rows = (servers: Set<string>): Links =>
    new Map([...servers].map((server) => [server, links.get(server) ?? []]));
  return queryView({ self, oneHop: rows(near), twoHop: rows(far), cameras: cams });
}

test('Table 2 of FIG. 1: SS4', () => {
  assert.deepEqual(viewFrom('ss-4', line, cameras), {
    direct: ['cam-6'],
    indirect: { oneHop: ['cam-3', 'cam-4', 'cam-5'], further: ['cam-0', 'cam-1', 'cam-2'] },
    servers: [
      {
        server: 'ss-3',
        hops: 1,
        direct: ['cam-3', 'cam-4'],
        indirect1: ['cam-1', 'cam-2', 'cam-6'],
        indirect2: ['cam-0', 'cam-5'],
      },
      {
        server: 'ss-5',
        hops: 1,
        direct: ['cam-5'],
        indirect1: ['cam-6'],
        indirect2: ['cam-0', 'cam-1', 'cam-2', 'cam-3', 'cam-4'],
      },
      {
        server: 'ss-2',
        hops: 2,
        direct: ['cam-1', 'cam-2'],
        indirect1: ['cam-0', 'cam-3', 'cam-4'],
        indirect2: ['cam-5', 'cam-6'],
      },
    ],
  });
});

test('a server that is alone sees its own cameras', () => {
  const none = new Map();
  assert.deepEqual(
    queryView({ self: 'ss-1', oneHop: none, twoHop: none, cameras: new Map([['ss-1', ['b', 'a']]]) }),
    {
      direct: ['a', 'b'],
      indirect: { oneHop: [], further: [] },
      servers: [],
    },
  );
});

test('in a triangle nobody is two hops away, and this server is not its own neighbor', () => {
  const triangle = new Map([
    ['a', ['b', 'c']],
    ['b', ['a', 'c']],
    ['c', ['a', 'b']],
  ]);
  const view = viewFrom('a', triangle, new Map([['c', ['cam-1']]]));
  assert.deepEqual(
    view.servers.map(({ server, hops }) => `${server} ${hops}`),
    ['b 1', 'c 1'],
  );
  assert.deepEqual(view.servers[0], {
    server: 'b',
    hops: 1,
    direct: [],
    indirect1: ['cam-1'],
    indirect2: [],
  });
});

test('a camera that two servers claim is shown once in each row, with the nearer one', () => {
  const claimed = new Map([...cameras, ['ss-1', ['cam-6', 'cam-3']], ['ss-5', ['cam-5', 'cam-6']]]);
  const view = viewFrom('ss-4', line, claimed);
  assert.deepEqual(view.direct, ['cam-6']);
  assert.deepEqual(view.indirect, { oneHop: ['cam-3', 'cam-4', 'cam-5'], further: ['cam-1', 'cam-2'] });
});

test('in any network each row has every camera once', () => {
  const servers = ['a', 'b', 'c', 'd', 'e', 'f'];
  const pair = fc.tuple(fc.constantFrom(...servers), fc.constantFrom(...servers)).filter(([a, b]) => a !== b);
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 10 }), (pairs) => {
      const links = new Map(servers.map((server) => [server, [] as string[]]));
      for (const [a, b] of pairs) {
        links.get(a)?.push(b);
        links.get(b)?.push(a);
      }
      const view = viewFrom('a', links, new Map(servers.map((server) => [server, [`cam-${server}`]])));
      const all = servers.map((server) => `cam-${server}`);
      const rows = view.servers.map((row) => [...row.direct, ...row.indirect1, ...row.indirect2]);
      for (const row of [[...view.direct, ...view.indirect.oneHop, ...view.indirect.further], ...rows]) {
        assert.deepEqual(row.sort(), all);
      }
      for (const { server, direct } of view.servers) assert.deepEqual(direct, [`cam-${server}`]);
    }),
  );
});
