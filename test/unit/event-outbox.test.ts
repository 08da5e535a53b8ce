/** From a sensor to a server's index: nothing is lost on the way, nothing is told twice, whatever happens to links. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  EventOutbox,
  type EventOutboxOptions,
  endedEvents,
  eventsMax,
  keptEventsMax,
} from '../../firmware/gpio/event-outbox.ts';
import { eventKeeper, readEvents } from '../../firmware/io/event-state.ts';
import type { CameraEvent } from '../../firmware/overlay/event-packet.ts';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import { EventLog, type StoredEvent } from '../../firmware/recording/event-log.ts';
import { until } from '../support/network.ts';
import { SimulatedIndex } from '../support/simulated-index.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

type Body = PacketBody<'cam-event'>;

const startUs = Date.parse('2026-11-22T12:00:00Z') * 1_000;

function outbox(
  clock: VirtualClock,
  utcUs = (ms: number): number | undefined => startUs + ms * 1_000,
  more: Pick<EventOutboxOptions, 'kept' | 'keep'> = {},
) {
  const sent: Body[] = [];
  let dropped = 0;
  const box = new EventOutbox({
    camera: 'door',
    kinds: ['motion', 'button'],
    clock,
    utcUs,
    send: (body) => void sent.push(body),
    onDropped: () => void (dropped += 1),
    ...more,
  });
  return { box, sent, dropped: () => dropped };
}

test('an event is told when it begins and when it ends, with the same beginning, until it is confirmed', () => {
  const clock = new VirtualClock();
  const { box, sent } = outbox(clock);
  box.managed();
  assert.deepEqual([sent[0]?.kinds, sent[0]?.events], [['motion', 'button'], []]);
  box.confirmed({ batch: 1 });
  clock.advance(1_000);
  box.sensed('motion', '', true, 990);
  clock.advance(2_000);
  box.sensed('motion', '', false, 2_950);
  assert.equal(sent.length, 2, 'one batch is under way at a time');
  box.confirmed({ batch: 2 });
  const fromUs = startUs + 990_000;
  assert.deepEqual(
    sent.slice(1).map(({ events }) => events),
    [
      [{ kind: 'motion', sensor: '', fromUs, toUs: 0 }],
      [{ kind: 'motion', sensor: '', fromUs, toUs: fromUs + 1_960_000 }],
    ],
  );
  assert.equal(box.length, 1);
  clock.advance(5_000);
  assert.equal(sent.length, 4, 'told again');
  box.confirmed({ batch: 3 });
  assert.equal(box.length, 1, 'a late answer to an earlier batch is none');
  box.confirmed({ batch: 4 });
  assert.deepEqual([box.length, clock.pending], [0, 0]);
});

test('an event that lasts when the unit is switched off has ended when the unit is last known to have lived', () => {
  const clock = new VirtualClock();
  let kept: readonly CameraEvent[] = [];
  const keep = (events: readonly CameraEvent[]): void => void (kept = events);
  const { box } = outbox(clock, undefined, { keep });
  box.managed();
  box.confirmed({ batch: 1 });
  clock.advance(1_000);
  box.sensed('motion', '', true, 1_000);
  box.confirmed({ batch: 2 });
  const motion = { kind: 'motion', sensor: '', fromUs: startUs + 1_000_000 };
  assert.deepEqual(kept, [{ ...motion, toUs: 0 }]);
  box.sensed('button', '', true, 2_000);
  box.sensed('button', '', false, 2_500);
  const button = { kind: 'button', sensor: '', fromUs: startUs + 2_000_000 };
  assert.deepEqual(kept, [
    { ...button, toUs: startUs + 2_500_000 },
    { ...motion, toUs: 0 },
  ]);

  const livedUs = startUs + 9_000_000;
  const ended = endedEvents(kept, livedUs);
  const after = outbox(clock, undefined, { keep, kept: ended });
  assert.equal(after.box.length, 2);
  after.box.sensed('motion', '', true, 20_000);
  after.box.managed();
  assert.deepEqual(after.sent[0]?.events, [
    { ...button, toUs: startUs + 2_500_000 },
    { ...motion, toUs: livedUs },
    { ...motion, fromUs: startUs + 20_000_000, toUs: 0 },
  ]);
  after.box.confirmed({ batch: 1 });
  assert.deepEqual([after.box.length, kept.length], [1, 1], 'what was told is over, what it sees now is not');
  assert.equal(endedEvents([{ ...motion, toUs: 0 }], 0)[0]?.toUs, motion.fromUs + 1_000);
});

test('what is kept over a restart is bounded', () => {
  const clock = new VirtualClock();
  let kept: readonly CameraEvent[] = [];
  const { box, sent } = outbox(clock, undefined, { keep: (events) => void (kept = events) });
  box.managed();
  for (let number = 0; number < 2 * keptEventsMax; number++) {
    box.sensed('motion', `s${number}`, true, number);
    box.confirmed({ batch: sent.at(-1)?.batch ?? 0 });
  }
  assert.equal(kept.length, keptEventsMax);
  assert.equal(kept.at(-1)?.sensor, `s${2 * keptEventsMax - 1}`);
});

test('events are kept in a file; a damaged one is none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-events-'));
  const failures: string[] = [];
  const keep = eventKeeper(folder, 'door', (why) => failures.push(why));
  const event = { kind: 'motion', sensor: '', fromUs: startUs, toUs: 0 };
  for (let toUs = 0; toUs < 10; toUs++) keep([{ ...event, toUs }]);
  await until('the last is written', () => readEvents(folder, 'door')[0]?.toUs === 9);
  // its folder is still being synced, and may be gone before that ends
  assert.deepEqual(failures, []);
  assert.deepEqual(readEvents(folder, 'yard'), []);
  for (const damaged of ['', 'null', '{"camera":"door"}', '{"camera":"door","events":[null]}']) {
    writeFileSync(join(folder, 'events.json'), damaged);
    assert.deepEqual(readEvents(folder, 'door'), []);
  }
  const events = [{ ...event, kind: 'a/b' }, { ...event, fromUs: -1 }, { ...event, sensor: 7 }, event];
  writeFileSync(join(folder, 'events.json'), JSON.stringify({ camera: 'door', events }));
  assert.deepEqual(readEvents(folder, 'door'), [event]);
  rmSync(folder, { recursive: true });
});

test('an event begins when it began, whatever the clock of the unit does meanwhile', () => {
  const clock = new VirtualClock();
  let slipUs = 0;
  const { box, sent } = outbox(clock, (ms) => startUs + slipUs + ms * 1_000);
  box.managed();
  box.confirmed({ batch: 1 });
  box.sensed('motion', '', true, 100);
  box.confirmed({ batch: 2 });
  slipUs = 3_600_000_000;
  box.sensed('motion', '', false, 1_100);
  const fromUs = startUs + 100_000;
  assert.deepEqual(sent.at(-1)?.events, [{ kind: 'motion', sensor: '', fromUs, toUs: fromUs + 1_000_000 }]);
});

test('a new manager is told everything that the old one did not confirm to its end', () => {
  const clock = new VirtualClock();
  const { box, sent } = outbox(clock);
  box.managed();
  box.confirmed({ batch: 1 });
  box.sensed('button', '', true, 0);
  box.confirmed({ batch: 2 });
  box.managed();
  assert.deepEqual(
    sent.at(-1)?.events.map(({ kind, toUs }) => [kind, toUs]),
    [['button', 0]],
  );
});

test('nothing is sent while there is no manager, and nothing waits for a timer then', () => {
  const clock = new VirtualClock();
  const { box, sent } = outbox(clock);
  box.sensed('motion', '', true, 0);
  clock.advance(60_000);
  assert.deepEqual([sent.length, clock.pending], [0, 0]);
  box.managed();
  assert.equal(sent.length, 1);
  box.lost();
  box.sensed('motion', '', false, 1_000);
  box.confirmed({ batch: 1 });
  clock.advance(60_000);
  assert.deepEqual([sent.length, clock.pending, box.length], [1, 0, 1]);
});

test('nothing is told before the unit knows the date; then it is told as it was', () => {
  const clock = new VirtualClock();
  let known = false;
  const { box, sent } = outbox(clock, (ms) => (known ? startUs + ms * 1_000 : undefined));
  box.managed();
  box.confirmed({ batch: 1 });
  box.sensed('motion', '', true, 100);
  box.sensed('motion', '', false, 200);
  clock.advance(60_000);
  assert.equal(sent.length, 1);
  known = true;
  clock.advance(5_000);
  assert.deepEqual(sent[1]?.events, [
    { kind: 'motion', sensor: '', fromUs: startUs + 100_000, toUs: startUs + 200_000 },
  ]);
});

test('without a server the newest events are kept, and those that are lost are counted', () => {
  const clock = new VirtualClock();
  const { box, dropped } = outbox(clock);
  for (let n = 0; n < eventsMax + 7; n++) {
    box.sensed('button', '', true, n);
    box.sensed('button', '', false, n + 0.5);
  }
  assert.deepEqual([box.length, dropped()], [eventsMax, 7]);
});

const log = (): void => undefined;
const indexStore = () => new SimulatedIndex(new SimulatedMachine(1)).open();

async function all(events: EventLog, query = {}): Promise<StoredEvent[]> {
  return (await events.read({ fromUs: 0, toUs: 9e15, limit: 1_000, ...query })).events;
}

test('whatever links do, every event is in some index in the end, once and whole', async () => {
  const step = fc.oneof(
    fc.record({ sense: fc.constantFrom('motion', 'button') }),
    fc.constant('deliver' as const),
    fc.constant('confirm' as const),
    fc.constant('lose' as const),
    fc.constant('wait' as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new VirtualClock();
      await using events = new EventLog({ index: indexStore(), clock, log });
      const { box, sent } = outbox(clock);
      const active = new Map<string, boolean>();
      const begun = new Map<string, number>();
      const answers: Body[] = [];
      let taken = 0;
      const deliver = async (): Promise<void> => {
        for (; taken < sent.length; taken++) {
          const body = sent[taken] as Body;
          if ((await events.keep('door', body.events)) !== undefined) answers.push(body);
        }
      };
      box.managed();
      for (const one of steps) {
        clock.advance(10);
        if (typeof one === 'object') {
          const now = active.get(one.sense) !== true;
          active.set(one.sense, now);
          if (now) begun.set(`${one.sense} ${clock.monotonicMs()}`, 1);
          box.sensed(one.sense, '', now, clock.monotonicMs());
        } else if (one === 'deliver') await deliver();
        else if (one === 'confirm') for (const body of answers.splice(0)) box.confirmed(body);
        else if (one === 'lose') {
          // The link is gone with all that is on it.
          taken = sent.length;
          answers.length = 0;
          box.managed();
        } else clock.advance(6_000);
      }
      for (let round = 0; round < 20; round++) {
        await deliver();
        for (const body of answers.splice(0)) box.confirmed(body);
        clock.advance(6_000);
      }
      const stored = await all(events);
      const keys = stored.map(({ kind, fromUs }) => `${kind} ${(fromUs - startUs) / 1_000}`).sort();
      assert.deepEqual(keys, [...begun.keys()].sort());
      const lasting = stored.filter(({ toUs }) => toUs === 0).length;
      assert.equal(lasting, [...active.values()].filter((is) => is).length);
      box[Symbol.dispose]();
    }),
    { numRuns: 100 },
  );
});

const event = (fromUs: number, toUs = 0, kind = 'motion') => ({ kind, sensor: '', fromUs, toUs });

test('the index keeps an event once, and an end that it knows', async () => {
  const clock = new VirtualClock();
  const index = indexStore();
  await using events = new EventLog({ index, clock, log });
  const at = startUs;
  assert.deepEqual(await events.keep('door', [event(at)]), [{ ...event(at), camera: 'door' }]);
  assert.deepEqual(await events.keep('door', [event(at)]), [], 'it is there already');
  assert.equal((await events.keep('door', [event(at, at + 5_000_000)]))?.length, 1);
  assert.deepEqual(await events.keep('door', [event(at)]), [], 'its end is known');
  assert.deepEqual(await all(events), [{ ...event(at, at + 5_000_000), camera: 'door' }]);
});

test('a list is cut at the newest, by camera and by time, and goes on from there', async () => {
  const clock = new VirtualClock();
  await using events = new EventLog({ index: indexStore(), clock, log });
  for (let n = 0; n < 20; n++) {
    clock.advance(1_000);
    for (const camera of ['door', 'yard'])
      await events.keep(camera, [event(startUs + n * 1e6, startUs + n * 1e6 + 5e5)]);
  }
  const query = { fromUs: 0, camera: 'door' };
  const { events: newest, nextUs } = await events.read({ ...query, toUs: 9e15, limit: 5 });
  assert.deepEqual(
    newest.map(({ fromUs }) => (fromUs - startUs) / 1e6),
    [19, 18, 17, 16, 15],
  );
  for (const toUs of [nextUs, newest.at(-1)?.fromUs]) {
    const rest = await events.read({ ...query, toUs: toUs ?? 0, limit: 100 });
    assert.deepEqual([rest.events.length, rest.nextUs], [15, undefined]);
  }
  // One that begins before a time and lasts into it is of that time.
  const into = await events.read({ fromUs: startUs + 3.2e6, toUs: startUs + 4e6, camera: 'door', limit: 9 });
  assert.deepEqual(
    into.events.map(({ fromUs }) => (fromUs - startUs) / 1e6),
    [3],
  );
  const seen = await events.read({ fromUs: 0, toUs: 9e15, limit: 99, sees: (camera) => camera === 'yard' });
  assert.equal(seen.events.length, 20);
});

test('a camera that tells too much is not confirmed, and others are kept meanwhile', async () => {
  const clock = new VirtualClock();
  await using events = new EventLog({ index: indexStore(), clock, log });
  const many = (n: number) => Array.from({ length: 16 }, (_, k) => event(startUs + (n * 16 + k) * 1_000));
  const outcomes: boolean[] = [];
  for (let n = 0; n < 10; n++) outcomes.push((await events.keep('door', many(n))) !== undefined);
  assert.deepEqual(outcomes, [true, true, true, true, true, true, true, true, false, false]);
  assert.equal((await events.keep('yard', many(0)))?.length, 16);
  clock.advance(5_000);
  assert.equal((await events.keep('door', many(8)))?.length, 16);
});

test('an index that refuses confirms nothing; events that cannot be are left out', async () => {
  const clock = new VirtualClock();
  const index = indexStore();
  const told: string[] = [];
  await using events = new EventLog({ index, clock, log: (_level, text) => told.push(text) });
  const commit = index.commit.bind(index);
  index.commit = () => Promise.reject(new Error('disk is gone'));
  assert.equal(await events.keep('door', [event(startUs)]), undefined);
  assert.match(told[0] ?? '', /events of door are not kept: disk is gone/);
  index.commit = commit;
  const odd = [event(-5), event(startUs, startUs - 1), event(9.1e15)];
  assert.deepEqual(await events.keep('door', odd), []);
  const long = await events.keep('door', [event(startUs, startUs + 9e11)]);
  assert.equal(long?.[0]?.toUs, startUs + 86_400_000_000, 'a day at the most');
});

test('the oldest events go when there are too many', async () => {
  const clock = new VirtualClock();
  await using events = new EventLog({ index: indexStore(), clock, log, rowsMax: 700 });
  for (let n = 0; n < 1_000; n += 10) {
    clock.advance(10_000);
    const batch = Array.from({ length: 10 }, (_, k) =>
      event(startUs + (n + k) * 1_000_000, startUs + (n + k) * 1_000_000 + 1_000),
    );
    assert.equal((await events.keep('door', batch))?.length, 10);
  }
  clock.advance(600_000);
  await events.keep('yard', []);
  const left = await all(events);
  assert.ok(left.length >= 700 && left.length <= 1_000, `${left.length}`);
  clock.advance(600_000);
  await events.keep('yard', []);
  const rest = await all(events);
  assert.deepEqual([rest.length, rest.at(-1)?.fromUs], [700, startUs + 300 * 1_000_000]);
});
