/** What sensors of cameras see, as a real Mosquitto hears it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceDiscovery } from '../support/home-assistant-schema.ts';
import { Mosquitto, type Seen } from '../support/mosquitto.ts';
import { until } from '../support/network.ts';
import { camera, startRig, topics } from '../support/telemetry-rig.ts';

const json = ({ text }: Seen): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const latest = (seen: readonly Seen[], topic: string): Seen | undefined =>
  seen.findLast((one) => one.topic === topic);
const state = topics.camera('cam-1', 'state');
const discovery = topics.discovery('camera', 'cam-1');

test('a server tells what a sensor saw as it happens, and whether somebody moves as its state', async () => {
  await using broker = await Mosquitto.open();
  const seen = await broker.listen('#');
  await using rig = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
  rig.sees = ['motion', 'button'];
  rig.motion = false;
  await until('motion is off', () => json(latest(seen, state) as Seen)['motion'] === 'OFF');
  await until(
    'its entities',
    () => 'motion' in (json(latest(seen, discovery) as Seen)['components'] as object),
  );
  deviceDiscovery.parse(json(latest(seen, discovery) as Seen));
  rig.motion = true;
  const fromUs = Date.parse('2026-11-22T12:00:00Z') * 1_000;
  rig.saw({ camera: 'cam-1', kind: 'motion', sensor: '', fromUs, toUs: 0 });
  rig.saw({ camera: 'cam-2', kind: 'motion', sensor: '', fromUs, toUs: 0 });
  const topic = topics.camera('cam-1', 'event');
  const event = await until('the event', () => latest(seen, topic));
  assert.deepEqual([event.retained, json(event)['event_type'], json(event)['to']], [false, 'motion', null]);
  await until('motion is on', () => json(latest(seen, state) as Seen)['motion'] === 'ON');
  assert.equal(latest(seen, topics.camera('cam-2', 'event')), undefined, 'not of a camera of another server');
});
