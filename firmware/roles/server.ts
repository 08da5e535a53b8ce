/**
 * The server: overlay, recorder, viewing. An ordered list of services; the parts meet only here.
 */
import { Failure } from '../base/failure.ts';
import type { CareFolder } from '../boxcare/box-care.ts';
import type { AnycastEndpoint, ServerUnitConfig } from '../config/unit-config.ts';
import { anycastPortDefault } from '../config/unit-config.ts';
import { AnycastAddress, ownedAddresses } from '../io/anycast-address.ts';
import { type AnycastReceiver, receiveAnycast } from '../io/anycast-receiver.ts';
import { Ballast } from '../io/ballast.ts';
import { gstreamerDecoder } from '../io/frame-decoder.ts';
import { type HttpServer, openHttpServer } from '../io/http-server.ts';
import { createPeerClient } from '../io/peer-client.ts';
import { processUsage } from '../io/process-usage.ts';
import { beginIncarnation } from '../io/state-file.ts';
import { systemRandom } from '../io/system-random.ts';
import { loadIdentity } from '../io/tls-identity.ts';
import { listenForLinks } from '../io/tls-link.ts';
import { removedCameras } from '../overlay/camera-deletion.ts';
import { profiles } from '../overlay/constants.ts';
import type { Address, DocumentRow } from '../overlay/packets.ts';
import { ServerNode } from '../overlay/server-node.ts';
import type { CameraView } from '../overlay/views.ts';
import type { Recorder } from '../recording/recorder.ts';
import { Refusals } from '../runtime/log.ts';
import type { LogRing } from '../runtime/log-ring.ts';
import { ServiceStack } from '../runtime/service-stack.ts';
import { peerIdentity } from '../site/identity.ts';
import { SiteSettings } from '../site/site-settings.ts';
import type { StatusAnswer } from '../viewing/api.ts';
import { createViewing, type Viewing } from '../viewing/http-api.ts';
import { createLiveHub } from '../viewing/live-hub.ts';
import type { NetworkAccess } from '../viewing/network-access.ts';
import type { PageAssets } from '../viewing/page-shell.ts';
import { alarmJson, volumeJson } from '../viewing/recording-json.ts';
import { advertisedAddress, reachableAddress, watchAddress } from './advertised-address.ts';
import { openClockCare, startBoxCare } from './box-watch.ts';
import type { RoleOptions } from './camera.ts';
import { CameraQueries } from './camera-queries.ts';
import { IngestTable } from './ingest-table.ts';
import { Intake } from './intake.ts';
import type { OverlayShell } from './overlay-shell.ts';
import { OverlayUnit, type OverlayUnitOptions } from './overlay-unit.ts';
import type { RecordingCare } from './recording-care.ts';
import { memoryWithFirstAdmin, openServerAccess, startServerAccess } from './server-access.ts';
import { addServerConsole } from './server-console.ts';
import { ServerControls } from './server-controls.ts';
import { lostCameras, serverDirectory } from './server-directory.ts';
import { openRecording } from './server-recording.ts';
import { serverMetrics, startTelemetry } from './server-telemetry.ts';
import { openServiceNotice, serverState } from './unit-notice.ts';

/** A question travels over four servers at most, each of which waits for its answer. */
const queryReplies = 6;
/** A board without a battery waits so long for the time before it takes cameras, which keep a minute themselves. */
const clockWaitMs = 30_000;

export interface ServerOptions extends RoleOptions<ServerUnitConfig> {
  readonly assets: PageAssets;
  /** this unit's log, for those who may read it */
  readonly ring: LogRing;
  /** asks for the unit's end; whoever runs it then disposes of it */
  readonly stop: (reason: string) => void;
}

/** Runs until disposed; leaves the network first. Rejects with a Failure when it cannot start. */
export async function startServer(options: ServerOptions): Promise<AsyncDisposable> {
  const { config, clock, log, version } = options;
  const services = new ServiceStack();
  try {
    const notice = openServiceNotice(clock, log);
    services.use(notice);
    const identity = await loadIdentity(config);
    const refusals = new Refusals(log);
    // A full disk must not keep away the one who can make room on it.
    await new Ballast(config.data).giveWay();
    const { incarnation } = beginIncarnation(config.data);
    const ingests = new IngestTable();
    const metrics = serverMetrics(options);
    const settings = new SiteSettings();
    const clockCare = await openClockCare(options);
    services.use(clockCare);
    const clockTrusted = clockCare.trusted;
    const { index, recorder, memory, care, eventLog } = await openRecording(
      { ...options, clockTrusted, metrics, settings },
      services,
      ingests,
    );
    services.defer(() => ingests.closeAll('the server stops'));
    const accessParts = { config, clock, log, clockTrusted, identity, index, refusals };
    const access = await openServerAccess(accessParts, services);
    const known = await memoryWithFirstAdmin(memory.loaded, accessParts);
    // Who is signed in stays so while the server starts.
    access.documentChanged(known.document);
    settings.take(known.document);
    const live = createLiveHub({ onWatched: (camera, watched) => ingests.setPacing(camera, watched) });

    // The page is there a moment before the node, which must know its port.
    let node: ServerNode | undefined = undefined;
    const present = (): ServerNode => node ?? starting();
    const profile = profiles[config.overlay.profile];
    const directory = serverDirectory(
      { servers: () => node?.servers() ?? [], cameras: () => cameras() },
      identity.site,
      config.unit,
    );
    const queries = new CameraQueries({
      clock,
      timeoutMs: queryReplies * profile.replyMs,
      ask: (query, camera) => overlay.shell.query(query, camera),
      lastKnown: (camera) => node?.cameras().find((view) => view.camera === camera),
    });
    const cameras = (): CameraView[] => node?.cameras() ?? [];
    const shell = (): OverlayShell => (present(), overlay.shell);
    const controls = new ServerControls({ clock, shell, settings, eventLog, live, cameras });
    const { streams } = controls;
    const network: NetworkAccess = {
      tables: () => present().tables(),
      where: async (camera) => (present(), queries.where(camera)),
      leave: () => options.stop('told to leave the network'),
      log: (lines) => options.ring.last(lines),
    };
    const peers = createPeerClient({
      ca: identity.ca,
      cert: identity.certificate,
      key: identity.key,
      identify: (subjectAltName) => peerIdentity(subjectAltName, identity.site),
      resolve: (server) => directory.addressOf(server),
    });
    services.defer(() => peers[Symbol.dispose]());
    const status = serverStatus(options, { ingests, refusals, recorder, care });
    const folders = serverFolders(config, recorder);
    const box = startBoxCare(options, { clockCare, folders }, services);
    const disks = () => box.report();
    const viewing = createViewing({
      version,
      directory,
      network,
      archive: recorder.archive,
      protections: care,
      live,
      peers,
      streams,
      ptz: controls.ptz,
      settings: controls.settings,
      events: controls.events,
      access,
      accounts: access,
      signLinks: (target) => access.links.covering(target),
      decoder: gstreamerDecoder(),
      clock,
      status,
      disks,
      metrics,
      assets: options.assets,
      onError: (thrown) => log('error', 'a request failed', { error: String(thrown) }),
    });
    const http = await openHttp(options, viewing);
    services.use(http);

    // The node must know both ports. Nothing is accepted before `overlay` exists: it is made in the same turn.
    const listener = await listenForLinks({
      identity,
      host: config.link.host,
      port: config.link.port,
      onLink: (link) => overlay.shell.accept(link),
      onHttp: (socket, peer) => http.accept(socket, { peer: peer.unit }),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
    });
    services.use(listener);

    const reachedAt = (): Address => reachableAddress(config.link, listener.port);
    node = new ServerNode({
      site: identity.site,
      unit: config.unit,
      link: advertisedAddress(config.link, listener.port),
      reachableAt: reachedAt(),
      pageUrl: http.url,
      incarnation,
      camerasMax: config.server.camerasMax,
      kbpsMax: config.server.kbpsMax,
      degree: config.server.links,
      profile,
      memory: known,
      random: systemRandom,
      utcUs: () => Math.round(clock.utcMs() * 1000),
      clockTrusted,
    });
    let ears: AnycastReceiver | undefined = undefined;
    const addresses = ownedAddresses(config.anycast.endpoints);
    let joined = false;
    // A server that is alone takes its address down again while it asks who else is there.
    const onWish = (up: boolean): void => {
      if (!up || joined) return;
      joined = true;
      notice.now();
    };
    const address = new AnycastAddress({ addresses, log, onUp: () => ears?.listen(), onWish });
    services.use(address);
    // A run that was killed may have left it up.
    address.set(false);

    const intake = new Intake({ ingests, recorder, live });
    const documentChanged = (rows: readonly DocumentRow[]): void => {
      care.documentChanged(rows);
      access.documentChanged(rows);
    };
    const onEffect: OverlayUnitOptions['onEffect'] = (effect) => {
      if (effect.type === 'attached') intake.attached(effect, overlay.shell);
      else if (effect.type === 'detached') intake.detached(effect, overlay.shell);
      else if (effect.type === 'document') documentChanged(effect.rows);
      else if (effect.type === 'answered') queries.answered(effect.query, effect.answer);
      controls.happened(effect);
    };
    const overlay = new OverlayUnit({
      config,
      identity,
      node,
      memory,
      address,
      clock,
      log,
      refusals,
      onStory: (about) => metrics.happened(about),
      onEffect,
    });
    services.use(overlay);
    const movedTo = (address: Address): void => {
      log('info', `is reached at ${address.host} port ${address.port} now`);
      overlay.shell.movedTo(address);
    };
    services.defer(watchAddress(clock, reachedAt, movedTo));

    ears = await receiveAnycast({
      endpoints: earsOf(config, listener.port),
      keys: identity.sealKeys,
      nowMs: () => clock.monotonicMs(),
      onPacket: (packet, from, multicast) => overlay.shell.datagram(packet, from, multicast),
      onRefused: (reason, peer) => refusals.refuse(reason, peer),
      onFailed: (endpoint, reason) =>
        log(
          'warn',
          `cannot receive joins on ${endpoint.host}:${endpoint.port}: ${reason}; it is tried again`,
        ),
    });
    services.use(ears);
    await clockCare.settled(clockWaitMs);
    overlay.shell.start();
    care.start(overlay.shell, node.document(), () => lostCameras(directory));
    access.start((kind, id, value) => overlay.shell.write(kind, id, value), node.document());
    await startServerAccess(access, accessParts, { url: http.url, services });
    const linkCosts = () => present().tables().neighbor.oneHop;
    const sources = {
      directory,
      removed: () => removedCameras(present().document()),
      status,
      disks,
      live,
      streams,
      linkCosts,
      steering: controls.steerAccess(),
      events: controls.events,
      names: settings,
    };
    const telemetry = startTelemetry({
      ...options,
      metrics,
      pageUrl: http.url,
      trail: access.trail,
      sources,
    });
    if (telemetry !== undefined) services.use(telemetry);
    log(
      'info',
      `server ${config.unit}: page ${http.url}${secureNote(http)}, links on ${config.link.host} port ${listener.port}`,
    );
    if (options.commands !== undefined)
      addServerConsole(options.commands, {
        unit: config.unit,
        node: () => node,
        where: (camera) => network.where(camera),
        status,
        ptz: controls.ptz,
        pageUrl: () => http.url,
      });
    // First of all when it stops: its cameras and neighbors are told while everything still runs.
    services.defer(() => overlay.leave());
    const neighbors = () => linkCosts().length;
    const usable = () => recorder.usable();
    const work = { clock, joined: () => joined, neighbors, cameras: () => ingests.seen(), usable };
    notice.started(serverState(work));
    services.defer(() => notice.stopping());
    return services;
  } catch (error) {
    await services[Symbol.asyncDispose]();
    throw error;
  }
}

/** The page and the API, on all their ports. */
function openHttp({ config, log }: ServerOptions, viewing: Viewing): Promise<HttpServer> {
  const { http, https } = config.server;
  return openHttpServer({
    viewing,
    host: http.host,
    port: http.port,
    https: https && {
      ...https,
      onReload: (fault) => {
        if (fault === undefined) log('info', 'the certificate of the page was read anew');
        else log('warn', 'the certificate of the page has changed, and the old one stays in use', { fault });
      },
    },
    unit: config.unit,
    names: [...http.names, ...(https?.names ?? [])],
    signal: new AbortController().signal,
  });
}

function secureNote({ securePort }: HttpServer): string {
  return securePort === undefined ? '' : ` and over HTTPS on port ${securePort}`;
}

function starting(): never {
  throw new Failure('SERVER_FAILED', 'the server is starting', { advice: 'Ask again in a moment.' });
}

/** Where this server writes. */
function serverFolders({ data }: ServerUnitConfig, { volumes }: Recorder): () => CareFolder[] {
  return () => {
    const recorded = volumes.status().map(({ folder, totalBytes, freeBytes, state }): CareFolder => {
      return { folder, totalBytes, freeBytes, problem: state.is === 'ok' ? undefined : state.reason };
    });
    // What is on one file system is told once.
    const apart = recorded.every(({ folder }) => !folder.startsWith(`${data}/`));
    return apart ? [{ folder: data, totalBytes: 0, freeBytes: 0 }, ...recorded] : recorded;
  };
}

function serverStatus(
  { config, clock, version }: ServerOptions,
  parts: { ingests: IngestTable; refusals: Refusals; recorder: Recorder; care: RecordingCare },
): () => StatusAnswer {
  const { ingests, refusals, recorder, care } = parts;
  const usage = processUsage();
  // By the clock that cannot be set: many boards begin in 1970 until the network tells them the time.
  const startedAtMs = clock.monotonicMs();
  return () => {
    const uptimeMs = Math.round(clock.monotonicMs() - startedAtMs);
    return {
      server: config.unit,
      version,
      startedAt: new Date(clock.utcMs() - uptimeMs).toISOString(),
      uptimeSeconds: uptimeMs / 1000,
      ...usage(),
      recordedBytes: ingests.recordedBytes(),
      refused: refusals.snapshot(),
      alarms: care.alarms().map(alarmJson),
      volumes: recorder.volumes.status().map(volumeJson),
      cameras: ingests.cameras(),
    };
  };
}

/**
 * Where a server hears joins: at the endpoints; on its own address for those to whom it is a seed; and at its link
 * port, for those who know its link.
 */
function earsOf({ anycast: { endpoints }, link }: ServerUnitConfig, linkPort: number): AnycastEndpoint[] {
  const groups = endpoints.filter(({ kind }) => kind === 'multicast').map(({ port }) => port);
  const ports = new Set([...(groups.length === 0 ? [anycastPortDefault] : groups), linkPort]);
  const own = [...ports].map((port) => ({ kind: 'address' as const, host: link.host, port }));
  return [...endpoints, ...own];
}
