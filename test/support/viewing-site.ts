/**
 * A site of servers in one process, as far as viewing is concerned: real recorders on temporary folders, real HTTP
 * servers for browsers, real mutual TLS between them. The network's knowledge (who manages what, who is reachable) is
 * plain data that a test may change.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { realDisk } from '../../firmware/io/disk.ts';
import { gstreamerDecoder } from '../../firmware/io/frame-decoder.ts';
import { type HttpServer, openHttpServer } from '../../firmware/io/http-server.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { createPeerClient } from '../../firmware/io/peer-client.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { type LinkListener, listenForLinks } from '../../firmware/io/tls-link.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import { openRecorder, type Recorder } from '../../firmware/recording/recorder.ts';
import { createSiteAuthority, issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { peerIdentity } from '../../firmware/site/identity.ts';
import { openAccess } from '../../firmware/viewing/access-control.ts';
import type { StatusAnswer } from '../../firmware/viewing/api.ts';
import type { CameraEntry, Directory, ServerEntry } from '../../firmware/viewing/directory.ts';
import { createViewing, type RoutedViewing, type ViewingOptions } from '../../firmware/viewing/http-api.ts';
import { createLiveHub, type LiveHub } from '../../firmware/viewing/live-hub.ts';
import { networkAccess } from './figure-one.ts';
import { protectionsOf } from './protection-access.ts';

const site = 'demo';

/** One server of the site. */
export interface SiteServer extends AsyncDisposable {
  readonly id: string;
  readonly url: string;
  readonly live: LiveHub;
  readonly recorder: Recorder;
  readonly http: HttpServer;
  readonly viewing: RoutedViewing;
  /** its mutual-TLS port */
  readonly links: LinkListener;
  /** bugs that a request ran into */
  readonly errors: unknown[];
}

/** What is recorded of one capture on one server. */
export interface Recording {
  readonly tracks: readonly TrackDescription[];
  readonly epoch: number;
  /** UTC of PTS 0, µs */
  readonly originUs: number;
  /** by track, in the order of `tracks` */
  readonly samples: readonly (readonly Sample[])[];
}

/** What differs at a server, by its id. */
export type SiteParts = (server: string) => Partial<ViewingOptions>;

export class ViewingSite implements AsyncDisposable {
  readonly servers = new Map<string, SiteServer>();
  readonly cameras: CameraEntry[] = [];
  readonly unreachable = new Set<string>();
  /** where servers find each other instead of the truth */
  readonly detours = new Map<string, { host: string; port: number }>();
  private readonly folder: string;
  readonly authority: Awaited<ReturnType<typeof createSiteAuthority>>;

  private readonly parts: SiteParts;

  private constructor(
    folder: string,
    authority: Awaited<ReturnType<typeof createSiteAuthority>>,
    parts: SiteParts,
  ) {
    this.folder = folder;
    this.authority = authority;
    this.parts = parts;
  }

  /** Whoever reaches a server may do everything. */
  static open(...ids: string[]): Promise<ViewingSite> {
    return ViewingSite.with(() => ({}), ...ids);
  }

  /** Servers that differ from those of `open` by what `parts` say. */
  static async with(parts: SiteParts, ...ids: string[]): Promise<ViewingSite> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'starling-viewing-'));
    const opened = new ViewingSite(folder, await createSiteAuthority(site), parts);
    for (const id of ids) opened.servers.set(id, await opened.openServer(id));
    return opened;
  }

  server(id: string): SiteServer {
    const server = this.servers.get(id);
    if (server === undefined) throw new Error(`no server ${id}`);
    return server;
  }

  addCamera(id: string, manager: string): void {
    this.cameras.push({ id, unit: `unit-${id}`, manager, epoch: 1, state: 'online' });
  }

  /** Records a capture and seals it. */
  async record(server: string, { tracks, epoch, originUs, samples }: Recording): Promise<void> {
    const { recorder } = this.server(server);
    const camera = tracks[0]?.camera ?? '';
    const failures: string[] = [];
    const recording = recorder.record({
      camera,
      epoch,
      onDurable: () => undefined,
      onFailed: (reason) => failures.push(reason),
    });
    recording.setTracks(tracks);
    recording.setMapping({ offsetUs: originUs, uncertaintyUs: 1000 });
    const all = samples.flatMap((list, place) => list.map((sample) => ({ trackId: place + 1, sample })));
    all.sort((a, b) => a.sample.ptsUs - b.sample.ptsUs);
    for (const { trackId, sample } of all) recording.push(trackId, sample);
    await recorder.finish(recording);
    if (failures.length > 0) throw new Error(`recording failed: ${failures.join(', ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers.values()) await server[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async openServer(id: string): Promise<SiteServer> {
    const unit = await issueUnitCertificate(this.authority, { unit: id, role: 'server', cameras: [] });
    const ca = this.authority.certificate;
    const identity = { ...unit, ca, site, unit: id, role: 'server' as const, sealKeys: [] };
    const recorder = await openRecorder({
      disk: realDisk,
      index: await openLevelStore(path.join(this.folder, id, 'index')),
      threads: 8,
      volumes: [path.join(this.folder, id, 'media')],
      segmentSeconds: 60,
      syncIntervalMs: 1000,
      clock: systemClock,
      owner: { site, server: id },
      newId: () => '0123456789abcdef',
      reserveBytes: () => 0,
    });
    const live = createLiveHub({ onWatched: () => undefined });
    const peers = createPeerClient({
      ca: identity.ca,
      cert: identity.certificate,
      key: identity.key,
      identify: (subjectAltName) => peerIdentity(subjectAltName, site),
      resolve: (server) => {
        const port = this.servers.get(server)?.links.port;
        return this.detours.get(server) ?? (port === undefined ? undefined : { host: '127.0.0.1', port });
      },
    });
    const errors: unknown[] = [];
    const viewing = createViewing({
      version: '0.0.0-test',
      directory: this.directoryOf(id),
      network: networkAccess(),
      archive: recorder.archive,
      protections: protectionsOf(id),
      live,
      peers,
      access: openAccess,
      decoder: gstreamerDecoder(),
      clock: systemClock,
      status: () => statusOf(id),
      assets: { script: 'export {};', style: 'body { margin: 0 }' },
      onError: (thrown) => errors.push(thrown),
      ...this.parts(id),
    });
    const stop = new AbortController();
    const http = await openHttpServer({
      viewing,
      host: '127.0.0.1',
      port: 0,
      unit: id,
      names: [],
      signal: stop.signal,
    });
    const links = await listenForLinks({
      identity,
      host: '127.0.0.1',
      port: 0,
      onLink: (link) => link.close('not in this test'),
      onHttp: (socket, peer) => http.accept(socket, { peer: peer.unit }),
      onRefused: () => undefined,
    });
    return {
      id,
      url: http.url,
      live,
      recorder,
      http,
      viewing,
      links,
      errors,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await http.closed;
        await links[Symbol.asyncDispose]();
        peers[Symbol.dispose]();
        await recorder[Symbol.asyncDispose]();
      },
    };
  }

  private directoryOf(self: string): Directory {
    return {
      site,
      self,
      servers: () =>
        [...this.servers.values()].map(({ id, url }): ServerEntry => {
          const state = id === self ? 'self' : this.unreachable.has(id) ? 'unreachable' : 'reachable';
          const hops = state === 'unreachable' ? undefined : id === self ? 0 : 1;
          const cameras = this.cameras.filter(({ manager }) => manager === id).map((camera) => camera.id);
          return { id, state, hops, pageUrl: url, cameras };
        }),
      cameras: () => this.cameras,
    };
  }
}

/** A status with nothing to tell. */
export function statusOf(server: string): StatusAnswer {
  return {
    server,
    version: '0.0.0-test',
    startedAt: '2026-11-22T12:00:00.000Z',
    uptimeSeconds: 1,
    cpuSeconds: 1,
    residentBytes: 1,
    recordedBytes: 1,
    refused: {},
    alarms: [],
    volumes: [],
    cameras: [],
  };
}
