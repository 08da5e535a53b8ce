/**
 * The server: overlay, recorder, viewing. An ordered list of services; the parts meet only here.
 */
import { join } from 'node:path';
import type { ServerUnitConfig } from '../config/unit-config.ts';
import { anycastPortDefault } from '../config/unit-config.ts';
import { receiveAnycast } from '../io/anycast.ts';
import { realDisk } from '../io/disk.ts';
import { openHttpServer } from '../io/http-server.ts';
import { openLevelStore } from '../io/level-store.ts';
import { createPeerClient } from '../io/peer-client.ts';
import { processUsage } from '../io/process-usage.ts';
import { systemRandom } from '../io/system-random.ts';
import { loadIdentity } from '../io/tls-identity.ts';
import { listenForLinks } from '../io/tls-link.ts';
import { ServerNode } from '../overlay/server-node.ts';
import { Ingest } from '../recording/ingest.ts';
import { openRecorder } from '../recording/recorder.ts';
import { Refusals } from '../runtime/log.ts';
import { ServiceStack } from '../runtime/service-stack.ts';
import { peerIdentity } from '../site/identity.ts';
import { createViewing } from '../viewing/http-api.ts';
import { createLiveHub } from '../viewing/live-hub.ts';
import type { PageAssets } from '../viewing/page-shell.ts';
import { advertisedAddress, reachableAddress } from './advertised-address.ts';
import type { RoleOptions } from './camera.ts';
import { IngestTable } from './ingest-table.ts';
import { beginIncarnation, OverlayShell, type RoleEffect } from './overlay-shell.ts';
import { serverDirectory } from './server-directory.ts';

/** Runs until disposed. Rejects with a Failure when it cannot start. */
export async function startServer(
  options: RoleOptions<ServerUnitConfig> & { readonly assets: PageAssets },
): Promise<AsyncDisposable> {
  const { config, clock, log, version } = options;
  const services = new ServiceStack();
  try {
    const identity = await loadIdentity(config);
    const refusals = new Refusals(log);
    const { incarnation } = beginIncarnation(config.data);

    const index = await openLevelStore(join(config.data, 'index'));
    // The recorder closes it, if there comes to be one.
    services.use(index);
    const recorder = await openRecorder({
      disk: realDisk,
      index,
      volumes: config.server.volumes,
      segmentSeconds: config.server.segmentSeconds,
      syncIntervalMs: config.server.syncIntervalMs,
      clock,
    });
    services.use(recorder);
    for (const note of recorder.recovery.notes) log('warn', `start-up recovery: ${note}`);
    if (recorder.recovery.recovered > 0) {
      log('info', `start-up recovery: ${recorder.recovery.recovered} unsealed segments indexed`);
    }

    const stopping = new AbortController();
    const ingests = new IngestTable();
    services.defer(() => ingests.closeAll('the server stops'));
    const live = createLiveHub({ onWatched: (camera, watched) => ingests.setPacing(camera, watched) });

    const usage = processUsage();
    // By the clock that cannot be set: many boards begin in 1970 until the network tells them the time.
    const startedAtMs = clock.monotonicMs();
    const uptimeMs = (): number => Math.round(clock.monotonicMs() - startedAtMs);
    let directory: ReturnType<typeof serverDirectory> | undefined = undefined;
    const peers = createPeerClient({
      ca: identity.ca,
      cert: identity.certificate,
      key: identity.key,
      identify: (subjectAltName) => peerIdentity(subjectAltName, identity.site),
      resolve: (server) => directory?.addressOf(server),
    });
    services.defer(() => peers[Symbol.dispose]());
    const viewing = createViewing({
      version,
      directory: {
        site: identity.site,
        self: config.unit,
        servers: () => directory?.servers() ?? [],
        cameras: () => directory?.cameras() ?? [],
      },
      archive: recorder.archive,
      live,
      peers,
      clock,
      status: () => ({
        server: config.unit,
        version,
        startedAt: new Date(clock.utcMs() - uptimeMs()).toISOString(),
        uptimeSeconds: uptimeMs() / 1000,
        ...usage(),
        recordedBytes: ingests.recordedBytes(),
        refused: refusals.snapshot(),
        cameras: ingests.cameras(),
      }),
      assets: options.assets,
      onError: (thrown) => log('error', 'a request failed', { error: String(thrown) }),
    });
    const page = config.server.http;
    const http = await openHttpServer({ viewing, host: page.host, port: page.port, signal: stopping.signal });
    services.use(http);

    // The node must know both ports. Nothing is accepted before `shell` exists: it is made in the same turn.
    const listener = await listenForLinks({
      identity,
      host: config.link.host,
      port: config.link.port,
      onLink: (link) => shell.accept(link),
      onHttp: (socket, peer) => http.accept(socket, { peer: peer.unit }),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
    });
    services.use(listener);

    const node = new ServerNode({
      network: identity.site,
      unit: config.unit,
      link: advertisedAddress(config.link, listener.port),
      reachableAt: reachableAddress(config.link, listener.port),
      pageUrl: http.url,
      incarnation,
      camerasMax: config.server.camerasMax,
      random: systemRandom,
      utcUs: () => Math.round(clock.utcMs() * 1000),
    });
    directory = serverDirectory(node, identity.site, config.unit);
    const onEffect = (effect: RoleEffect): void => {
      if (effect.type === 'attached') {
        const ingest: Ingest = new Ingest({
          link: {
            send: (kind, parts) => link?.send(kind, parts) ?? false,
            pause: () => shell.hold(effect.link, true),
            resume: () => shell.hold(effect.link, false),
            close: (reason) => link?.close(reason),
          },
          cameras: effect.cameras,
          epoch: effect.epoch,
          recorder,
          feed: live,
        });
        const link = shell.use(effect.link, {
          frame: (kind, parts) => ingest.frame(kind, parts),
          drained: () => undefined,
        });
        ingests.add(effect.link, ingest);
        for (const camera of effect.cameras) ingest.setPacing(camera, live.viewers(camera) > 0);
      } else if (effect.type === 'detached') {
        ingests.remove(effect.link, effect.reason);
      }
    };
    const { endpoints } = config.anycast;
    const shell = new OverlayShell({
      node,
      identity,
      endpoints,
      dataFolder: config.data,
      clock,
      log,
      refusals,
      onEffect,
    });
    services.use(shell);

    const ports = new Set(endpoints.filter(({ kind }) => kind === 'multicast').map(({ port }) => port));
    const unicast = [...(ports.size === 0 ? [anycastPortDefault] : ports)].map((port) => {
      return { kind: 'address' as const, host: config.link.host, port };
    });
    services.use(
      await receiveAnycast({
        endpoints: [...endpoints, ...unicast],
        keys: identity.sealKeys,
        nowMs: () => clock.monotonicMs(),
        onPacket: (packet, from) => shell.datagram(packet, from),
        onRefused: (reason, peer) => refusals.refuse(reason, peer),
        onFailed: ({ host, port }, reason) =>
          log('warn', `cannot receive joins on ${host}:${port}: ${reason}; it is tried again`),
      }),
    );
    shell.start();
    log(
      'info',
      `server ${config.unit}: page ${http.url}, links on ${config.link.host} port ${listener.port}`,
    );
    return services;
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw error;
  }
}
