/** The views of a server's tables: what people, the page and the simulator see of it. */
import { isGone } from './camera-deletion.ts';
import { isDead } from './origin-table.ts';
import type { ServerContext } from './server-context.ts';
import { queryView } from './tables-view.ts';
import type { CameraView, NeighborView, ServerView, TablesView } from './views.ts';

/** All three tables [0032]. */
export function tablesOf(context: ServerContext): TablesView {
  const { self, network, neighbors, history, rows } = context;
  const cameras = new Map<string, string[]>();
  for (const server of rows.hopsFrom(self).keys()) cameras.set(server, onlineCameras(context, server));
  const oneHop = new Map(neighbors.all().map(({ server, card }) => [server, idsOf(card?.neighbors)]));
  const twoHop = new Map(neighbors.far().map(({ server, told }) => [server, told.neighbors]));
  return {
    server: self,
    network,
    neighbor: neighborView(context),
    query: queryView({ self, oneHop, twoHop, cameras }),
    history: history.view(
      (camera) => historyState(context, camera),
      (camera) => rows.claimTo(camera)?.server,
    ),
  };
}

function idsOf(neighbors: readonly { readonly server: string }[] | undefined): string[] {
  return (neighbors ?? []).map(({ server }) => server);
}

function onlineCameras({ rows, self }: ServerContext, server: string): string[] {
  if (!rows.hopsFrom(self).has(server)) return [];
  const units = rows.get(server)?.units ?? [];
  return units.filter(({ online }) => online).flatMap(({ cameras }) => cameras);
}

function historyState(context: ServerContext, camera: string): 'online' | 'offline' | 'indirectly' {
  const claim = context.rows.claimTo(camera);
  if (claim !== undefined && claim.server !== context.self) return 'indirectly';
  return onlineCameras(context, context.self).includes(camera) ? 'online' : 'offline';
}

function neighborView({ neighbors, joinTime, clock }: ServerContext): NeighborView {
  return {
    joinTime: joinTime ?? clock.now(),
    oneHop: neighbors.all().map((one) => ({
      server: one.server,
      linkCostMs: one.costUs / 1000,
      joinTime: one.joinTime,
      address: one.address,
      incarnation: one.incarnation,
      suspected: one.suspectedAt !== undefined,
      load: (one.card?.load ?? 0) / 1000,
      neighbors: idsOf(one.card?.neighbors),
    })),
    twoHop: neighbors.far().map(({ server, from, costUs, told }) => ({
      server,
      from,
      linkCostMs: costUs / 1000,
      joinTime: told.joinTime,
      address: told.link,
      incarnation: told.incarnation,
      neighbors: told.neighbors,
    })),
  };
}

/** Every server that was ever heard of. */
export function serversOf(context: ServerContext): ServerView[] {
  const { rows, self } = context;
  const hops = rows.hopsFrom(self);
  return rows.all().map((row) => ({
    server: row.origin,
    hops: hops.get(row.origin),
    dead: isDead(row),
    address: row.link,
    pageUrl: row.pageUrl,
    cameras: onlineCameras(context, row.origin),
  }));
}

/** Every camera with its present, or last, manager; without those that are gone for good. */
export function camerasOf({ rows, self, document }: ServerContext): CameraView[] {
  const hops = rows.hopsFrom(self);
  // Whether a camera of a server that cannot be reached is online, nobody knows.
  return rows
    .cameras()
    .map((view) => ({ ...view, online: view.online && hops.has(view.manager) }))
    .filter(({ camera, epoch, online }) => online || !isGone(document, camera, epoch));
}
