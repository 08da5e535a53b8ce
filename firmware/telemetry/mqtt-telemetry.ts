/**
 * Keeps a session with the broker: connects, and when it ends connects again, later and later while that fails.
 *
 * Invariants: nothing here can hold up or fail anything else of the server; while there is no session nothing is kept
 * for one; a reason is logged when it is new, not each time; waits are jittered, so that all servers of a site do not
 * come at once after a broker was restarted.
 */
import { Failure, messageOf } from '../base/failure.ts';
import type { Broker } from './broker.ts';
import { payloadOffline } from './home-assistant.ts';
import { type TelemetryOptions, TelemetrySession } from './telemetry-session.ts';

const retryMsMin = 1_000;
const retryMsMax = 60_000;
/** A session that lasted so long was sound: the next wait is the shortest again. */
const soundMs = 30_000;

export interface MqttTelemetryOptions extends TelemetryOptions {
  readonly broker: Broker;
  /** such as `mqtts://home:8883`, for the log */
  readonly brokerUrl: string;
}

export class MqttTelemetry implements AsyncDisposable {
  private readonly options: MqttTelemetryOptions;
  private session: TelemetrySession | undefined;
  private retryMs = retryMsMin;
  private problem = '';
  private cancelRetry = (): void => undefined;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();

  constructor(options: MqttTelemetryOptions) {
    this.options = options;
  }

  /** Begins in the background. */
  start(): void {
    this.running = this.run();
  }

  /** Takes leave of the broker, in bounded time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    this.cancelRetry();
    await this.session?.leave();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await this.oneSession();
      if (!this.stopped) await this.pause();
    }
  }

  private async oneSession(): Promise<void> {
    const { broker, brokerUrl, topics, identity, clock, counts, log } = this.options;
    const will = {
      topic: topics.server(identity.server, 'availability'),
      payload: payloadOffline,
      retained: true,
    };
    let heard: TelemetrySession | undefined = undefined;
    try {
      const session = await broker.connect({ will, receive: (message) => heard?.hear(message) ?? 0 });
      if (this.stopped) return await session.close();
      const beganMs = clock.monotonicMs();
      log('info', `MQTT: connected to ${brokerUrl}`);
      counts.sessions += 1;
      counts.connected = true;
      const telemetry = new TelemetrySession(this.options, session);
      heard = telemetry;
      this.session = telemetry;
      this.problem = '';
      telemetry.begin();
      const reason = await session.closed;
      telemetry.end();
      if (clock.monotonicMs() - beganMs >= soundMs) this.retryMs = retryMsMin;
      if (!this.stopped) this.tell(telemetry.problem ?? reason, 'It is connected to again.');
    } catch (error) {
      counts.failures += 1;
      this.tell(messageOf(error), error instanceof Failure ? error.advice : '');
    } finally {
      this.session = undefined;
      counts.connected = false;
    }
  }

  private tell(problem: string, advice: string): void {
    if (problem === this.problem) return;
    this.problem = problem;
    this.options.log('warn', `MQTT: ${this.options.brokerUrl}: ${problem}. ${advice}`);
  }

  private pause(): Promise<void> {
    const { clock, random } = this.options;
    const waitMs = this.retryMs * (0.5 + random.unit());
    this.retryMs = Math.min(this.retryMs * 2, retryMsMax);
    return new Promise((resolve) => {
      const cancel = clock.after(waitMs, resolve);
      this.cancelRetry = () => {
        cancel();
        resolve();
      };
    });
  }
}
