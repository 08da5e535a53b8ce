/** What Home Assistant is told, against its documented keys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventReport } from '../../firmware/telemetry/event-source.ts';
import {
  type CameraIdentity,
  cameraDiscovery,
  type ServerIdentity,
  serverDiscovery,
} from '../../firmware/telemetry/home-assistant.ts';
import { cameraReport, serverReport } from '../../firmware/telemetry/reports.ts';
import { Topics } from '../../firmware/telemetry/topics.ts';
import { deviceDiscovery, discoveryTopic } from '../support/home-assistant-schema.ts';

const topics = new Topics({ prefix: 'starling', discoveryPrefix: 'homeassistant', site: 'home' });
const server = (id: string): ServerIdentity => ({
  server: id,
  version: '1.2.3',
  pageUrl: 'http://192.0.2.1:8300',
});
const mount = {
  position: { pan: 10.123, tilt: -5, zoom: 1 },
  limits: { pan: [-170, 170], tilt: [-30, 90], zoom: undefined },
} as const;
const whole: CameraIdentity = {
  camera: 'cam-1',
  name: 'Front door',
  group: 'Ground floor',
  mount,
  frameRate: 12,
  snapshots: true,
  sees: ['motion', 'button'],
};
const bare: CameraIdentity = {
  camera: 'cam-2',
  name: 'cam-2',
  group: '',
  mount: null,
  frameRate: undefined,
  snapshots: false,
  sees: [],
};

test('every key that Home Assistant is sent is one that it documents', () => {
  for (const payload of [
    serverDiscovery(topics, server('ss-1'), ''),
    serverDiscovery(topics, { ...server('ss-1'), pageUrl: undefined }, 'Cellar'),
    cameraDiscovery(topics, server('ss-1'), whole),
    cameraDiscovery(topics, server('ss-1'), bare),
  ]) {
    deviceDiscovery.parse(JSON.parse(JSON.stringify(payload)));
  }
  for (const kind of ['server', 'camera'] as const)
    assert.match(topics.discovery(kind, 'x-1'), discoveryTopic);
});

test('the schema notices a key of one’s own, a missing unique id and a platform that is not there', () => {
  const good = JSON.parse(JSON.stringify(serverDiscovery(topics, server('ss-1'), ''))) as {
    components: Record<string, Record<string, unknown>>;
  };
  const [first = {}] = Object.values(good.components);
  for (const broken of [
    { ...good, colour: 'red' },
    { ...good, components: { one: { ...first, statetopic: 'x' } } },
    { ...good, components: { one: { ...first, unique_id: undefined } } },
    { ...good, components: { one: { ...first, platform: 'toaster' } } },
  ]) {
    assert.equal(deviceDiscovery.safeParse(broken).success, false, JSON.stringify(broken));
  }
});

test('a camera stays the same device with the same entities, whoever manages it', () => {
  const before = cameraDiscovery(topics, server('ss-1'), whole);
  const after = cameraDiscovery(topics, server('ss-2'), whole);
  const ids = ({ device, components }: typeof before): unknown => ({
    device: device['identifiers'],
    entities: Object.values(components).map((one) => one.unique_id),
  });
  assert.deepEqual(ids(after), ids(before));
  assert.equal(
    JSON.stringify(before.components).includes('ss-1'),
    true,
    'its connection sensor is of its manager',
  );
  assert.deepEqual(after.availability, [
    { topic: 'starling/home/camera/cam-1/availability' },
    { topic: 'starling/home/server/ss-2/availability' },
  ]);
  assert.equal(after.availability_mode, 'all');
  assert.equal(after.device['via_device'], 'starling_home_server_ss-2');
});

test('a camera and a server of one name are two devices', () => {
  assert.notEqual(topics.deviceId('server', 'one'), topics.deviceId('camera', 'one'));
});

test('sliders and the frame rate are there only where the camera has them', () => {
  const has = (identity: CameraIdentity): string[] =>
    Object.keys(cameraDiscovery(topics, server('ss-1'), identity).components);
  assert.deepEqual(has(whole), [
    'connected',
    'recording',
    'manager',
    'frame_age',
    'snapshot',
    'event',
    'motion',
    'pan',
    'tilt',
    'frame_rate',
  ]);
  assert.deepEqual(has(bare), ['connected', 'recording', 'manager', 'frame_age']);
  const { frame_rate: rate } = cameraDiscovery(topics, server('ss-1'), whole).components;
  assert.deepEqual(rate?.['options'], ['1', '2', '5', '10', '12', '15', '20', '25', '30']);
});

test('every template reads a field that the state has', () => {
  const camera = cameraReport({
    camera: 'cam-1',
    manager: 'ss-1',
    epoch: 3,
    unit: 'u',
    online: true,
    recording: true,
    frameAgeMs: 100,
    width: 1280,
    height: 720,
    stream: { frameRate: 12, bitrateKbps: 2000, keyframeIntervalMs: 1000 },
    mount,
    motion: false,
  });
  const facts = {
    cameras: 1,
    peers: 1,
    alarms: [{ text: 'x' }],
    volumes: [{ freeBytes: 123_456_789, totalBytes: 1e12 }],
  };
  const state = serverReport({ server: 'ss-1', version: '1', ...facts });
  const documents: [object, object][] = [
    [cameraDiscovery(topics, server('ss-1'), whole), camera],
    [serverDiscovery(topics, server('ss-1'), ''), state],
  ];
  for (const [discovery, report] of documents) {
    const fields = [...JSON.stringify(discovery).matchAll(/value_json\.(\w+)/g)].map(
      ([, field = '']) => field,
    );
    assert.equal(fields.length > 3, true, 'no templates found');
    for (const field of fields) assert.equal(field in report, true, `${field} is in no state`);
  }
  assert.equal(camera.pan, 10.12);
  assert.equal(state.storageFreeBytes, 100_000_000);
});

test('an age is 0 while pictures come, whatever the camera’s clock says', () => {
  const age = (frameAgeMs: number | undefined): number | null =>
    cameraReport({
      camera: 'c',
      manager: 's',
      epoch: 1,
      unit: 'u',
      online: true,
      recording: true,
      frameAgeMs,
      width: undefined,
      height: undefined,
      stream: null,
      mount: null,
      motion: undefined,
    }).frameAgeSeconds;
  assert.deepEqual([undefined, -5_000, 0, 2_999, 3_000, 59_999].map(age), [null, 0, 0, 0, 3, 59]);
});

test('a topic that was heard means a command, a claim, Home Assistant, or nothing', () => {
  const about = (topic: string): string => JSON.stringify(topics.meaningOf(topic) ?? null);
  assert.equal(
    about('starling/home/camera/cam-1/ptz/set'),
    '{"kind":"command","camera":"cam-1","command":"ptz"}',
  );
  assert.equal(
    about('starling/home/camera/cam-1/stream/set'),
    '{"kind":"command","camera":"cam-1","command":"stream"}',
  );
  assert.equal(
    about('starling/home/camera/cam-1/state'),
    '{"kind":"claim","camera":"cam-1","topic":"state"}',
  );
  assert.equal(about('homeassistant/status'), '{"kind":"home-assistant"}');
  for (const strange of [
    '',
    'starling/home/camera',
    'starling/home/camera/',
    'starling/home/camera//ptz/set',
    'starling/home/camera/__proto__/ptz/set',
    'starling/home/camera/../state',
    'starling/other/camera/cam-1/ptz/set',
    'starling/home/camera/cam-1/ptz/set/more',
    'starling/home/camera/CAM-1/state',
    'starling/home/camera/cam-1/snapshot',
  ]) {
    assert.equal(about(strange), 'null', strange);
  }
  for (const topic of topics.heardOf('cam-1')) assert.notEqual(about(topic), 'null', topic);
});

test('a camera with sensors has its events, and says whether somebody moves if it can see that', () => {
  const of = (sees: readonly string[]) =>
    cameraDiscovery(topics, server('ss-1'), { ...whole, sees }).components;
  const { event, motion } = of(['motion', 'button']);
  assert.deepEqual(event?.['event_types'], ['motion', 'motion-end', 'button', 'button-end']);
  assert.equal(event?.['state_topic'], topics.camera('cam-1', 'event'));
  assert.equal(motion?.['value_template'], '{{ value_json.motion }}');
  const without = of(['button']);
  assert.deepEqual([without['motion'], of([])['event']], [undefined, undefined]);
});

test('an event says what, where, from when and to when', () => {
  const fromUs = Date.parse('2026-11-22T12:00:00.500Z') * 1_000;
  const seen = { camera: 'cam-1', kind: 'end-stop', sensor: 'pan-max', fromUs, toUs: 0 };
  const from = '2026-11-22T12:00:00.500Z';
  const told = { kind: 'end-stop', sensor: 'pan-max', from };
  assert.deepEqual(JSON.parse(eventReport(seen)), { event_type: 'end-stop', ...told, to: null });
  assert.deepEqual(JSON.parse(eventReport({ ...seen, toUs: fromUs + 1_000_000 })), {
    event_type: 'end-stop-end',
    ...told,
    to: '2026-11-22T12:00:01.500Z',
  });
});
