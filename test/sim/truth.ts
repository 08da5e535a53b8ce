/**
 * What the network must come to once nothing goes wrong any more: one network, and tables that say what is so. Each
 * check returns the first difference between what a server says and what is true, or undefined.
 */
import { isDeepStrictEqual } from 'node:util';
import { historyProblem, isOwedForEver } from './history-truth.ts';
import type { SimUnit } from './sim-unit.ts';
import type { TenureRecord } from './tenure-record.ts';
import type { SimWorld } from './world.ts';

type Graph = ReadonlyMap<string, readonly string[]>;

const list = (items: readonly string[]): string => `[${items.join(' ')}]`;
const differs = (a: readonly string[], b: readonly string[]): boolean => a.join() !== b.join();
const sorted = (items: Iterable<string>): string[] => [...new Set(items)].sort();

/** Hops from a server to all it reaches. */
export function distances(graph: Graph, from: string): Map<string, number> {
  const hops = new Map([[from, 0]]);
  let frontier = [from];
  for (let distance = 1; frontier.length > 0; distance++) {
    const next: string[] = [];
    for (const server of frontier) {
      for (const neighbor of graph.get(server) ?? []) {
        if (hops.has(neighbor)) continue;
        hops.set(neighbor, distance);
        next.push(neighbor);
      }
    }
    frontier = next;
  }
  return hops;
}

/** Who is whose neighbor, by each live server's own account. */
export function neighborGraph(world: SimWorld): Graph {
  return new Map(
    world.liveServers.map(({ id }) => [id, [...world.serverNode(id).inspect().neighbors].sort()]),
  );
}

/** Names of alarms that a server at rest may have set. */
const periodic = new Set([
  'echo',
  'digest',
  'merge',
  'more',
  'retry',
  'prune',
  'contacts',
  'spread',
  // A lone server goes on asking, and one of a network asks for others now and then.
  'join',
  'ring',
  // A server with too many cameras looks for somebody who takes them.
  'relieve',
]);

/** The first thing that is not as it should be; undefined when the network has converged. */
export function disagreement(world: SimWorld, record: TenureRecord): string | undefined {
  const graph = neighborGraph(world);
  return (
    oneNetwork(world, graph) ??
    camerasManaged(world, graph) ??
    neighborTables(world, graph) ??
    serverLists(world, graph) ??
    cameraLists(world) ??
    documents(world) ??
    historyProblem(world, record) ??
    nothingLeft(world)
  );
}

function oneNetwork(world: SimWorld, graph: Graph): string | undefined {
  const names = new Set<string>();
  for (const { id } of world.liveServers) {
    const { network } = world.serverNode(id).inspect();
    names.add(`${network.founder}@${network.founded.ms}.${network.founded.count}`);
  }
  if (names.size > 1) return `${names.size} networks: ${list([...names])}`;
  for (const [server, neighbors] of graph) {
    for (const neighbor of neighbors) {
      if (graph.get(neighbor)?.includes(server) !== true)
        return `${server} has neighbor ${neighbor}, not the reverse`;
    }
  }
  const first = world.liveServers[0];
  if (first === undefined) return 'no server lives';
  const reached = distances(graph, first.id).size;
  if (reached < graph.size) return `${first.id} reaches ${reached} of ${graph.size} servers`;
  return undefined;
}

/**
 * Places at servers that hear of a camera's join, whichever server it reaches. Old firmware neither hears of a join that
 * another server has to relay nor passes it on.
 */
function room(world: SimWorld, graph: Graph): number {
  const isOld = (id: string): boolean => world.unit(id).skipsFrom !== undefined;
  const heardFrom = (entry: string): number => {
    const passing = new Map(
      [...graph].map(([id, neighbors]) => [
        id,
        id === entry || !isOld(id) ? neighbors.filter((one) => one === entry || !isOld(one)) : [],
      ]),
    );
    const hearing = [...distances(passing, entry).keys()];
    return hearing.reduce((sum, id) => sum + (isOld(id) ? 0 : world.unit(id).camerasMax), 0);
  };
  const entries = world.liveServers.map(({ id }) => id);
  // Without old firmware all hear the same.
  return Math.min(...(entries.some(isOld) ? entries : entries.slice(0, 1)).map(heardFrom));
}

/** Each live camera has one live manager, if there is room for all. */
function camerasManaged(world: SimWorld, graph: Graph): string | undefined {
  const places = room(world, graph);
  const managed = new Set<string>();
  for (const camera of world.liveCameras) {
    const manager = world.cameraNode(camera.id).manager();
    if (manager === undefined) {
      if (places >= wanted(world)) return `${camera.id} has no manager`;
      continue;
    }
    managed.add(camera.id);
    const server = world.unit(manager);
    if (!server.isAlive) return `${camera.id} is managed by ${manager}, which is dead`;
    const unit = world
      .serverNode(manager)
      .inspect()
      .units.find((one) => one.unit === camera.id);
    // Not the camera’s own counter: one that accepted an offer in vain stays with the lower epoch.
    const epoch = camera.management?.epoch;
    if (unit?.online !== true || unit.epoch !== epoch) {
      return `${camera.id} is managed by ${manager} with epoch ${epoch}, which says ${JSON.stringify(unit)}`;
    }
  }
  for (const { id } of world.liveServers) {
    for (const { unit, online } of world.serverNode(id).inspect().units) {
      const camera = world.unit(unit);
      const manager = camera.isAlive ? world.cameraNode(unit).manager() : undefined;
      if (manager !== id && (online || manager !== undefined))
        return `${id} claims ${unit}, which is with ${manager ?? 'nobody'}`;
    }
  }
  return undefined;
}

const wanted = (world: SimWorld): number =>
  world.liveCameras.reduce((sum, camera) => sum + camera.cameraIds.length, 0);

/** Table 1 equals breadth-first truth. */
function neighborTables(world: SimWorld, graph: Graph): string | undefined {
  for (const { id } of world.liveServers) {
    const { neighbor } = world.serverNode(id).tables();
    const near = graph.get(id) ?? [];
    const shown = neighbor.oneHop.map(({ server }) => server).sort();
    if (differs(shown, near)) return `${id} shows 1-hop neighbors ${list(shown)}, they are ${list(near)}`;
    for (const { server, suspected, neighbors } of neighbor.oneHop) {
      if (suspected) return `${id} suspects ${server}`;
      const truth = graph.get(server) ?? [];
      if (differs(sorted(neighbors), truth))
        return `${id} shows neighbors of ${server} ${list(neighbors)}, they are ${list(truth)}`;
    }
    const problem = twoHop(id, graph, neighbor.twoHop);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function twoHop(
  id: string,
  graph: Graph,
  rows: readonly { server: string; from: readonly string[]; neighbors: readonly string[] }[],
): string | undefined {
  const near = graph.get(id) ?? [];
  const far = sorted(near.flatMap((one) => graph.get(one) ?? [])).filter(
    (one) => one !== id && !near.includes(one),
  );
  const shown = sorted(rows.map(({ server }) => server));
  if (differs(shown, far)) return `${id} shows 2-hop neighbors ${list(shown)}, they are ${list(far)}`;
  for (const { server, from, neighbors } of rows) {
    const truth = near.filter((one) => graph.get(one)?.includes(server) === true);
    if (differs(sorted(from), truth))
      return `${id} reaches ${server} from ${list(from)}, it is ${list(truth)}`;
    const its = graph.get(server) ?? [];
    if (differs(sorted(neighbors), its))
      return `${id} shows neighbors of ${server} ${list(neighbors)}, they are ${list(its)}`;
  }
  return undefined;
}

function serverLists(world: SimWorld, graph: Graph): string | undefined {
  for (const { id } of world.liveServers) {
    const truth = distances(graph, id);
    const shown = new Map(
      world
        .serverNode(id)
        .servers()
        .map((view) => [view.server, view]),
    );
    for (const [server, hops] of truth) {
      const view = shown.get(server);
      if (server !== id && (view === undefined || view.hops !== hops || view.dead)) {
        return `${id} shows ${server} ${view?.dead === true ? 'dead' : `${view?.hops} hops away`}, it is ${hops}`;
      }
    }
    for (const [server, view] of shown) {
      if (!truth.has(server) && view.hops !== undefined)
        return `${id} shows ${server} ${view.hops} hops away, it is dead`;
    }
  }
  return undefined;
}

/** Every server says of every camera what is so. */
function cameraLists(world: SimWorld): string | undefined {
  for (const { id } of world.liveServers) {
    const shown = new Map(
      world
        .serverNode(id)
        .cameras()
        .map((view) => [view.camera, view]),
    );
    for (const unit of world.cameras) {
      const manager = unit.isAlive ? world.cameraNode(unit.id).manager() : undefined;
      for (const camera of unit.cameraIds) {
        const view = shown.get(camera);
        const said = view?.online === true && world.unit(view.manager).isAlive ? view.manager : undefined;
        if (said !== manager)
          return `${id} shows ${camera} with ${said ?? 'nobody'}, it is with ${manager ?? 'nobody'}`;
        const epoch = unit.management?.epoch;
        if (manager !== undefined && view?.epoch !== epoch)
          return `${id} shows ${camera} at epoch ${view?.epoch}, it is ${epoch}`;
      }
    }
    const problem = queryTable(world, id);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Table 2: own direct cameras, and each camera in one list only. */
function queryTable(world: SimWorld, id: string): string | undefined {
  const { query } = world.serverNode(id).tables();
  const own = sorted(managedBy(world, id));
  if (differs(sorted(query.direct), own))
    return `${id} shows direct cameras ${list(query.direct)}, they are ${list(own)}`;
  for (const { server, direct } of query.servers) {
    const truth = sorted(managedBy(world, server));
    if (differs(sorted(direct), truth))
      return `${id} shows ${server} with ${list(direct)}, it has ${list(truth)}`;
  }
  return undefined;
}

function managedBy(world: SimWorld, server: string): string[] {
  return world.liveCameras
    .filter(({ id }) => world.cameraNode(id).manager() === server)
    .flatMap(({ cameraIds }) => cameraIds);
}

function documents(world: SimWorld): string | undefined {
  const [first, ...others] = world.liveServers;
  if (first === undefined) return undefined;
  const expected = world.serverNode(first.id).document();
  for (const { id } of others) {
    const shown = world.serverNode(id).document();
    if (!isDeepStrictEqual(shown, expected))
      return `the documents of ${first.id} (${expected.length} rows) and ${id} (${shown.length}) differ`;
  }
  return undefined;
}

function nothingLeft(world: SimWorld): string | undefined {
  for (const { id } of world.liveServers) {
    const { lock, timers } = world.serverNode(id).inspect();
    if (lock !== undefined) return `${id} is locked by ${lock.holder}`;
    const other = timers.filter(
      (timer) =>
        !periodic.has(timer) &&
        !/^(silent|camera):/.test(timer) &&
        !(timer === 'history' && isOwedForEver(world, id)),
    );
    if (other.length > 0) return `${id} has timers ${list(other)}`;
  }
  return undefined;
}

/** The true manager of each camera that has one, for questions. */
export function managers(world: SimWorld): Map<string, SimUnit> {
  const truth = new Map<string, SimUnit>();
  for (const unit of world.liveCameras) {
    const manager = world.cameraNode(unit.id).manager();
    if (manager !== undefined) for (const camera of unit.cameraIds) truth.set(camera, world.unit(manager));
  }
  return truth;
}
