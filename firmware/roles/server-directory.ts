/** The network as the viewing side sees it: views over the overlay node's tables. */
import type { Address } from '../overlay/packets.ts';
import type { CameraView, ServerView } from '../overlay/views.ts';
import type { LostCamera } from '../recording/recording-alarm.ts';
import type { CameraEntry, Directory, ServerEntry } from '../viewing/directory.ts';

/** What is needed of a server's node. */
interface KnowsNetwork {
  servers(): ServerView[];
  cameras(): CameraView[];
}

/** Where another server takes connections; undefined when it is not known. */
export type AddressOf = (server: string) => Address | undefined;

/** `site` and `self` are ids. */
export function serverDirectory(
  node: KnowsNetwork,
  site: string,
  self: string,
): Directory & { addressOf: AddressOf } {
  return {
    site,
    self,
    servers: () => node.servers().map((view) => serverEntry(view, self)),
    cameras: () => {
      const reachable = new Set(
        node
          .servers()
          .filter(isReachable)
          .map(({ server }) => server),
      );
      return node.cameras().map(({ camera, unit, epoch, online, manager }): CameraEntry => {
        const there = manager === self || reachable.has(manager);
        const state = !there ? 'unreachable' : online ? 'online' : 'offline';
        return { id: camera, unit, manager, epoch, state };
      });
    },
    addressOf: (server) => node.servers().find((view) => view.server === server)?.address,
  };
}

/**
 * The cameras that no server has, as far as `directory` knows, and that this server reports: those it had last, and,
 * while their last manager cannot be asked, if this server has the lowest id of those that can.
 */
export function lostCameras(directory: Pick<Directory, 'self' | 'servers' | 'cameras'>): LostCamera[] {
  const { self } = directory;
  const isSpeaker = !directory.servers().some(({ id, state }) => state === 'reachable' && id < self);
  return directory.cameras().flatMap(({ id: camera, manager, state }) => {
    if (state === 'offline' && manager === self)
      return [{ camera, text: `${camera} is off or cut off: no server has it` }];
    if (state === 'unreachable' && isSpeaker)
      return [
        {
          camera,
          text: `${camera} was with ${manager}, which cannot be reached, and is with no server that can`,
        },
      ];
    return [];
  });
}

function isReachable({ hops, dead }: ServerView): boolean {
  return hops !== undefined && !dead;
}

function serverEntry(view: ServerView, self: string): ServerEntry {
  const { server, pageUrl, cameras } = view;
  const state = server === self ? 'self' : isReachable(view) ? 'reachable' : 'unreachable';
  const hops = state === 'self' ? 0 : state === 'reachable' ? view.hops : undefined;
  return { id: server, state, hops, pageUrl, cameras };
}
