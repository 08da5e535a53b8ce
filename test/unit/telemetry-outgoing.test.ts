/** What waits for a broker, and how much of it at most. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BrokerMessage } from '../../firmware/telemetry/broker.ts';
import { HeardRate } from '../../firmware/telemetry/heard-rate.ts';
import { Outgoing, type PublishOutcome } from '../../firmware/telemetry/outgoing.ts';
import { SnapshotRounds } from '../../firmware/telemetry/snapshot-rounds.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const message = (topic: string, payload: string | Uint8Array = ''): BrokerMessage => ({
  topic,
  payload,
  retained: true,
});

class Line {
  readonly clock = new VirtualClock();
  readonly sent: BrokerMessage[] = [];
  readonly counts: Partial<Record<PublishOutcome, number>> = {};
  readonly stuck: string[] = [];
  readonly refused: string[] = [];
  private readonly waiting: { resolve: (refusal?: string) => void; reject: (error: Error) => void }[] = [];
  readonly outgoing = new Outgoing({
    session: {
      publish: (one) => {
        this.sent.push(one);
        return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
      },
    },
    clock: this.clock,
    count: (outcome) => {
      this.counts[outcome] = (this.counts[outcome] ?? 0) + 1;
    },
    onRefused: (topic, reason) => this.refused.push(`${topic}: ${reason}`),
    onStuck: (reason) => this.stuck.push(reason),
  });

  async acknowledge(count = 1): Promise<void> {
    for (let number = 0; number < count; number++) {
      this.waiting.shift()?.resolve();
      await turn();
    }
  }

  async refuse(reason: string): Promise<void> {
    this.waiting.shift()?.resolve(reason);
    await turn();
  }

  async fail(): Promise<void> {
    this.waiting.shift()?.reject(new Error('gone'));
    await turn();
  }
}

describe('what waits for a broker', () => {
  test('is sent in order, eight messages unacknowledged at the most', async () => {
    const line = new Line();
    for (let number = 0; number < 20; number++) line.outgoing.put(message(`t${number}`));
    assert.equal(line.sent.length, 8);
    await line.acknowledge(3);
    assert.equal(line.sent.length, 11);
    await line.acknowledge(17);
    assert.deepEqual(
      line.sent.map(({ topic }) => topic),
      Array.from({ length: 20 }, (_, number) => `t${number}`),
    );
    assert.equal(line.counts.published, 20);
  });

  test('is only the newest of each topic, so that a slow broker hears no old news', async () => {
    const line = new Line();
    for (let number = 0; number < 8; number++) line.outgoing.put(message(`busy${number}`));
    for (let number = 0; number < 1_000; number++) line.outgoing.put(message('state', String(number)));
    await line.acknowledge(9);
    assert.deepEqual(
      line.sent.slice(8).map(({ payload }) => payload),
      ['999'],
    );
    assert.equal(line.counts.replaced, 999);
  });

  test('is bounded in topics and bytes; more is not taken, and whoever wants it sent is told', () => {
    const line = new Line();
    for (let number = 0; number < 8; number++) line.outgoing.put(message(`busy${number}`));
    const taken = Array.from({ length: 5_000 }, (_, number) => line.outgoing.put(message(`t${number}`)));
    assert.equal(taken.filter(Boolean).length, 4_096);
    const other = new Line();
    for (let number = 0; number < 8; number++) other.outgoing.put(message(`busy${number}`));
    const large = Array.from({ length: 20 }, (_, number) =>
      other.outgoing.put(message(`t${number}`, new Uint8Array(1024 ** 2))),
    );
    assert.equal(large.filter(Boolean).length, 15);
    assert.equal(other.counts.dropped, 5);
  });

  test('a topic that the broker refuses holds nothing else up', async () => {
    const line = new Line();
    line.outgoing.put(message('forbidden'));
    line.outgoing.put(message('allowed'));
    await line.refuse('not allowed');
    await line.acknowledge();
    assert.deepEqual(line.refused, ['forbidden: not allowed']);
    assert.deepEqual(line.counts, { refused: 1, published: 1 });
    assert.deepEqual(line.stuck, []);
  });

  test('a broker that does not acknowledge for 20 s is given up, and so is one that went', async () => {
    const line = new Line();
    line.outgoing.put(message('a'));
    line.clock.advance(19_999);
    assert.deepEqual(line.stuck, []);
    line.clock.advance(1);
    assert.equal(line.stuck.length, 1);
    const other = new Line();
    for (let number = 0; number < 20; number++) other.outgoing.put(message(`t${number}`));
    await other.fail();
    assert.deepEqual(other.stuck, ['gone']);
    assert.equal(other.sent.length, 8, 'nothing more is tried');
  });

  test('is dropped when the session ends; nothing is left behind, not even a timer', async () => {
    const line = new Line();
    for (let number = 0; number < 20; number++) line.outgoing.put(message(`t${number}`));
    const drained = line.outgoing.drained();
    line.outgoing.close();
    await drained;
    assert.equal(line.clock.pending, 0);
    assert.equal(line.outgoing.put(message('late')), false);
    await line.acknowledge(8);
    assert.equal(line.sent.length, 8);
  });

  test('can be waited for', async () => {
    const line = new Line();
    line.outgoing.put(message('a'));
    let done = false;
    void line.outgoing.drained().then(() => {
      done = true;
    });
    await turn();
    assert.equal(done, false);
    await line.acknowledge();
    assert.equal(done, true);
  });
});

test('a burst of messages is heard at once, then so many a second, however fast they come', () => {
  const rate = new HeardRate();
  let nowMs = 0;
  let waited = 0;
  for (let number = 0; number < 200; number++) waited += rate.take(nowMs);
  assert.equal(waited, 0);
  for (let number = 0; number < 500; number++) nowMs += rate.take(nowMs);
  assert.equal(Math.round(nowMs / 1000), 10);
  nowMs += 3_600_000;
  assert.equal(rate.take(nowMs), 0);
});

describe('pictures', () => {
  interface Studio {
    readonly clock: VirtualClock;
    readonly asked: string[];
    readonly published: string[];
    readonly rounds: SnapshotRounds;
    give: (jpeg?: Uint8Array) => Promise<void>;
  }

  const open = (cameras: readonly string[]): Studio => {
    const clock = new VirtualClock();
    const asked: string[] = [];
    const published: string[] = [];
    const waiting: ((jpeg?: Uint8Array) => void)[] = [];
    const rounds = new SnapshotRounds({
      clock,
      everyMs: 60_000,
      cameras: () => cameras,
      frame: (camera) => {
        asked.push(camera);
        return new Promise((resolve) => waiting.push((jpeg) => resolve(jpeg)));
      },
      publish: (camera) => published.push(camera),
    });
    const give = async (jpeg?: Uint8Array): Promise<void> => {
      waiting.shift()?.(jpeg);
      await turn();
    };
    return { clock, asked, published, rounds, give };
  };

  test('are made one after another, once a minute', async () => {
    const { clock, asked, published, rounds, give } = open(['a', 'b']);
    rounds.start();
    assert.deepEqual(asked, ['a']);
    await give(new Uint8Array(10));
    assert.deepEqual(asked, ['a', 'b']);
    await give(undefined);
    assert.deepEqual(published, ['a']);
    clock.advance(59_999);
    assert.deepEqual(asked, ['a', 'b']);
    clock.advance(1);
    assert.deepEqual(asked, ['a', 'b', 'a']);
    rounds.stop();
  });

  test('one that does not come holds the others up for ten seconds, and is not asked for twice', async () => {
    const { clock, asked, rounds } = open(['stuck', 'b']);
    rounds.start();
    clock.advance(10_000);
    await turn();
    assert.deepEqual(asked, ['stuck', 'b']);
    clock.advance(10_000);
    await turn();
    clock.advance(40_000);
    await turn();
    assert.deepEqual(asked, ['stuck', 'b'], 'both are still awaited');
    rounds.stop();
  });

  test('a picture larger than a megabyte is not sent', async () => {
    const { published, rounds, give } = open(['a']);
    rounds.start();
    await give(new Uint8Array(1024 * 1024 + 1));
    assert.deepEqual(published, []);
    rounds.stop();
  });

  test('a round that is wanted at once begins when the present one is over', async () => {
    const { clock, asked, rounds, give } = open(['a']);
    rounds.start();
    rounds.start();
    await give();
    clock.advance(0);
    assert.deepEqual(asked, ['a', 'a']);
    rounds.stop();
    await give();
    clock.advance(120_000);
    assert.deepEqual(asked, ['a', 'a']);
  });
});
