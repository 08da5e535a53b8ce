/** What servers tell a real Mosquitto, through hand-overs, restarts, silence and hostility. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { deviceDiscovery, discoveryTopic } from '../support/home-assistant-schema.ts';
import { Mosquitto, type Seen } from '../support/mosquitto.ts';
import { until } from '../support/network.ts';
import { camera, startRig, topics } from '../support/telemetry-rig.ts';

const mount = {
  position: { pan: 10, tilt: 0, zoom: 1 },
  limits: { pan: [-170, 170], tilt: [-30, 90], zoom: [1, 4] },
} as const;

const json = ({ text }: Seen): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const latest = (seen: readonly Seen[], topic: string): Seen | undefined =>
  seen.findLast((one) => one.topic === topic);
const state = topics.camera('cam-1', 'state');
const availability = topics.camera('cam-1', 'availability');
const discovery = topics.discovery('camera', 'cam-1');

/** Who the broker says manages the camera, and whether that is told as present. */
async function told(broker: Mosquitto): Promise<string> {
  const [claim, present] = [await broker.retained(state), await broker.retained(availability)];
  const { manager, epoch } = JSON.parse(claim ?? '{}') as { manager?: string; epoch?: number };
  return `${manager} ${epoch} ${present}`;
}

describe('a server with a camera', () => {
  test('tells Home Assistant what there is, in keys that it documents, and what state it is in', async () => {
    await using broker = await Mosquitto.open();
    const seen = await broker.listen('#');
    await using rig = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await until('the camera is told', () => latest(seen, availability)?.text === 'online');
    const configs = seen.filter(({ topic }) => topic.endsWith('/config'));
    assert.deepEqual(
      configs.map(({ topic }) => topic),
      [topics.discovery('server', 'ss-1'), discovery],
    );
    for (const config of configs) {
      assert.match(config.topic, discoveryTopic);
      deviceDiscovery.parse(json(config));
    }
    const { frameAgeSeconds, manager, epoch, pan } = json(latest(seen, state) as Seen);
    assert.deepEqual(
      { frameAgeSeconds, manager, epoch, pan },
      { frameAgeSeconds: 0, manager: 'ss-1', epoch: 5, pan: 10 },
    );
    assert.equal(latest(seen, topics.server('ss-1', 'availability'))?.text, 'online');
    assert.equal(json(latest(seen, topics.server('ss-1', 'state')) as Seen)['storageFreeBytes'], 4e11);
    assert.deepEqual(
      seen.filter(({ retained, qos }) => !retained || qos !== 1),
      [],
      'state is retained, QoS 1',
    );
    rig.status.alarms = [{ id: 'camera/cam-1', kind: 'silent', text: 'cam-1 sends nothing', since: '' }];
    await until(
      'the alarm is told',
      () => json(latest(seen, topics.server('ss-1', 'state')) as Seen)['alarms'] === 1,
    );
  });

  test('says nothing again that has not changed', async () => {
    await using broker = await Mosquitto.open();
    const seen = await broker.listen('starling/#');
    await using rig = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
    await until('the camera is told', () => latest(seen, availability) !== undefined);
    const before = seen.length;
    // Each of three alarms shows in one look at everything.
    for (let number = 1; number <= 3; number++) {
      rig.status.alarms = Array.from({ length: number }, () => ({
        id: 'volume/x',
        kind: 'volume-full',
        text: '',
        since: '',
      }));
      await until(
        'a look',
        () => json(latest(seen, topics.server('ss-1', 'state')) as Seen)['alarms'] === number,
      );
    }
    assert.deepEqual(
      seen.slice(before).map(({ topic }) => topic),
      Array(3).fill(topics.server('ss-1', 'state')),
    );
  });

  test('that stops says that it is offline', async () => {
    await using broker = await Mosquitto.open();
    const rig = startRig(broker, { server: 'ss-1' });
    const own = topics.server('ss-1', 'availability');
    await until('it is online', async () => (await broker.retained(own)) === 'online');
    await rig[Symbol.asyncDispose]();
    assert.equal(await broker.retained(own), 'offline');
  });

  test('tells a camera as gone when nobody else has taken it', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
    await until('it is there', async () => (await told(broker)) === 'ss-1 5 online');
    rig.cameras[0] = { ...camera('cam-1', 'ss-1', 5), state: 'offline' };
    await until('it is gone', async () => (await told(broker)) === 'ss-1 5 offline');
    rig.cameras[0] = camera('cam-1', 'ss-1', 6);
    await until('it is back', async () => (await told(broker)) === 'ss-1 6 online');
  });

  test('sends pictures that are not retained', async () => {
    await using broker = await Mosquitto.open();
    const snapshot = topics.camera('cam-1', 'snapshot');
    const seen = await broker.listen('#');
    const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(80_000, 7)]);
    const options = { server: 'ss-1', snapshotSeconds: 1, frame: async () => jpeg };
    await using _ = startRig(broker, options, camera('cam-1', 'ss-1', 5));
    await until('two pictures', () => seen.filter(({ topic }) => topic === snapshot).length >= 2);
    assert.equal(latest(seen, snapshot)?.payload.equals(jpeg), true);
    assert.equal(latest(seen, snapshot)?.retained, false);
    assert.equal(await broker.retained(snapshot), undefined);
    assert.equal(
      'snapshot' in
        (json(latest(seen, discovery) ?? ({ text: '{"components":{}}' } as Seen))['components'] as object),
      true,
    );
  });
});

describe('a camera that is handed over', () => {
  test('keeps its identity, and is available through its new manager', async () => {
    await using broker = await Mosquitto.open();
    const seen = await broker.listen('homeassistant/#');
    await using old = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await using next = startRig(broker, { server: 'ss-2', mount });
    await until('ss-1 tells of it', async () => (await told(broker)) === 'ss-1 5 online');
    const before = json(latest(seen, discovery) as Seen);
    old.cameras[0] = { ...camera('cam-1', 'ss-1', 5), state: 'offline' };
    next.cameras.push(camera('cam-1', 'ss-2', 6));
    await until('ss-2 tells of it', async () => (await told(broker)) === 'ss-2 6 online');
    old.cameras.pop();
    const config = await until('the new discovery', () => {
      const now = latest(seen, discovery);
      return now?.text.includes('server/ss-2/availability') === true && json(now);
    });
    deviceDiscovery.parse(config);
    const identity = (of: Record<string, unknown>): unknown => [
      (of['device'] as Record<string, unknown>)['identifiers'],
      Object.values(of['components'] as Record<string, { unique_id: string }>).map((one) => one.unique_id),
    ];
    assert.deepEqual(identity(config), identity(before));
    assert.deepEqual(
      (config['availability'] as { topic: string }[]).map(({ topic }) => topic),
      [availability, topics.server('ss-2', 'availability')],
    );
    assert.deepEqual(
      new Set(seen.filter(({ topic }) => topic.includes('cam-1')).map(({ topic }) => topic)),
      new Set([discovery]),
    );
  });

  test('is not told of by an old manager that still believes in it, be it there all along or coming back', async () => {
    await using broker = await Mosquitto.open();
    await using _old = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
    await until('ss-1 tells of it', async () => (await told(broker)) === 'ss-1 5 online');
    await using _next = startRig(broker, { server: 'ss-2' }, camera('cam-1', 'ss-2', 6));
    await until('ss-2 tells of it', async () => (await told(broker)) === 'ss-2 6 online');
    const seen = await broker.listen(state, availability, discovery);
    await using back = startRig(broker, { server: 'ss-3' }, camera('cam-1', 'ss-3', 4));
    await until('ss-3 is connected', () => back.counts.published.published >= 3);
    // It loses the camera, which it never had; that is not told either.
    back.cameras[0] = { ...camera('cam-1', 'ss-3', 4), state: 'offline' };
    const settled = await broker.listen('starling/home/server/ss-3/state');
    back.status.alarms = [{ id: 'volume/x', kind: 'volume-full', text: '', since: '' }];
    await until('it looks again', () => settled.some(({ text }) => text.includes('"alarms":1')));
    const others = seen.filter(({ text }) => /ss-[13]/.test(text) || text === 'offline');
    assert.deepEqual(
      others.map(({ text }) => text),
      [],
    );
    assert.equal(await told(broker), 'ss-2 6 online');
  });

  test('and told of wrongly by somebody else is told of rightly again', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-2' }, camera('cam-1', 'ss-2', 6));
    await until('ss-2 tells of it', async () => (await told(broker)) === 'ss-2 6 online');
    for (const lie of [
      JSON.stringify({ manager: 'ss-1', epoch: 5 }),
      'garbage',
      JSON.stringify({ manager: 'ss-2', epoch: 6, pan: 5 }),
    ]) {
      await broker.publish(state, lie, { retain: true });
      await until(`${lie} is mended`, async () => (await broker.retained(state)) !== lie);
      assert.equal(await told(broker), 'ss-2 6 online');
    }
    await broker.publish(availability, 'offline', { retain: true });
    await until('it is online again', async () => (await told(broker)) === 'ss-2 6 online');
    assert.equal(rig.counts.mended >= 4, true);
  });
});

describe('Home Assistant', () => {
  test('that starts is told everything again; what it retained is not minded', async () => {
    await using broker = await Mosquitto.open();
    await broker.publish('homeassistant/status', 'online', { retain: true });
    const seen = await broker.listen('homeassistant/device/#', 'starling/#');
    await using rig = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
    await until('the camera is told', () => latest(seen, availability) !== undefined);
    const times = (topic: string): number => seen.filter((one) => one.topic === topic).length;
    for (let number = 1; number <= 4; number++) {
      rig.status.alarms = Array.from({ length: number }, () => ({
        id: 'x',
        kind: 'silent',
        text: '',
        since: '',
      }));
      const own = topics.server('ss-1', 'state');
      await until(
        'a look, one second after the other',
        () => json(latest(seen, own) as Seen)['alarms'] === number,
      );
    }
    assert.equal(times(discovery), 1);
    for (let number = 0; number < 20; number++) await broker.publish('homeassistant/status', 'online');
    await until('all is told again', () =>
      [discovery, state, availability].every((topic) => times(topic) >= 2),
    );
    assert.equal(times(discovery) <= 4, true, 'twenty births in a row are one');
  });
});

describe('a broker', () => {
  test('that is restarted gets everything anew, once, and no backlog', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1' }, camera('cam-1', 'ss-1', 5));
    await until('it is told', async () => (await told(broker)) === 'ss-1 5 online');
    await broker.stop();
    await until('it is noticed', () => !rig.counts.connected);
    for (let number = 0; number < 1_000; number++) {
      rig.status.alarms = Array.from({ length: number % 7 }, () => ({
        id: 'x',
        kind: 'silent',
        text: '',
        since: '',
      }));
      rig.cameras[0] = camera('cam-1', 'ss-1', 6 + number);
    }
    await broker.start();
    const seen = await broker.listen('#');
    await until('it is told again', () => latest(seen, availability)?.text === 'online');
    const times = new Map<string, number>();
    for (const { topic } of seen) times.set(topic, (times.get(topic) ?? 0) + 1);
    assert.deepEqual(
      [...times].filter(([topic, count]) => count > 1 && !topic.endsWith('ss-1/state')),
      [],
    );
    assert.equal(json(latest(seen, state) as Seen)['epoch'], 1005);
    assert.equal(
      rig.log.filter((line) => line.includes('ECONNREFUSED')).length <= 1,
      true,
      rig.log.join('\n'),
    );
  });

  test('that hangs costs the server neither time nor memory, and hears only the newest when it goes on', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await until('it is told', async () => (await told(broker)) === 'ss-1 5 online');
    const seen = await broker.listen(state);
    broker.freeze();
    const lag = monitorEventLoopDelay({ resolution: 5 });
    lag.enable();
    // The camera turns; every look finds it elsewhere.
    const { replaced } = rig.counts.published;
    let pan = 0;
    await until('looks are thrown away', () => {
      pan = (pan + 1) % 100;
      rig.mount = { ...mount, position: { ...mount.position, pan } };
      return rig.counts.published.replaced >= replaced + 3 || rig.counts.published.failed > 0;
    });
    lag.disable();
    assert.equal(lag.max / 1e6 < 2_000, true, `the event loop stood still for ${lag.max / 1e6} ms`);
    rig.mount = { ...mount, position: { ...mount.position, pan: 123 } };
    const before = seen.length;
    broker.thaw();
    await until(
      'the newest is told',
      async () => (JSON.parse((await broker.retained(state)) ?? '{}') as { pan?: number }).pan === 123,
    );
    // What was on its way when it hung, and the newest.
    assert.equal(seen.length - before <= 12, true, `${seen.length - before} messages`);
  });
});

describe('a command', () => {
  const ptz = topics.camera('cam-1', 'ptz/set');
  const stream = topics.camera('cam-1', 'stream/set');

  test('turns the camera or changes its frame rate, and the state shows it', async () => {
    await using broker = await Mosquitto.open();
    const seen = await broker.listen('starling/home/camera/#');
    await using rig = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await until('it is told', () => latest(seen, availability) !== undefined);
    await broker.publish(ptz, '{"pan": 42.0}');
    await broker.publish(stream, '{"frameRate": 10}');
    await until('both are done', () => rig.steered.length === 1 && rig.streamed.length === 1);
    assert.deepEqual([rig.steered[0], rig.streamed[0]], [{ pan: 42 }, { frameRate: 10, reset: false }]);
    await until('the new rate shows', () => json(latest(seen, state) as Seen)['frameRate'] === 10);
    const results = seen.filter(({ topic }) => topic === topics.camera('cam-1', 'result'));
    assert.deepEqual(
      results.map(({ text, retained }) => [JSON.parse(text), retained]),
      [
        [{ command: 'ptz', outcome: 'done', reason: '' }, false],
        [{ command: 'stream', outcome: 'done', reason: '' }, false],
      ],
    );
  });

  test('that is retained is ignored, whether it was there before or comes now', async () => {
    await using broker = await Mosquitto.open();
    await broker.publish(ptz, '{"pan": 1}', { retain: true });
    await using rig = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await until('the first is ignored', () => rig.counts.commands.retained === 1);
    await until('it is told', async () => (await told(broker)) === 'ss-1 5 online');
    await broker.publish(ptz, '{"pan": 2}', { retain: true });
    await until('the second is ignored', () => rig.counts.commands.retained === 2);
    await broker.publish(ptz, '{"pan": 3}');
    await until('the third is done', () => rig.steered.length > 0);
    assert.deepEqual(rig.steered, [{ pan: 3 }]);
  });

  test('that is hostile is refused and counted, and nothing else is the worse for it', async () => {
    const seed = Date.now() % 1e9;
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await until('it is told', async () => (await told(broker)) === 'ss-1 5 online');
    const wild = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 3_000 }).map((some) => Buffer.from(some)),
    );
    const payloads = fc.sample(wild, { seed, numRuns: 30 });
    for (const [place, payload] of payloads.entries())
      await broker.publish(place % 2 === 0 ? ptz : stream, payload);
    for (const topic of [state, availability, 'homeassistant/status']) {
      for (const payload of payloads.slice(0, 5)) await broker.publish(topic, payload, { retain: true });
    }
    await broker.publish(ptz, Buffer.alloc(1_000_000, '{'));
    const { commands } = rig.counts;
    await until(`all are counted (seed ${seed})`, () => {
      return commands.malformed + commands.refused + commands.done + commands.failed + commands.busy >= 30;
    });
    await broker.publish(ptz, '{"stop": true}');
    await until('a good one is done', () => rig.steered.some(({ stop }) => stop === true));
    await until('the state is right', async () => (await told(broker)) === 'ss-1 5 online');
    assert.deepEqual(
      rig.log.filter((line) => line.startsWith('error')),
      [],
    );
  });

  test('by the thousand is taken slowly, and the server’s own work goes on', async () => {
    await using broker = await Mosquitto.open();
    await using rig = startRig(broker, { server: 'ss-1', mount }, camera('cam-1', 'ss-1', 5));
    await until('it is told', async () => (await told(broker)) === 'ss-1 5 online');
    const beganMs = performance.now();
    const flood = spawn('mosquitto_pub', [
      '-V',
      'mqttv5',
      '-h',
      '127.0.0.1',
      '-p',
      String(broker.port),
      '-t',
      ptz,
      '-l',
      '-q',
      '0',
    ]);
    flood.stdin.end('{"pan": 1}\n'.repeat(20_000));
    await new Promise((resolve) => flood.once('exit', resolve));
    await until('some were taken', () => rig.counts.commands.done >= 210);
    rig.status.alarms = [{ id: 'x', kind: 'silent', text: '', since: '' }];
    await until('an alarm is told meanwhile', async () => {
      return ((await broker.retained(topics.server('ss-1', 'state'))) ?? '').includes('"alarms":1');
    });
    const allowed = 200 + 50 * ((performance.now() - beganMs) / 1000);
    assert.equal(
      rig.steered.length <= allowed + 20,
      true,
      `${rig.steered.length} commands, ${allowed} allowed`,
    );
  });
});
