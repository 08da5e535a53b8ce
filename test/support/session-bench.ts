/**
 * One session of telemetry on a clock that stands still until it is told to advance, at a broker that answers at once
 * and remembers what it retains. What others publish is put in with `hear`.
 */
import { counterMax } from '../../firmware/overlay/counters.ts';
import type { BrokerMessage } from '../../firmware/telemetry/broker.ts';
import type { SteerWish } from '../../firmware/telemetry/steer-access.ts';
import { TelemetryCounts } from '../../firmware/telemetry/telemetry-counts.ts';
import { TelemetrySession } from '../../firmware/telemetry/telemetry-session.ts';
import type { CameraEntry, ServerEntry } from '../../firmware/viewing/directory.ts';
import { topics } from './telemetry-rig.ts';
import { statusOf } from './viewing-site.ts';
import { VirtualClock } from './virtual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Between two looks at what has happened. */
const stepMs = 100;

export class SessionBench {
  readonly clock = new VirtualClock();
  readonly counts = new TelemetryCounts();
  readonly servers: ServerEntry[] = [];
  readonly removed: string[] = [];
  /** as this server's overlay believes */
  readonly cameras: CameraEntry[];
  readonly steered: SteerWish[] = [];
  readonly sent: BrokerMessage[] = [];
  /** what the broker retains, by topic */
  readonly retained = new Map<string, string>();
  private readonly session: TelemetrySession;

  constructor({ server, goneMs, cameras = [] }: { server: string; goneMs: number; cameras?: CameraEntry[] }) {
    this.cameras = cameras;
    const { clock, counts } = this;
    this.session = new TelemetrySession(
      {
        topics,
        clock,
        counts,
        goneMs,
        epochMax: counterMax,
        random: { unit: () => 0.5, bytes: (count) => Buffer.alloc(count) },
        log: () => undefined,
        identity: { server, version: '1.2.3', pageUrl: undefined },
        snapshotSeconds: 0,
        sources: {
          directory: { site: 'home', self: server, servers: () => this.servers, cameras: () => this.cameras },
          removed: () => this.removed,
          status: () => statusOf(server),
          live: { snapshot: () => undefined },
          streams: { stream: async () => ({ refusal: 'it cannot' }) },
          steering: {
            mount: () => null,
            steer: async (_camera, wish) => void this.steered.push(wish),
          },
        },
      },
      {
        publish: async (message) => this.take(message),
        subscribe: async () => undefined,
        unsubscribe: async () => undefined,
        close: async () => undefined,
        closed: new Promise(() => undefined),
      },
    );
    this.session.begin();
  }

  /** Somebody else publishes. */
  readonly hear = async (topic: string, text: string, retained = true): Promise<void> => {
    if (retained) this.retained.set(topic, text);
    this.session.hear({ topic, payload: Buffer.from(text), retained });
    await turn();
  };

  readonly pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(stepMs);
      await turn();
    }
  };

  private take(message: BrokerMessage): undefined {
    this.sent.push(message);
    if (message.retained) this.retained.set(message.topic, message.payload.toString());
    return undefined;
  }
}
