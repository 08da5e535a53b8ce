/** What a server tells machines: the figures behind `/metrics`, and where it is configured an MQTT broker. */
import type { AuditTrail } from '../access/audit-trail.ts';
import type { Principal } from '../access/principal.ts';
import type { Clock } from '../base/clock.ts';
import { isLoopbackHost } from '../config/endpoint.ts';
import { parseBrokerUrl } from '../config/mqtt-section.ts';
import type { ServerUnitConfig } from '../config/unit-config.ts';
import { gstreamerDecoder } from '../io/frame-decoder.ts';
import { mqttBroker } from '../io/mqtt-broker.ts';
import { addProcessMetrics } from '../io/process-metrics.ts';
import { systemRandom } from '../io/system-random.ts';
import { profiles } from '../overlay/constants.ts';
import { counterMax } from '../overlay/counters.ts';
import type { Log } from '../runtime/log.ts';
import { type MetricSources, Metrics } from '../telemetry/metrics.ts';
import { MqttTelemetry } from '../telemetry/mqtt-telemetry.ts';
import { TelemetryCounts } from '../telemetry/telemetry-counts.ts';
import type { TelemetrySources } from '../telemetry/telemetry-sources.ts';
import { Topics } from '../telemetry/topics.ts';
import { newestFrame } from '../viewing/frame-pictures.ts';
import type { LiveHub } from '../viewing/live-hub.ts';

/** A camera that was lost may be with another server in this time, in leases; and at least so many ms. */
const goneLeases = 2;
const goneMsMin = 3_000;

/** Pixels: enough for a dashboard. */
const snapshotWidthMax = 1_280;

interface About {
  readonly config: ServerUnitConfig;
  readonly version: string;
}

/** The figures of a server; what it is told of counts from now on. */
export function serverMetrics({ config, version }: About): Metrics {
  const metrics = new Metrics({ version, site: config.site.name, server: config.unit });
  addProcessMetrics(metrics.registry);
  return metrics;
}

export interface ServerTelemetryOptions extends About {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** where people reach this server */
  readonly pageUrl: string;
  readonly trail: AuditTrail;
  readonly sources: Omit<TelemetrySources, 'frame' | 'onCommand'> &
    Pick<MetricSources, 'linkCosts'> & { readonly live: LiveHub };
}

/** Begins to tell. The result is undefined without a broker; disposing of it takes leave of the broker. */
export function startTelemetry(options: ServerTelemetryOptions): AsyncDisposable | undefined {
  const { config, metrics, sources, clock } = options;
  const counts = config.server.mqtt === undefined ? undefined : new TelemetryCounts();
  metrics.observe({ ...sources, utcMs: () => clock.utcMs(), mqtt: counts });
  return counts === undefined ? undefined : startMqtt(options, counts);
}

function startMqtt(options: ServerTelemetryOptions, counts: TelemetryCounts): MqttTelemetry | undefined {
  const { config, version, clock, log, pageUrl, sources } = options;
  const { mqtt } = config.server;
  const address = mqtt && parseBrokerUrl(mqtt.url);
  if (mqtt === undefined || address === undefined) return undefined;
  if (!address.tls && mqtt.passwordFile !== undefined && !isLoopbackHost(address.host)) {
    log('warn', `MQTT: the password goes to ${address.host} unencrypted; use mqtts:// if the broker has TLS`);
  }
  const { name: site } = config.site;
  const { prefix, discoveryPrefix, snapshotSeconds, user, passwordFile, ca } = mqtt;
  const clientId = `${prefix}-${site}-${config.unit}`;
  const telemetry = new MqttTelemetry({
    broker: mqttBroker({ address, clientId, user, passwordFile, ca }),
    brokerUrl: mqtt.url,
    topics: new Topics({ prefix, discoveryPrefix, site }),
    clock,
    random: systemRandom,
    log,
    identity: { server: config.unit, version, pageUrl: publicUrl(pageUrl) },
    sources: { ...sources, frame: snapshotsOf(sources.live, clock), onCommand: noting(options.trail) },
    counts,
    snapshotSeconds,
    goneMs: Math.max(goneMsMin, goneLeases * profiles[config.overlay.profile].leaseMs),
    epochMax: counterMax,
  });
  telemetry.start();
  return telemetry;
}

/** Who may publish commands at the broker is decided there: this server only knows that it was the broker. */
const broker: Principal = { name: 'mqtt', role: 'operator', cameras: 'all', via: 'open' };

function noting(trail: AuditTrail): TelemetrySources['onCommand'] {
  return (camera, command) =>
    trail.note(broker, command === 'ptz' ? 'steer' : 'change', { camera, detail: `${command} by MQTT` });
}

/**
 * Pictures of what this server's cameras show now as JPEG, decoded by a program of its own. Rejects for one that shows
 * nothing now.
 */
function snapshotsOf(live: LiveHub, clock: Clock): (camera: string) => Promise<Buffer | undefined> {
  const decoder = gstreamerDecoder();
  return async (camera) => {
    const source = newestFrame(live, camera, clock);
    if (source === undefined) return undefined;
    const { width, height } = source.track.format;
    const share = Math.min(1, snapshotWidthMax / Math.max(1, width));
    const even = (pixels: number): number => Math.max(2, 2 * Math.round((pixels * share) / 2));
    return decoder.jpeg(source.stream, { width: even(width), height: even(height) });
  };
}

/** An address that means something on other machines, too. */
function publicUrl(pageUrl: string): string | undefined {
  return isLoopbackHost(new URL(pageUrl).hostname.replace(/^\[|\]$/g, '')) ? undefined : pageUrl;
}
