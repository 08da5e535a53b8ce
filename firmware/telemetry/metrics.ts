/**
 * What Prometheus reads at `/metrics`: one registry of its own for each server, in the text format 0.0.4.
 *
 * Invariants: a server tells of itself and of the cameras that it manages, never of all that it knows, so every fact
 * has one source; labels come from bounded sets (cameras and volumes of this server, its nearest servers, reasons
 * that are counted by name); names follow https://prometheus.io/docs/practices/naming/ (base units, `_total` for
 * counters). Process-wide figures are added by io/process-metrics.ts.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Gap, gapReasons } from '../media/sample.ts';
import type { StoryAbout } from '../overlay/effects.ts';
import type { DiskTimings } from '../recording/disk-timings.ts';
import type { DisksAnswer, StatusAnswer } from '../viewing/api.ts';
import type { Directory } from '../viewing/directory.ts';
import type { LiveHub } from '../viewing/live-hub.ts';
import { observeBox } from './box-metrics.ts';
import type { TelemetryCounts } from './telemetry-counts.ts';

/** Servers that are told of, the nearest first. */
const peersMax = 256;
const alarmKinds = [
  'silent',
  'not-saved',
  'gone',
  'volume-missing',
  'volume-failed',
  'volume-full',
  'index-failed',
];
const diskBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Where the figures are when somebody asks for them. */
export interface MetricSources {
  readonly directory: Directory;
  readonly status: () => StatusAnswer;
  readonly live: Pick<LiveHub, 'snapshot' | 'viewers'>;
  /** ms UTC */
  readonly utcMs: () => number;
  /** round trips to the neighbors, ms */
  readonly linkCosts: () => readonly { readonly server: string; readonly linkCostMs: number }[];
  /** absent where nobody looks after the machine */
  readonly disks?: (() => DisksAnswer) | undefined;
  /** absent without MQTT */
  readonly mqtt?: TelemetryCounts | undefined;
}

/** A figure that is read when it is asked for: [labels, value] of each series. */
type Series = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

type Gauged = [name: string, help: string, labelNames: string[], series: () => Series];

export class Metrics implements DiskTimings {
  readonly registry = new Registry();
  private readonly writes = this.histogram(
    'starling_segment_write_seconds',
    'Time that the disk took to write one fragment of a recording',
  );
  private readonly syncs = this.histogram(
    'starling_segment_sync_seconds',
    'Time that the disk took to make what was written durable',
  );
  /** seconds by camera and reason; recovery tells of cameras before the network does */
  private readonly gaps = new Map<string, Map<Gap['reason'], number>>();
  private readonly stories: { readonly [A in StoryAbout]: Counter } = {
    suspicion: this.counter(
      'starling_overlay_suspicions_total',
      'Neighbors that this server suspected to be dead',
    ),
    death: this.counter('starling_overlay_deaths_total', 'Neighbors that this server found dead'),
  };

  constructor(about: { readonly version: string; readonly site: string; readonly server: string }) {
    this.read('gauge', 'starling_build_info', 'Which program this is', ['version', 'site', 'server'], () => [
      [{ version: about.version, site: about.site, server: about.server }, 1],
    ]);
  }

  wrote(seconds: number): void {
    this.writes.observe(seconds);
  }

  synced(seconds: number): void {
    this.syncs.observe(seconds);
  }

  gap({ camera, fromUs, toUs, reason }: Gap): void {
    const ofCamera = this.gaps.get(camera) ?? new Map<Gap['reason'], number>();
    this.gaps.set(camera, ofCamera);
    ofCamera.set(reason, (ofCamera.get(reason) ?? 0) + Math.max(0, toUs - fromUs) / 1e6);
  }

  happened(about: StoryAbout): void {
    this.stories[about].inc();
  }

  /** Says where the figures are that are read when somebody asks. */
  observe(sources: MetricSources): void {
    this.observeCameras(sources);
    this.observeGaps(sources);
    this.observeStorage(sources);
    this.observePeers(sources);
    this.observeServer(sources);
    if (sources.disks !== undefined) {
      const gauge = (...about: Gauged): void => this.read('gauge', ...about);
      observeBox(gauge, sources.disks);
    }
    if (sources.mqtt !== undefined) this.observeMqtt(sources.mqtt);
  }

  /** The exposition, with its content type. */
  async render(): Promise<{ readonly type: string; readonly text: string }> {
    const text = await this.registry.metrics();
    // A mean of nothing: the package writes it as the format does not.
    return { type: this.registry.contentType, text: text.replaceAll(/ Nan$/gm, ' NaN') };
  }

  private observeCameras({ directory, status, live, utcMs }: MetricSources): void {
    const own = (): string[] =>
      directory.cameras().flatMap(({ id, manager }) => (manager === directory.self ? [id] : []));
    this.read(
      'gauge',
      'starling_camera_up',
      '1 for a camera that is attached to this server',
      ['camera'],
      () =>
        directory
          .cameras()
          .filter(({ manager }) => manager === directory.self)
          .map(({ id, state }) => [{ camera: id }, state === 'online' ? 1 : 0]),
    );
    const receivedHelp = 'Bytes of pictures and sound from a camera since it was attached to this server';
    this.read('counter', 'starling_camera_received_bytes_total', receivedHelp, ['camera'], () =>
      status().cameras.map(({ id, receivedBytes }) => [{ camera: id }, receivedBytes]),
    );
    const ageHelp = 'Age of the newest picture of a camera';
    this.read('gauge', 'starling_camera_frame_age_seconds', ageHelp, ['camera'], () =>
      own().flatMap((camera) => {
        const us = live.snapshot(camera)?.lastFrameUs;
        return us === undefined ? [] : [[{ camera }, Math.max(0, utcMs() / 1000 - us / 1e6)] as const];
      }),
    );
    const durableHelp = 'Age of the newest picture or sound of a camera that is safe on a disk';
    this.read('gauge', 'starling_camera_durable_age_seconds', durableHelp, ['camera'], () =>
      status().cameras.flatMap(({ id, durableThrough }) =>
        durableThrough === null
          ? []
          : [[{ camera: id }, Math.max(0, utcMs() - Date.parse(durableThrough)) / 1000] as const],
      ),
    );
    this.read(
      'gauge',
      'starling_viewers',
      'People who watch a camera live through this server',
      ['camera'],
      () => own().map((camera) => [{ camera }, live.viewers(camera)]),
    );
  }

  /** Of the cameras that are managed here, so that a first gap is seen to grow from 0, and of those that were. */
  private observeGaps({ directory }: MetricSources): void {
    const name = 'starling_camera_recording_gap_seconds_total';
    const help = 'Time that is missing from recordings, as cameras told this server and recovery found';
    this.read('counter', name, help, ['camera', 'reason'], () =>
      directory.cameras().flatMap(({ id: camera, manager }) => {
        const ofCamera = this.gaps.get(camera);
        if (ofCamera === undefined && manager !== directory.self) return [];
        return gapReasons.map((reason) => [{ camera, reason }, ofCamera?.get(reason) ?? 0] as const);
      }),
    );
  }

  private observeStorage({ status }: MetricSources): void {
    type Volume = StatusAnswer['volumes'][number];
    const of = (name: string, help: string, value: (volume: Volume) => number): void =>
      this.read('gauge', name, help, ['volume', 'folder'], () =>
        status().volumes.map((one) => [{ volume: String(one.number), folder: one.folder }, value(one)]),
      );
    of('starling_storage_up', '1 for a volume that can be recorded to', ({ state }) =>
      state === 'ok' ? 1 : 0,
    );
    of('starling_storage_free_bytes', 'Bytes of a volume that are free', ({ freeBytes }) => freeBytes);
    of('starling_storage_total_bytes', 'Size of a volume', ({ totalBytes }) => totalBytes);
    of('starling_storage_reserve_bytes', 'Bytes that are kept free', ({ reserveBytes }) => reserveBytes);
    of(
      'starling_storage_recorded_bytes',
      'Bytes of finished recordings',
      ({ recordedBytes }) => recordedBytes,
    );
  }

  private observePeers({ directory, linkCosts }: MetricSources): void {
    this.read('gauge', 'starling_peer_up', '1 for another server that can be reached', ['peer'], () =>
      directory
        .servers()
        .filter(({ state }) => state !== 'self')
        .sort((a, b) => (a.hops ?? Infinity) - (b.hops ?? Infinity))
        .slice(0, peersMax)
        .map(({ id, state }) => [{ peer: id }, state === 'reachable' ? 1 : 0]),
    );
    const costHelp = 'Round trip to a neighbor in the network of servers';
    this.read('gauge', 'starling_peer_link_cost_seconds', costHelp, ['peer'], () =>
      linkCosts()
        .slice(0, peersMax)
        .map(({ server, linkCostMs }) => [{ peer: server }, linkCostMs / 1000]),
    );
  }

  private observeServer({ status }: MetricSources): void {
    const receivedHelp = 'Bytes of pictures and sound from all cameras since this server was started';
    this.read('counter', 'starling_received_bytes_total', receivedHelp, [], () => [
      [{}, status().recordedBytes],
    ]);
    const refusedHelp = 'Packets and connections that were refused';
    this.read('counter', 'starling_refusals_total', refusedHelp, ['reason'], () =>
      Object.entries(status().refused).map(([reason, count]) => [{ reason }, count]),
    );
    this.read('gauge', 'starling_alarms', 'Recording alarms that are raised', ['kind'], () => {
      const { alarms } = status();
      return alarmKinds.map((kind) => [{ kind }, alarms.filter((one) => one.kind === kind).length]);
    });
  }

  private observeMqtt(counts: TelemetryCounts): void {
    const of = (type: 'gauge' | 'counter', name: string, help: string, value: () => number): void =>
      this.read(type, name, help, [], () => [[{}, value()]]);
    of('gauge', 'starling_mqtt_connected', '1 while there is a session with the broker', () =>
      Number(counts.connected),
    );
    of('counter', 'starling_mqtt_sessions_total', 'Sessions with the broker', () => counts.sessions);
    of(
      'counter',
      'starling_mqtt_connect_failures_total',
      'Tries that became no session',
      () => counts.failures,
    );
    of(
      'counter',
      'starling_mqtt_mended_total',
      "Strangers' messages that were published over",
      () => counts.mended,
    );
    const messages = 'Messages for the broker, by what became of them';
    this.read('counter', 'starling_mqtt_messages_total', messages, ['outcome'], () =>
      labelled(counts.published),
    );
    const commands = 'Commands from the broker, by what became of them';
    this.read('counter', 'starling_mqtt_commands_total', commands, ['outcome'], () =>
      labelled(counts.commands),
    );
  }

  private histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: diskBuckets, registers: [this.registry] });
  }

  private counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.registry] });
  }

  /** A figure that is nowhere but where it is counted. */
  private read(
    type: 'gauge' | 'counter',
    name: string,
    help: string,
    labelNames: string[],
    series: () => Series,
  ): void {
    const shared = { name, help, labelNames, registers: [this.registry] };
    if (type === 'gauge') {
      const gauge: Gauge = new Gauge({
        ...shared,
        collect: () => {
          gauge.reset();
          for (const [labels, value] of series()) gauge.set(labels, value);
        },
      });
    } else {
      const counter: Counter = new Counter({
        ...shared,
        collect: () => {
          counter.reset();
          for (const [labels, value] of series()) counter.inc(labels, value);
        },
      });
    }
  }
}

function labelled(counts: Readonly<Record<string, number>>): Series {
  return Object.entries(counts).map(([outcome, count]) => [{ outcome }, count]);
}
