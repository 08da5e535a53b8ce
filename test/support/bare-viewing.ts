/** The viewing side of one server without anything: no cameras, no recordings, nobody to ask. A test adds what it needs. */
import assert from 'node:assert/strict';
import type { Archive } from '../../firmware/recording/archive.ts';
import { openAccess } from '../../firmware/viewing/access-control.ts';
import type { Connection } from '../../firmware/viewing/answers.ts';
import type { CameraEntry, PeerClient } from '../../firmware/viewing/directory.ts';
import { createViewing, type RoutedViewing, type ViewingOptions } from '../../firmware/viewing/http-api.ts';
import type { LiveRequest } from '../../firmware/viewing/live-door.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { networkAccess } from './figure-one.ts';
import { protectionsOf } from './protection-access.ts';
import { statusOf } from './viewing-site.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Nothing was ever recorded. */
export const emptyArchive: Archive = {
  cameras: async () => [],
  segments: async () => [],
  gaps: async () => [],
  coverage: async () => [],
  near: async () => ({ before: undefined, after: undefined }),
  detail: async () => undefined,
  read: async () => Buffer.alloc(0),
};

/** Fails the test when another server is asked. */
const noPeers: PeerClient = {
  get: () => assert.fail('another server was asked'),
  webSocket: () => assert.fail('another server was asked'),
};

export function cameraEntry(id: string, manager: string): CameraEntry {
  return { id, unit: id, manager, epoch: 1, state: 'online' };
}

export interface BareViewing {
  readonly viewing: RoutedViewing;
  /** bugs that a request ran into */
  readonly errors: unknown[];
  readonly ask: (path: string, init?: RequestInit, connection?: Partial<Connection>) => Promise<Response>;
}

/** Server `s1`; `open` access unless `parts` say otherwise. */
export function bareViewing(parts: Partial<ViewingOptions> = {}): BareViewing {
  const errors: unknown[] = [];
  const self = parts.directory?.self ?? 's1';
  const viewing = createViewing({
    version: '1.2.3',
    directory: { site: 'demo', self, servers: () => [], cameras: () => [] },
    network: networkAccess(),
    archive: emptyArchive,
    protections: protectionsOf(self),
    live: createLiveHub({ onWatched: () => undefined }),
    peers: noPeers,
    access: openAccess,
    clock: new VirtualClock(),
    status: () => statusOf(self),
    assets: { script: 'let a = 1;', style: 'a{}' },
    onError: (thrown) => errors.push(thrown),
    ...parts,
  });
  return {
    viewing,
    errors,
    ask: (path, init = {}, connection = {}) =>
      viewing.answer(new Request(`http://127.0.0.1:8300${path}`, init), connectionOf(connection)),
  };
}

/** A connection of a person on this machine. */
export function connectionOf(parts: Partial<Connection> = {}): Connection {
  return {
    peer: undefined,
    remoteAddress: '127.0.0.1',
    secure: false,
    trailer: () => undefined,
    abort: () => undefined,
    ...parts,
  };
}

/** A request for a WebSocket. */
export function liveRequest(
  target: string,
  { peer, headers = {} }: { peer?: string; headers?: Record<string, string> } = {},
): LiveRequest {
  return { target, header: (name) => headers[name], peer, remoteAddress: '127.0.0.1', secure: false };
}
