/** The network as the viewing side sees it: views over the overlay node's rows. */
import type { ServerNode } from '../overlay/server-node.ts';
import type { CameraEntry, Directory, ServerEntry } from '../viewing/directory.ts';

/** Where another server takes connections; undefined when it is not known. */
export type AddressOf = (server: string) => { host: string; port: number } | undefined;

/** `site` and `self` are ids. */
export function serverDirectory(
  node: ServerNode,
  site: string,
  self: string,
): Directory & { addressOf: AddressOf } {
  const stateOf = (origin: string, hops: ReadonlyMap<string, number>): ServerEntry['state'] => {
    if (origin === self) return 'self';
    return hops.has(origin) ? 'reachable' : 'unreachable';
  };
  return {
    site,
    self,
    servers: () => {
      const hops = node.hops();
      return node.origins().map(({ origin, pageUrl, cameras }) => ({
        id: origin,
        state: stateOf(origin, hops),
        hops: hops.get(origin),
        pageUrl,
        cameras: cameras.filter(({ online }) => online).map(({ camera }) => camera),
      }));
    },
    cameras: () => {
      const hops = node.hops();
      return node.cameras().map(({ camera, unit, epoch, online, server }): CameraEntry => {
        const state = !hops.has(server) ? 'unreachable' : online ? 'online' : 'offline';
        return { id: camera, unit, manager: server, epoch, state };
      });
    },
    addressOf: (server) => node.origins().find(({ origin }) => origin === server)?.link,
  };
}
