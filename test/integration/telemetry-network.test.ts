/** Real servers and cameras, a real broker, and what both it and Prometheus see of a hand-over and of sudden deaths. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { deviceDiscovery } from '../support/home-assistant-schema.ts';
import { Mosquitto, type Seen } from '../support/mosquitto.ts';
import { getCameras, startNetwork, type TestNetwork, until, untilUp } from '../support/network.ts';
import { type MetricFamily, parseExposition, valueOf } from '../support/prometheus-text.ts';

const password = 'a secret of the broker';
const state = 'starling/demo/camera/cam-1/state';
const availability = 'starling/demo/camera/cam-1/availability';
const snapshot = 'starling/demo/camera/cam-1/snapshot';
const discovery = 'homeassistant/device/starling_demo_camera_cam-1/config';
const ofServer = (server: string): string => `starling/demo/server/${server}/availability`;

const json = (seen: Seen | undefined): Record<string, unknown> =>
  JSON.parse(seen?.text || '{}') as Record<string, unknown>;
const latest = (seen: readonly Seen[], topic: string): Seen | undefined =>
  seen.findLast((one) => one.topic === topic);

describe('a network of two servers and a camera that tells a broker', () => {
  let broker: Mosquitto;
  let network: TestNetwork;
  let seen: Seen[];
  let first = '';
  let second = '';

  before(async () => {
    broker = await Mosquitto.open({ users: { starling: password } });
    network = await startNetwork({ servers: 2, cameras: 1, start: [] });
    for (const id of ['ss-1', 'ss-2']) {
      const { folder, settings } = network.unit(id).unit;
      await writeFile(join(folder, 'mqtt.password'), `${password}\n`, { mode: 0o600 });
      const document = parse(await readFile(settings, 'utf8')) as { server: object };
      const mqtt = { url: broker.url, user: 'starling', passwordFile: 'mqtt.password', snapshotSeconds: 1 };
      await writeFile(settings, stringify({ ...document, server: { ...document.server, mqtt } }));
    }
    seen = await broker.listen('#');
    for (const unit of network.units.values()) unit.start();
    await untilUp(network, 2, 1);
    first = (await getCameras(network.url()))[0]?.manager ?? '';
    second = first === 'ss-1' ? 'ss-2' : 'ss-1';
  });
  after(async () => {
    await network?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
  });

  /** One that is asked too often says so; then a little later. */
  const metricsOf = (server: string): Promise<Map<string, MetricFamily>> =>
    until(`the figures of ${server}`, async () => {
      const response = await fetch(`${network.url(server)}/metrics`, { signal: AbortSignal.timeout(5_000) });
      const text = await response.text();
      if (response.status === 429) return undefined;
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
      return parseExposition(text);
    });

  test('shows the camera as recording, with what it can, and pictures that are pictures', async () => {
    await until('the camera is recorded', () => json(latest(seen, state))['recording'] === 'ON');
    const { manager, frameRate, width } = json(latest(seen, state));
    assert.deepEqual({ manager, frameRate, width }, { manager: first, frameRate: 25, width: 960 });
    assert.equal(latest(seen, availability)?.text, 'online');
    const config = await until('the device is told', () => latest(seen, discovery));
    const { components } = deviceDiscovery.parse(json(config));
    assert.deepEqual(
      [
        'connected',
        'recording',
        'manager',
        'frame_age',
        'snapshot',
        'pan',
        'tilt',
        'zoom',
        'frame_rate',
      ].filter((key) => !(key in components)),
      [],
    );
    const picture = await until('a picture', () => latest(seen, snapshot));
    assert.deepEqual([...picture.payload.subarray(0, 3)], [0xff, 0xd8, 0xff], 'a JPEG');
    assert.deepEqual([...picture.payload.subarray(-2)], [0xff, 0xd9], 'a whole one');
    assert.equal(picture.retained, false);
    for (const server of ['ss-1', 'ss-2'])
      await until(`${server} is online`, () => latest(seen, ofServer(server))?.text === 'online');
  });

  test('changes the frame rate by a message', async () => {
    await broker.publish('starling/demo/camera/cam-1/stream/set', '{"frameRate": 10}');
    await until('it streams slower', () => json(latest(seen, state))['frameRate'] === 10);
    assert.deepEqual(json(latest(seen, 'starling/demo/camera/cam-1/result')), {
      command: 'stream',
      outcome: 'done',
      reason: '',
    });
  });

  test('turns by a message, in the way that its sliders ask for, and the audit log says by whose', async () => {
    const { components } = deviceDiscovery.parse(json(latest(seen, discovery)));
    const { pan } = components;
    assert(pan?.platform === 'number', 'no slider');
    const [from = 0, to = 0] = [pan.min, pan.max];
    const target = Math.round(from + (to - from) / 4);
    await broker.publish(
      pan.command_topic,
      (pan.command_template ?? '').replace('{{ value }}', `${target}.0`),
    );
    await until('it looks there', () => json(latest(seen, state))['pan'] === target);
    const { entries } = await getJson<{ entries: { user: string; action: string; camera: string | null }[] }>(
      `${network.url(first)}/api/audit`,
    );
    const steered = entries.find(({ action }) => action === 'steer');
    assert.deepEqual([steered?.user, steered?.camera], ['mqtt', 'cam-1']);
  });

  test('shows in figures what is recorded, and counts that move', async () => {
    const read = async (): Promise<{ bytes: number; writes: number; syncs: number }> => {
      const families = await metricsOf(first);
      return {
        bytes: valueOf(families, 'starling_camera_received_bytes_total{camera="cam-1"}') ?? 0,
        writes: valueOf(families, 'starling_segment_write_seconds_count') ?? 0,
        syncs: valueOf(families, 'starling_segment_sync_seconds_count') ?? 0,
      };
    };
    const before = await read();
    await until('all of them grow', async () => {
      const now = await read();
      return now.bytes > before.bytes && now.writes > before.writes && now.syncs > before.syncs;
    });
    const families = await metricsOf(first);
    assert.equal(valueOf(families, 'starling_camera_up{camera="cam-1"}'), 1);
    assert.equal(valueOf(families, `starling_peer_up{peer="${second}"}`), 1);
    assert.equal(
      (valueOf(families, `starling_peer_link_cost_seconds{peer="${second}"}`) ?? 0) > 0,
      true,
      'no link cost',
    );
    assert.equal(valueOf(families, 'starling_mqtt_connected'), 1);
    assert.equal((valueOf(families, 'process_cpu_seconds_total') ?? 0) > 0, true, 'no CPU time');
    const free = [...(families.get('starling_storage_free_bytes')?.samples.values() ?? [])];
    assert.equal(free.length === 1 && (free[0] ?? 0) > 0, true, 'no free space');
    assert.equal(
      (await metricsOf(second)).get('starling_camera_up')?.samples.size,
      0,
      'it manages no camera',
    );
  });

  test('keeps the camera the same device when its manager is killed, which its will tells', async () => {
    const before = json(latest(seen, discovery));
    const killed = network.unit(first).pid;
    assert(killed !== undefined, 'it does not run');
    process.kill(killed, 'SIGKILL');
    await until('the will is published', () => latest(seen, ofServer(first))?.text === 'offline');
    await until('the other one tells of the camera', () => json(latest(seen, state))['manager'] === second);
    const config = await until('and how it is available now', () => {
      const now = latest(seen, discovery);
      return now?.text.includes(ofServer(second)) === true && json(now);
    });
    const {
      device,
      availability: topics,
      availability_mode: mode,
      components,
    } = deviceDiscovery.parse(config);
    assert.deepEqual(Object.keys(components), Object.keys(before['components'] as object));
    assert.deepEqual(device.identifiers, (before['device'] as { identifiers: string[] }).identifiers);
    assert.deepEqual(
      topics?.map(({ topic }) => topic),
      [availability, ofServer(second)],
    );
    assert.equal(mode, 'all');
    await until(
      'it is available',
      () =>
        latest(seen, availability)?.text === 'online' && latest(seen, ofServer(second))?.text === 'online',
    );
    const families = await until('its death is counted', async () => {
      const now = await metricsOf(second);
      return valueOf(now, 'starling_overlay_deaths_total') === 1 && now;
    });
    assert.equal(valueOf(families, 'starling_overlay_suspicions_total'), 1);
    assert.equal(valueOf(families, 'starling_camera_up{camera="cam-1"}'), 1);
    assert.equal(valueOf(families, `starling_peer_up{peer="${first}"}`), 0);
  });

  test('and when its old manager is there again, that does not speak for it', async () => {
    const epoch = Number(json(latest(seen, state))['epoch']);
    await until('it is there again', () => latest(seen, ofServer(first))?.text === 'online', 60_000);
    const from = seen.findLastIndex(({ topic, text }) => topic === ofServer(first) && text === 'offline');
    await until(
      'it has looked around',
      async () =>
        (valueOf(await metricsOf(first), 'starling_mqtt_messages_total{outcome="published"}') ?? 0) >= 3,
    );
    const older = seen
      .slice(from)
      .filter(
        ({ topic, text }) => topic === state && Number((JSON.parse(text) as { epoch: number }).epoch) < epoch,
      );
    assert.deepEqual(
      older.map(({ text }) => text),
      [],
    );
    assert.equal(
      seen.slice(from).some(({ topic, text }) => topic === availability && text === 'offline'),
      false,
    );
  });

  test('goes on recording without a broker, with a broker that hangs, and tells everything when it is back', async () => {
    const receivedOf = async (): Promise<number> => {
      const [camera] = await getCameras(network.url(second));
      return Date.parse(camera?.durableThrough ?? '');
    };
    const goesOn = async (what: string): Promise<void> => {
      const from = await receivedOf();
      await until(`recording goes on: ${what}`, async () => (await receivedOf()) >= from + 3_000);
    };
    broker.freeze();
    await goesOn('the broker hangs');
    broker.thaw();
    await broker.stop();
    await goesOn('there is no broker');
    await broker.start();
    const again = await broker.listen('#');
    await until('the camera is told again', () => latest(again, availability)?.text === 'online', 90_000);
    const { manager } = json(latest(again, state));
    const entry = (await getCameras(network.url(second)))[0];
    assert.equal(manager, entry?.manager);
  });

  test('never says the broker’s password, neither in a log nor in an answer', async () => {
    for (const id of ['ss-1', 'ss-2']) {
      const log = await readFile(join(network.unit(id).unit.folder, 'unit.log'), 'utf8');
      assert.equal(log.includes(password), false);
    }
  });
});

async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  assert.equal(response.status, 200, url);
  return (await response.json()) as T;
}
