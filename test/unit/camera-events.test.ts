/** A server's side of what cameras saw, when a camera goes in the middle of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventLog, StoredEvent } from '../../firmware/recording/event-log.ts';
import { CameraEvents } from '../../firmware/roles/camera-events.ts';

const startUs = Date.parse('2026-11-22T12:00:00Z') * 1_000;

test('what a camera told before it went to another server does not last here for ever', async () => {
  let keep: (fresh: StoredEvent[]) => void = () => undefined;
  const kept = new Promise<StoredEvent[]>((resolve) => (keep = resolve));
  const log = { keep: () => kept } as unknown as EventLog;
  const events = new CameraEvents({ log, send: () => undefined });
  const event = { kind: 'motion', sensor: '', fromUs: startUs, toUs: 0 };
  events.told({ camera: 'door', batch: 1, reply: false, kinds: ['motion'], events: [event] });
  events.gone(['door']);
  keep([{ ...event, camera: 'door' }]);
  await kept;
  events.told({ camera: 'door', batch: 1, reply: false, kinds: ['motion'], events: [] });
  assert.equal(events.lasts('door', 'motion'), false);
});
