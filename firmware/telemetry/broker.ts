/**
 * What telemetry needs of an MQTT broker. The client is io/mqtt-broker.ts.
 *
 * A session is one connection and never comes back: whoever wants another connects again and says everything anew. So
 * nothing is stored for a broker that is away, and nothing old is sent to one that is there again.
 */

/** Published at least once (QoS 1): the acknowledgement is what holds the sender back. */
export interface BrokerMessage {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  /** the broker keeps it for those who subscribe later */
  readonly retained: boolean;
}

/** What came on a topic that was subscribed to. */
export interface HeardMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** it was published to be retained, now or at any time before */
  readonly retained: boolean;
}

export interface BrokerSession {
  /**
   * Resolves when the broker has it, or with why it refuses this topic; rejects with a Failure when the session ends
   * before.
   */
  publish(message: BrokerMessage): Promise<string | undefined>;
  /** As `publish`; what the broker retains there comes too. */
  subscribe(topics: readonly string[]): Promise<string | undefined>;
  unsubscribe(topics: readonly string[]): Promise<string | undefined>;
  /** Takes leave, so that the broker does not publish the will. Resolves in bounded time. */
  close(): Promise<void>;
  /** resolves with why, when the session has ended */
  readonly closed: Promise<string>;
}

export interface SessionOptions {
  /** published by the broker when the session ends without `close` */
  readonly will: BrokerMessage;
  /** What was heard, never what this session published itself. The next message waits for so many ms. */
  readonly receive: (message: HeardMessage) => number;
}

export interface Broker {
  /** Rejects with a Failure that says what is wrong and what to do; never takes longer than a stated time. */
  connect(options: SessionOptions): Promise<BrokerSession>;
}
