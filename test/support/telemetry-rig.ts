/** Telemetry of one server against a real broker; what the server knows is plain data that a test may change. */
import { parseBrokerUrl } from '../../firmware/config/mqtt-section.ts';
import { mqttBroker } from '../../firmware/io/mqtt-broker.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { systemRandom } from '../../firmware/io/system-random.ts';
import { counterMax } from '../../firmware/overlay/counters.ts';
import type { StoredEvent } from '../../firmware/recording/event-log.ts';
import { MqttTelemetry } from '../../firmware/telemetry/mqtt-telemetry.ts';
import type { MountView, SteerWish } from '../../firmware/telemetry/steer-access.ts';
import { TelemetryCounts } from '../../firmware/telemetry/telemetry-counts.ts';
import { Topics } from '../../firmware/telemetry/topics.ts';
import type { StatusAnswer } from '../../firmware/viewing/api.ts';
import type { CameraEntry, ServerEntry } from '../../firmware/viewing/directory.ts';
import type { StreamWish } from '../../firmware/viewing/stream-access.ts';
import type { Mosquitto } from './mosquitto.ts';
import { statusOf } from './viewing-site.ts';

export const topics = new Topics({ prefix: 'starling', discoveryPrefix: 'homeassistant', site: 'home' });

export interface TelemetryRig extends AsyncDisposable {
  readonly counts: TelemetryCounts;
  readonly log: string[];
  /** as this server's overlay believes */
  readonly cameras: CameraEntry[];
  /** likewise; nobody knows of any at first */
  readonly servers: ServerEntry[];
  /** taken off the site's lists */
  readonly removed: string[];
  readonly status: { -readonly [K in keyof StatusAnswer]: StatusAnswer[K] };
  readonly steered: SteerWish[];
  readonly streamed: StreamWish[];
  /** of every camera; null: it does not move */
  mount: MountView | null;
  /** what the sensors of every camera can see, and whether somebody moves */
  sees: readonly string[];
  motion: boolean | undefined;
  /** a sensor saw something */
  saw: (event: StoredEvent) => void;
  frame: ((camera: string) => Promise<Uint8Array | undefined>) | undefined;
  /** the clock that was held goes from now on */
  runClock: () => void;
}

export interface RigOptions {
  readonly server: string;
  readonly goneMs?: number;
  readonly snapshotSeconds?: number;
  readonly mount?: MountView | null;
  readonly frame?: TelemetryRig['frame'];
  /** how much faster its monotonic clock goes, 1 by default; timers do not */
  readonly clockRate?: number;
  /** its monotonic clock stands still until `runClock` */
  readonly clockHeld?: boolean;
}

export function camera(id: string, manager: string, epoch: number): CameraEntry {
  return { id, unit: `unit-${id}`, manager, epoch, state: 'online' };
}

/** Another server of the site. */
export function peer(id: string, state: 'reachable' | 'unreachable' = 'reachable'): ServerEntry {
  return { id, state, hops: state === 'reachable' ? 1 : undefined, pageUrl: '', cameras: [] };
}

/** Starts telemetry; `cameras` are there from the beginning. */
export function startRig(broker: Mosquitto, options: RigOptions, ...cameras: CameraEntry[]): TelemetryRig {
  const address = parseBrokerUrl(broker.url);
  if (address === undefined) throw new Error(broker.url);
  const { server, goneMs = 1_000, snapshotSeconds = 0 } = options;
  const clock = rigClock(options);
  const rig: Omit<TelemetryRig, typeof Symbol.asyncDispose> = {
    counts: new TelemetryCounts(),
    log: [],
    cameras: [...cameras],
    servers: [],
    removed: [],
    status: { ...statusOf(server), volumes: [volume] },
    steered: [],
    streamed: [],
    mount: options.mount ?? null,
    sees: [],
    motion: undefined,
    saw: () => undefined,
    frame: options.frame,
    runClock: clock.run,
  };
  let stream = { bitrateKbps: 2000, frameRate: 25, keyframeIntervalMs: 1000 };
  const telemetry = new MqttTelemetry({
    broker: mqttBroker({ address, clientId: `starling-home-${server}` }),
    brokerUrl: broker.url,
    topics,
    clock: {
      utcMs: () => systemClock.utcMs(),
      after: (ms, task) => systemClock.after(ms, task),
      monotonicMs: clock.monotonicMs,
    },
    random: systemRandom,
    log: (level, message) => void (level === 'debug' || rig.log.push(`${level} ${message}`)),
    identity: { server, version: '1.2.3', pageUrl: undefined },
    counts: rig.counts,
    snapshotSeconds,
    goneMs,
    epochMax: counterMax,
    sources: {
      directory: { site: 'home', self: server, servers: () => [...rig.servers], cameras: () => rig.cameras },
      removed: () => rig.removed,
      status: () => rig.status,
      live: { snapshot: () => ({ tracks: [], lastFrameUs: systemClock.utcMs() * 1000 }) },
      streams: {
        stream: async (_camera, wish) => {
          const { reset, ...change } = wish;
          if (reset || Object.keys(change).length > 0) rig.streamed.push(wish);
          stream = { ...stream, ...(change as Partial<typeof stream>) };
          return { ...stream, restarted: false };
        },
      },
      steering: {
        mount: () => rig.mount,
        steer: async (_camera, wish) => {
          rig.steered.push(wish);
          return undefined;
        },
      },
      events: {
        kindsOf: () => rig.sees,
        lasts: () => rig.motion,
        listen: (listener) => {
          rig.saw = listener;
        },
      },
      ...(options.frame === undefined
        ? {}
        : { frame: (id: string) => rig.frame?.(id) ?? Promise.resolve(undefined) }),
    },
  });
  telemetry.start();
  return Object.assign(rig, { [Symbol.asyncDispose]: () => telemetry[Symbol.asyncDispose]() });
}

function rigClock({ clockRate = 1, clockHeld = false }: RigOptions): {
  monotonicMs: () => number;
  run: () => void;
} {
  let runsSinceMs = clockHeld ? undefined : 0;
  const monotonicMs = (): number =>
    runsSinceMs === undefined ? 0 : clockRate * (systemClock.monotonicMs() - runsSinceMs);
  return {
    monotonicMs,
    run: () => {
      runsSinceMs ??= systemClock.monotonicMs();
    },
  };
}

const volume: StatusAnswer['volumes'][number] = {
  number: 0,
  id: '0123456789abcdef',
  folder: '/data/recordings',
  state: 'ok',
  reason: null,
  totalBytes: 1e12,
  freeBytes: 4e11,
  recordedBytes: 5e11,
  reserveBytes: 1e10,
};
