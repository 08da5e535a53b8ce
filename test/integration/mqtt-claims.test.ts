/** A camera at a real broker that was told of wrongly for long, or that is gone for good. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Mosquitto } from '../support/mosquitto.ts';
import { until } from '../support/network.ts';
import { camera, peer, startRig, topics } from '../support/telemetry-rig.ts';

const state = topics.camera('cam-1', 'state');
const availability = topics.camera('cam-1', 'availability');
const discovery = topics.discovery('camera', 'cam-1');
/** The last manager of an earlier life of the camera. */
const earlier = JSON.stringify({ manager: 'ss-9', epoch: 900 });

async function managerAt(broker: Mosquitto): Promise<string | undefined> {
  return (JSON.parse((await broker.retained(state)) ?? '{}') as { manager?: string }).manager;
}

describe('a camera', () => {
  test('that an earlier life of it was told of is told of rightly when its manager speaks again', async () => {
    await using broker = await Mosquitto.open();
    await using _rig = startRig(broker, { server: 'ss-1', clockRate: 8 }, camera('cam-1', 'ss-1', 1));
    await until('ss-1 tells of it', async () => (await broker.retained(availability)) === 'online');
    await broker.publish(state, earlier, { retain: true });
    await broker.publish(availability, 'offline', { retain: true });
    await until('ss-1 tells of it again', async () => (await managerAt(broker)) === 'ss-1');
    await until('it is there', async () => (await broker.retained(availability)) === 'online');
  });

  test('that liars claim, before it is there and after, is told of rightly and steered at once', async () => {
    await using broker = await Mosquitto.open();
    const lie = JSON.stringify({ manager: 'x', epoch: Number.MAX_SAFE_INTEGER });
    await broker.publish(state, lie, { retain: true });
    // Fifteen seconds of this server are longer than anybody waits here.
    await using rig = startRig(broker, { server: 'ss-1', clockRate: 0.2 }, camera('cam-1', 'ss-1', 1));
    rig.servers.push({ ...peer('ss-1'), state: 'self' }, peer('ss-2', 'unreachable'));
    await until('ss-1 tells of it', async () => (await managerAt(broker)) === 'ss-1');
    for (const said of [lie, JSON.stringify({ manager: 'x', epoch: 2 })]) {
      await broker.publish(state, said, { retain: true });
      await broker.publish(topics.camera('cam-1', 'ptz/set'), '{"pan": 10}');
      await until('ss-1 tells of it again', async () => (await managerAt(broker)) === 'ss-1');
    }
    await until('both commands are done', () => rig.steered.length === 2);
    assert.equal(rig.counts.commands.elsewhere, 0);
  });

  test('that is gone for good goes from Home Assistant, though that was restarted since it was there', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1', clockRate: 8 }, camera('cam-1', 'ss-1', 5));
    await until('it has a device', async () => (await broker.retained(discovery)) !== undefined);
    rig.cameras[0] = { ...camera('cam-1', 'ss-1', 5), state: 'offline' };
    await until('it is gone', async () => (await broker.retained(availability)) === 'offline');
    const seen = await broker.listen(availability);
    const before = seen.length;
    await broker.publish('homeassistant/status', 'online');
    await until('all is told again', () => seen.length > before);
    assert.notEqual(await broker.retained(discovery), undefined, 'offline for now');
    rig.cameras.pop();
    rig.removed.push('cam-1');
    for (const topic of [discovery, state, availability])
      await until(`${topic} is empty`, async () => ((await broker.retained(topic)) ?? '') === '');
    rig.cameras.push(camera('cam-1', 'ss-1', 6));
    await until('it is back', async () => (await broker.retained(availability)) === 'online');
  });

  test('that was taken off the lists while its manager was away is forgotten by whoever is there', async () => {
    await using broker = await Mosquitto.open();
    await broker.publish(discovery, '{"device":{}}', { retain: true });
    await broker.publish(state, earlier, { retain: true });
    await using rig = startRig(broker, { server: 'ss-2', clockRate: 8 });
    rig.removed.push('cam-1');
    for (const topic of [discovery, state])
      await until(`${topic} is empty`, async () => ((await broker.retained(topic)) ?? '') === '');
  });

  test('that is back with another server is told of by that one, though this one knows it as taken off', async () => {
    await using broker = await Mosquitto.open();
    await using manager = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 6));
    await until('ss-1 tells of it', async () => (await broker.retained(availability)) === 'online');
    for (const present of ['online', 'offline'] as const) {
      manager.cameras[0] = { ...camera('cam-1', 'ss-1', 6), state: present };
      await until(`it is ${present}`, async () => (await broker.retained(availability)) === present);
      const seen = await broker.listen(availability);
      await using late = startRig(broker, { server: 'ss-2', clockRate: 8 });
      late.removed.push('cam-1');
      await until('ss-2 has it forgotten', () => seen.some(({ text }) => text === ''));
      for (const topic of [discovery, state, availability])
        await until(`${topic} is there`, async () => ((await broker.retained(topic)) ?? '') !== '');
    }
  });

  test('that came back is not forgotten by a server that has just started and does not know it yet', async () => {
    await using broker = await Mosquitto.open();
    await using _manager = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 6));
    await until('ss-1 tells of it', async () => (await broker.retained(availability)) === 'online');
    const seen = await broker.listen(discovery, state, availability);
    // It has not been there for long until it knows the camera, however long all this takes.
    await using late = startRig(broker, { server: 'ss-2', clockRate: 8, clockHeld: true });
    const other = topics.camera('cam-9', 'state');
    await broker.publish(other, earlier, { retain: true });
    late.removed.push('cam-1', 'cam-9');
    await until(
      'ss-2 is there',
      async () => (await broker.retained(topics.server('ss-2', 'state'))) !== undefined,
    );
    late.cameras.push(camera('cam-1', 'ss-1', 6));
    late.runClock();
    await until('what is gone is forgotten', async () => ((await broker.retained(other)) ?? '') === '');
    assert.deepEqual(
      seen.filter(({ text }) => text === ''),
      [],
    );
  });

  test('that another server has by now is left to it', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
    await until('ss-1 tells of it', async () => (await broker.retained(availability)) === 'online');
    await broker.publish(state, earlier, { retain: true });
    const seen = await broker.listen(topics.server('ss-1', 'state'));
    for (const alarms of [1, 2]) {
      // The first look comes after what it has heard, the second finds the camera on no list.
      rig.status.alarms = Array.from({ length: alarms }, () => ({
        id: 'volume/x',
        kind: 'volume-full',
        text: '',
        since: '',
      }));
      await until('it looks', () => seen.some(({ text }) => text.includes(`"alarms":${alarms}`)));
      rig.cameras.pop();
    }
    assert.equal(await managerAt(broker), 'ss-9');
  });
});
