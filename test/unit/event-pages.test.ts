// Events of several servers, page by page: every one once, also where a server looks at more rows than it may at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventLog, type EventQuery, type StoredEvent } from '../../firmware/recording/event-log.ts';
import type { IndexStore } from '../../firmware/recording/index-store.ts';
import { mergeEvents } from '../../firmware/viewing/site-events.ts';
import { SimulatedIndex } from '../support/simulated-index.ts';
import { SimulatedMachine } from '../support/simulated-machine.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const startUs = Date.parse('2026-11-22T00:00:00Z') * 1_000;
const dayUs = 86_400_000_000;

const event = (fromUs: number, toUs = 0, camera = 'door'): StoredEvent => {
  return { camera, kind: 'motion', sensor: '', fromUs, toUs };
};

test('what two servers know of one event is one event, with its end; a list is whole down to its end', () => {
  const merged = mergeEvents(
    [
      { server: 'a', events: [event(50), event(40)], nextUs: undefined },
      { server: 'b', events: [event(60, 61), event(40, 45), event(30, 31)], nextUs: 30 },
      { server: 'c', events: [event(40), event(20, 21)], nextUs: undefined },
    ],
    10,
  );
  assert.deepEqual(
    merged.events.map(({ fromUs, toUs, server }) => [fromUs, toUs, server]),
    [
      [60, 61, 'b'],
      [50, 0, 'a'],
      [40, 45, 'b'],
      [30, 31, 'b'],
    ],
  );
  assert.equal(merged.nextUs, 30, 'b may have some before 30, so the one of c waits');
  assert.equal(mergeEvents([{ server: 'a', events: [event(1)], nextUs: undefined }], 1).nextUs, undefined);
});

/** The events that pages tell one after another, and how many pages there were. */
async function paged(
  query: EventQuery,
  page: (query: EventQuery) => Promise<{ events: StoredEvent[]; nextUs: number | undefined }>,
): Promise<{ told: StoredEvent[]; pages: number }> {
  const told: StoredEvent[] = [];
  for (let toUs: number | undefined = query.toUs, pages = 1; ; pages++) {
    const { events, nextUs } = await page({ ...query, toUs });
    assert.ok(events.length <= query.limit, 'bounded');
    assert.ok(nextUs === undefined || nextUs < toUs, 'pages end');
    told.push(...events);
    if (nextUs === undefined) return { told, pages };
    toUs = nextUs;
  }
}

/** Keeps events past what a camera may tell at once. */
async function keepAll(log: EventLog, clock: VirtualClock, events: readonly StoredEvent[]): Promise<void> {
  for (let at = 0; at < events.length; at += 100) {
    clock.advance(60_000);
    const batch = events.slice(at, at + 100);
    for (const camera of new Set(batch.map((one) => one.camera))) {
      const of = batch.filter((one) => one.camera === camera);
      assert.ok((await log.keep(camera, of)) !== undefined);
    }
  }
}

function newLog(): { log: EventLog; clock: VirtualClock } {
  const clock = new VirtualClock();
  const index: IndexStore = new SimulatedIndex(new SimulatedMachine(1)).open();
  return { log: new EventLog({ index, clock, log: () => undefined }), clock };
}

test('pages of two servers that follow one another hold every event once, whatever times they share', async () => {
  const events = fc.uniqueArray(
    fc.record({ ms: fc.integer({ min: 1, max: 12 }), camera: fc.constantFrom('door', 'gate', 'yard') }),
    { selector: ({ ms, camera }) => `${ms} ${camera}`, maxLength: 30 },
  );
  // Three cameras of each server: what begins in one ms fits into a page.
  const limits = fc.integer({ min: 6, max: 9 });
  await fc.assert(
    fc.asyncProperty(events, events, limits, async (ofA, ofB, limit) => {
      const servers = await Promise.all(
        [ofA, ofB].map(async (of, n) => {
          const { log, clock } = newLog();
          const own = of.map(({ ms, camera }) => event(startUs + ms * 1_000, 0, `${camera}-${n}`));
          await keepAll(log, clock, own);
          return { server: `s${n}`, log, own };
        }),
      );
      const { told } = await paged({ fromUs: 0, toUs: startUs + dayUs, limit }, async (query) => {
        const pages = servers.map(async ({ server, log }) => ({ server, ...(await log.read(query)) }));
        return mergeEvents(await Promise.all(pages), limit);
      });
      const text = ({ fromUs, camera }: StoredEvent): string => `${fromUs} ${camera}`;
      const all = servers.flatMap(({ own }) => own);
      assert.deepEqual(told.map(text).sort(), all.map(text).sort());
    }),
    { numRuns: 100 },
  );
});

test('an event behind very many others is found by going on, and events of other servers are told at once', async () => {
  const { log, clock } = newLog();
  await using _closed = log;
  const many = Array.from({ length: 20_000 }, (_, n) => event(startUs + (n + 1) * 1_000_000, 0, 'yard'));
  await keepAll(log, clock, [event(startUs), ...many]);
  const query = { fromUs: startUs, toUs: startUs + dayUs, camera: 'door', limit: 100 };
  for (const asked of [query, { ...query, camera: undefined, sees: (camera: string) => camera === 'door' }]) {
    const { told, pages } = await paged(asked, (page) => log.read(page));
    assert.deepEqual([told.map(({ fromUs }) => fromUs), pages], [[startUs], 2]);
  }
  const own = await log.read(query);
  const recent = event(startUs + 30_000_000_000);
  const merged = mergeEvents(
    [
      { server: 's1', ...own },
      { server: 's2', events: [recent], nextUs: undefined },
    ],
    100,
  );
  assert.deepEqual(merged.events, [{ ...recent, server: 's2' }]);
  assert.equal(merged.nextUs, own.nextUs);
  // 16,384 of 20,000 were looked at.
  assert.equal(((own.nextUs ?? 0) - startUs) / 1_000_000, 20_000 - 16_384 + 1 + 0.001);
});
