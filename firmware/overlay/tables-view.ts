/**
 * The query table as the patent prints it (Table 2) [0037]–[0041], computed from who neighbors whom and who manages
 * which camera.
 */
import type { QueryView } from './views.ts';

type Lists = ReadonlyMap<string, readonly string[]>;

interface QueryViewInput {
  readonly self: string;
  /** each 1-hop neighbor's own 1-hop neighbors */
  readonly oneHop: Lists;
  /** each 2-hop neighbor's own 1-hop neighbors */
  readonly twoHop: Lists;
  /** direct cameras of every reachable server, and of this one */
  readonly cameras: Lists;
}

const none: readonly string[] = [];

/** `seen` from a server: its own cameras, those of its neighbors, and all others. Each camera is in one list only. */
function byDistance(
  cameras: Lists,
  all: readonly string[],
  seen: { server: string; neighbors: Iterable<string> },
) {
  const direct = new Set(cameras.get(seen.server) ?? none);
  const near = new Set<string>();
  for (const neighbor of seen.neighbors) {
    for (const camera of cameras.get(neighbor) ?? none) near.add(camera);
  }
  return {
    direct: all.filter((camera) => direct.has(camera)),
    near: all.filter((camera) => near.has(camera) && !direct.has(camera)),
    far: all.filter((camera) => !near.has(camera) && !direct.has(camera)),
  };
}

/** All lists sorted; 1-hop neighbors before 2-hop ones. A server that is both is 1-hop. */
export function queryView({ self, oneHop, twoHop, cameras }: QueryViewInput): QueryView {
  const all = [...new Set([...cameras.values()].flat())].sort();
  const rows = (servers: Lists, hops: 1 | 2): QueryView['servers'] =>
    [...servers]
      .filter(([server]) => server !== self && (hops === 1 || !oneHop.has(server)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([server, neighbors]) => {
        const { direct, near, far } = byDistance(cameras, all, { server, neighbors });
        return { server, hops, direct, indirect1: near, indirect2: far };
      });
  const own = byDistance(cameras, all, { server: self, neighbors: oneHop.keys() });
  return {
    direct: own.direct,
    indirect: { oneHop: own.near, further: own.far },
    servers: [...rows(oneHop, 1), ...rows(twoHop, 2)],
  };
}
