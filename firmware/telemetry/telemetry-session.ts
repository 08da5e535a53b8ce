/**
 * One session with a broker: says everything anew when it begins, then what has changed, and hears commands.
 *
 * Invariants: a topic's message is put again only when it differs from the last one, or everything is announced anew;
 * of a camera nothing is said unless its claim allows it (camera-claims.ts), but that it was removed; a camera's state
 * comes before its availability, for a manager that was replaced falls silent by the state.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { Random } from '../overlay/effects.ts';
import type { Log } from '../runtime/log.ts';
import type { StatusAnswer } from '../viewing/api.ts';
import type { CameraEntry } from '../viewing/directory.ts';
import type { BrokerMessage, BrokerSession, HeardMessage } from './broker.ts';
import { CameraClaims } from './camera-claims.ts';
import { CommandDesk } from './command-desk.ts';
import { parseClaim } from './commands.ts';
import { eventReport } from './event-source.ts';
import { HeardRate } from './heard-rate.ts';
import {
  cameraDiscovery,
  payloadOffline,
  payloadOnline,
  type ServerIdentity,
  serverDiscovery,
} from './home-assistant.ts';
import { KnownStreams } from './known-streams.ts';
import { Outgoing } from './outgoing.ts';
import { RemovedCameras } from './removed-cameras.ts';
import { type CameraFacts, cameraReport, serverReport } from './reports.ts';
import { SnapshotRounds } from './snapshot-rounds.ts';
import type { TelemetryCounts } from './telemetry-counts.ts';
import type { TelemetrySources } from './telemetry-sources.ts';
import type { Topics } from './topics.ts';

/** How often everything is looked at. */
const tickMs = 1_000;
/** All servers hear at once that Home Assistant has started: they answer at different times. */
const announceMs = 3_000;
const farewellMs = 1_000;

export interface TelemetryOptions {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly identity: ServerIdentity;
  readonly sources: TelemetrySources;
  readonly counts: TelemetryCounts;
  readonly snapshotSeconds: number;
  /** a camera that was lost for so long is told as gone */
  readonly goneMs: number;
  /** the highest epoch that a camera can have */
  readonly epochMax: number;
}

export class TelemetrySession {
  private readonly options: TelemetryOptions;
  private readonly session: BrokerSession;
  private readonly outgoing: Outgoing;
  private readonly claims: CameraClaims;
  private readonly streams: KnownStreams;
  private readonly desk: CommandDesk;
  private readonly snapshots: SnapshotRounds | undefined;
  private readonly rate = new HeardRate();
  /** by topic, as it was published last */
  private readonly last = new Map<string, string>();
  private readonly refusedTopics = new Set<string>();
  /** what Home Assistant was told of a camera last, by camera */
  private readonly devices = new Map<string, string>();
  private readonly removed: RemovedCameras;
  private cancelTick = (): void => undefined;
  private cancelAnnounce: (() => void) | undefined;
  private ended = false;
  /** why this side has ended the session, if it has */
  problem: string | undefined;

  constructor(options: TelemetryOptions, session: BrokerSession) {
    this.options = options;
    this.session = session;
    const { clock, counts, identity, log, sources, snapshotSeconds } = options;
    this.outgoing = new Outgoing({
      session,
      clock,
      count: (outcome) => {
        counts.published[outcome] += 1;
      },
      onRefused: (topic, reason) => this.refused(topic, reason),
      onStuck: (reason) => {
        this.problem ??= reason;
        void session.close();
      },
    });
    const { goneMs, epochMax } = options;
    this.claims = new CameraClaims(identity.server, { goneMs, epochMax });
    const { directory, removed } = sources;
    const topicsOf = (camera: string): string[] => this.retainedOf(camera);
    const say = (topic: string, payload: string): void => this.say(topic, payload);
    this.removed = new RemovedCameras({ clock, goneMs, directory, removed, topicsOf, say, last: this.last });
    this.streams = new KnownStreams(sources.streams, clock);
    this.desk = new CommandDesk({
      counts,
      log,
      streams: sources.streams,
      steering: sources.steering,
      onCommand: sources.onCommand,
      onStream: (camera, outcome) => {
        this.streams.learn(camera, outcome);
        this.sayCameras();
      },
      tell: (camera, result) => this.put({ camera, leaf: 'result' }, JSON.stringify(result)),
    });
    sources.events?.listen((event) => {
      if (this.speaksFor(event.camera)) this.put({ camera: event.camera, leaf: 'event' }, eventReport(event));
      this.sayCameras();
    });
    const { frame } = sources;
    if (frame !== undefined && snapshotSeconds > 0) {
      const publish = (camera: string, payload: Uint8Array): void => {
        const topic = options.topics.camera(camera, 'snapshot');
        // Not retained: a picture that is kept looks like now, whenever it was taken, and lies on the broker's disk.
        if (this.speaksFor(camera)) this.outgoing.put({ topic, payload, retained: false });
      };
      const cameras = (): string[] =>
        this.managed()
          .map(({ id }) => id)
          .filter((id) => this.speaksFor(id));
      this.snapshots = new SnapshotRounds({
        clock,
        everyMs: snapshotSeconds * 1000,
        cameras,
        frame,
        publish,
      });
    }
  }

  /** Begins to tell and to hear. */
  begin(): void {
    const { topics, identity } = this.options;
    void this.listen([topics.homeAssistant]);
    this.say(topics.server(identity.server, 'availability'), payloadOnline);
    this.tick();
  }

  /** Something came from the broker; returns how long the next message must wait. */
  hear(message: HeardMessage): number {
    const { topics, clock } = this.options;
    const nowMs = clock.monotonicMs();
    const meaning = topics.meaningOf(message.topic);
    if (meaning?.kind === 'command') {
      const { camera, command } = meaning;
      this.desk.take({ camera, command, message, here: this.speaksFor(camera) });
    } else if (meaning?.kind === 'claim') {
      this.heardClaim(meaning.camera, meaning.topic, message);
    } else if (meaning !== undefined && !message.retained && textOf(message) === 'online') {
      this.announceSoon();
    }
    return this.rate.take(nowMs);
  }

  /** Says goodbye, as far as the broker listens. */
  async leave(): Promise<void> {
    const { topics, identity, clock } = this.options;
    this.stop();
    this.say(topics.server(identity.server, 'availability'), payloadOffline);
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(farewellMs, resolve);
    });
    await Promise.race([this.outgoing.drained(), late]);
    cancel();
    this.end();
    await this.session.close();
  }

  /** Nothing more is said in this session. */
  end(): void {
    this.stop();
    this.outgoing.close();
  }

  private stop(): void {
    this.ended = true;
    this.cancelTick();
    this.cancelAnnounce?.();
    this.snapshots?.stop();
  }

  private tick(): void {
    if (this.ended) return;
    this.cancelTick = this.options.clock.after(tickMs, () => this.tick());
    this.sayServer();
    this.follow();
    this.sayCameras();
    this.removed.look();
  }

  private managed(): CameraEntry[] {
    const { directory } = this.options.sources;
    return directory.cameras().filter(({ manager }) => manager === directory.self);
  }

  private speaksFor(camera: string): boolean {
    return this.claims.standing(this.options.clock.monotonicMs(), camera) === 'present';
  }

  /** Listens to what is said of the cameras that are managed here, and no others. */
  private follow(): void {
    const { topics, clock, sources } = this.options;
    const cameras = this.managed().map(({ id, epoch, state }) => ({ id, epoch, online: state === 'online' }));
    const servers = sources.directory.servers();
    const { begun, ended } = this.claims.observe(clock.monotonicMs(), cameras, servers);
    for (const camera of ended) {
      for (const topic of this.retainedOf(camera)) this.last.delete(topic);
      this.devices.delete(camera);
      this.streams.forget(camera);
    }
    if (ended.length > 0)
      void this.session.unsubscribe(ended.flatMap((id) => topics.heardOf(id))).catch(ignore);
    for (const camera of begun) {
      // Asked now, it has answered when its turn to be told comes.
      this.streams.of(camera);
      void this.listen(topics.heardOf(camera)).then(() => {
        this.claims.listening(clock.monotonicMs(), camera);
      });
    }
  }

  private retainedOf(camera: string): string[] {
    const { topics } = this.options;
    const said = (['state', 'availability'] as const).map((leaf) => topics.camera(camera, leaf));
    return [topics.discovery('camera', camera), ...said];
  }

  private async listen(topics: readonly string[]): Promise<void> {
    try {
      const refusal = await this.session.subscribe(topics);
      if (refusal !== undefined) this.refused(topics.join(' '), refusal);
    } catch (error) {
      // The session is over, which is told where it was begun.
      this.options.log('debug', `MQTT: ${messageOf(error)}`);
    }
  }

  private sayServer(): void {
    const { topics, identity, sources } = this.options;
    const { server, version } = identity;
    const { alarms, volumes, cameras } = sources.status();
    const others = sources.directory.servers().filter(({ state }) => state === 'reachable');
    const findings = sources.disks?.().findings;
    const machine = findings === undefined ? {} : { findings };
    const facts = {
      server,
      version,
      cameras: cameras.length,
      peers: others.length,
      alarms,
      volumes,
      ...machine,
    };
    const { name = '' } = sources.names?.ofServer(server) ?? {};
    this.say(topics.discovery('server', server), JSON.stringify(serverDiscovery(topics, identity, name)));
    this.say(topics.server(server, 'state'), JSON.stringify(serverReport(facts)));
  }

  private sayCameras(): void {
    if (this.ended) return;
    const nowMs = this.options.clock.monotonicMs();
    const status = this.options.sources.status();
    for (const entry of this.managed()) {
      const standing = this.claims.standing(nowMs, entry.id);
      if (standing !== 'silent') this.sayCamera(entry, standing === 'present', status);
    }
  }

  private sayCamera(entry: CameraEntry, online: boolean, status: StatusAnswer): void {
    const { topics } = this.options;
    const facts = this.factsOf(entry, online, status);
    this.sayDiscovery(facts);
    this.say(topics.camera(entry.id, 'state'), JSON.stringify(cameraReport(facts)));
    const availability = topics.camera(entry.id, 'availability');
    const present = online ? payloadOnline : payloadOffline;
    const came = online && this.last.get(availability) !== present;
    this.say(availability, present);
    if (came) this.snapshots?.start();
  }

  /** What it has is said once that is known: it must not lose its sliders whenever it is handed over. */
  private sayDiscovery({ camera, online, mount, stream }: CameraFacts): void {
    const { topics, identity, sources, snapshotSeconds } = this.options;
    // One that cannot even say how it streams will not say how it turns.
    const turns = stream === null ? (mount ?? null) : mount;
    const topic = topics.discovery('camera', camera);
    // Said again as it was, should somebody have taken it away.
    if (!online || turns === undefined || stream === undefined) {
      const before = this.devices.get(camera);
      if (before !== undefined) this.say(topic, before);
      return;
    }
    const { name = '', group = '' } = sources.names?.ofCamera(camera) ?? {};
    const snapshots = sources.frame !== undefined && snapshotSeconds > 0;
    const sees = sources.events?.kindsOf(camera) ?? [];
    const known = { camera, name, group, mount: turns, frameRate: stream?.frameRate, snapshots, sees };
    const device = JSON.stringify(cameraDiscovery(topics, identity, known));
    this.devices.set(camera, device);
    this.say(topic, device);
  }

  private factsOf(
    { id, unit, manager, epoch }: CameraEntry,
    online: boolean,
    { alarms, cameras }: StatusAnswer,
  ): CameraFacts {
    const { clock, sources } = this.options;
    const snapshot = sources.live.snapshot(id);
    const { lastFrameUs } = snapshot ?? {};
    const video = snapshot?.tracks.find(({ kind, rendition }) => kind === 'video' && rendition === 'main');
    const saved = cameras.some((one) => one.id === id && one.durableThrough !== null);
    return {
      camera: id,
      manager,
      epoch,
      unit,
      online,
      recording: saved && !alarms.some((alarm) => alarm.id === `camera/${id}`),
      frameAgeMs: lastFrameUs === undefined ? undefined : clock.utcMs() - lastFrameUs / 1000,
      width: video?.format.width,
      height: video?.format.height,
      stream: online ? this.streams.of(id) : null,
      mount: sources.steering === undefined ? null : sources.steering.mount(id),
      motion: sources.events?.lasts(id, 'motion'),
    };
  }

  /**
   * What is published over goes out with the next look at everything, so nobody can make this server hurry. What was
   * heard is what the broker retains: a server that is silent now says its own when it speaks again.
   */
  private heardClaim(camera: string, leaf: 'state' | 'availability', message: HeardMessage): void {
    const { clock, counts, topics } = this.options;
    if (this.last.get(message.topic) === textOf(message)) return;
    const claim = leaf === 'state' ? parseClaim(message.payload) : undefined;
    if (this.claims.heard(clock.monotonicMs(), camera, claim)) counts.mended += 1;
    for (const one of ['state', 'availability'] as const) this.last.delete(topics.camera(camera, one));
    this.last.delete(topics.discovery('camera', camera));
  }

  /** Everything again, in a moment. */
  private announceSoon(): void {
    const { clock, random, topics, identity } = this.options;
    this.cancelAnnounce ??= clock.after(random.unit() * announceMs, () => {
      this.cancelAnnounce = undefined;
      this.last.clear();
      this.say(topics.server(identity.server, 'availability'), payloadOnline);
      this.sayServer();
      this.sayCameras();
      this.snapshots?.start();
    });
  }

  /** Publishes state, retained, unless the broker has it already. */
  private say(topic: string, payload: string): void {
    if (this.last.get(topic) === payload) return;
    if (this.outgoing.put({ topic, payload, retained: true })) this.last.set(topic, payload);
  }

  private put({ camera, leaf }: { camera: string; leaf: 'event' | 'result' }, payload: string): void {
    const message: BrokerMessage = {
      topic: this.options.topics.camera(camera, leaf),
      payload,
      retained: false,
    };
    this.outgoing.put(message);
  }

  private refused(topic: string, reason: string): void {
    if (this.refusedTopics.has(topic) || this.refusedTopics.size >= refusedTopicsMax) return;
    this.refusedTopics.add(topic);
    this.options.log(
      'warn',
      `MQTT: ${reason}: ${topic}; check the rights of this server's user at the broker`,
    );
  }
}

const refusedTopicsMax = 64;

function textOf({ payload }: HeardMessage): string {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('utf8');
}

function ignore(): void {
  // The session is over.
}
