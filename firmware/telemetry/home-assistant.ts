/**
 * Home Assistant's device discovery: one message per device that says which entities it has and on which topics they
 * live (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). Keys are written out, not
 * abbreviated: brokers and Home Assistant have room, and people read them.
 *
 * Invariants: the ids of a camera's device and entities hold nothing of its manager, so it stays the same device with
 * its history whoever manages it; what its manager decides (whose availability counts, through whom it is reached) is
 * sent anew by every manager. A camera's entities are available while it is online and so is its manager.
 */
import type { Axis, MountView } from './steer-access.ts';
import type { Topics } from './topics.ts';

export const payloadOnline = 'online';
export const payloadOffline = 'offline';

/** One entity; `platform` is its kind. */
interface Component extends Readonly<Record<string, unknown>> {
  readonly platform: string;
  readonly unique_id: string;
}

type Components = Record<string, Component>;

/** The JSON under `homeassistant/device/ID/config`. */
export interface Discovery {
  readonly device: Readonly<Record<string, unknown>>;
  readonly origin: Readonly<Record<string, unknown>>;
  readonly availability: readonly { readonly topic: string }[];
  readonly availability_mode: 'all';
  readonly components: Readonly<Components>;
  readonly qos: 1;
}

export interface ServerIdentity {
  readonly server: string;
  readonly version: string;
  /** where people reach its page; undefined when only this machine can */
  readonly pageUrl: string | undefined;
}

export interface CameraIdentity {
  readonly camera: string;
  /** as a person has called it; '' for its id */
  readonly name: string;
  /** such as a floor, which Home Assistant takes as a suggestion for the area; '' for none */
  readonly group: string;
  readonly mount: MountView | null;
  /** frame rate now; undefined when it cannot be changed */
  readonly frameRate: number | undefined;
  readonly snapshots: boolean;
  /** kinds of what its sensors can see */
  readonly sees: readonly string[];
}

const storageTemplate = '{{ (value_json.storageFreeBytes / 1000000000) | round(1) }}';
const alarmsTemplate = "{{ {'alarms': value_json.alarmTexts} | tojson }}";
const machineTemplate = "{{ {'findings': value_json.machineTexts} | tojson }}";
/** Frames per second that are offered, besides the present one. */
const frameRates = [1, 2, 5, 10, 15, 20, 25, 30];
const diagnostic = { entity_category: 'diagnostic' } as const;

/** `name` is what a person has called it; '' for its id. */
export function serverDiscovery(topics: Topics, identity: ServerIdentity, name: string): Discovery {
  const { server, version } = identity;
  const id = topics.deviceId('server', server);
  const device = {
    identifiers: [id],
    name: name || `Starling ${server}`,
    manufacturer: 'Starling',
    model: 'Server',
  };
  return {
    device: { ...device, sw_version: version, ...linkTo(identity) },
    origin: { name: 'Starling', sw_version: version },
    availability: [{ topic: topics.server(server, 'availability') }],
    availability_mode: 'all',
    components: serverEntities(id, topics.server(server, 'state')),
    qos: 1,
  };
}

function serverEntities(id: string, state_topic: string): Components {
  const count = { state_topic, state_class: 'measurement', ...diagnostic };
  const countOf = (key: string): object => ({ ...count, value_template: `{{ value_json.${key} }}` });
  return {
    storage_free: entity(id, 'sensor', 'storage_free', 'Storage free', {
      ...count,
      device_class: 'data_size',
      unit_of_measurement: 'GB',
      suggested_display_precision: 1,
      value_template: storageTemplate,
    }),
    problem: entity(id, 'binary_sensor', 'problem', 'Recording problem', {
      state_topic,
      device_class: 'problem',
      value_template: "{{ 'ON' if value_json.alarms > 0 else 'OFF' }}",
      json_attributes_topic: state_topic,
      json_attributes_template: alarmsTemplate,
    }),
    machine: entity(id, 'binary_sensor', 'machine', 'Machine problem', {
      state_topic,
      device_class: 'problem',
      value_template: "{{ 'ON' if value_json.machine in ['WARN', 'FAIL'] else 'OFF' }}",
      json_attributes_topic: state_topic,
      json_attributes_template: machineTemplate,
      ...diagnostic,
    }),
    alarms: entity(id, 'sensor', 'alarms', 'Alarms', { ...countOf('alarms'), icon: 'mdi:alarm-light' }),
    cameras: entity(id, 'sensor', 'cameras', 'Cameras', { ...countOf('cameras'), icon: 'mdi:cctv' }),
    peers: entity(id, 'sensor', 'peers', 'Reachable servers', { ...countOf('peers'), icon: 'mdi:lan' }),
  };
}

export function cameraDiscovery(topics: Topics, manager: ServerIdentity, camera: CameraIdentity): Discovery {
  const id = topics.deviceId('camera', camera.camera);
  const { version, server } = manager;
  const ofManager = { topic: topics.server(server, 'availability') };
  const device = {
    identifiers: [id],
    name: camera.name || camera.camera,
    manufacturer: 'Starling',
    model: 'Camera',
  };
  const via = { via_device: topics.deviceId('server', server) };
  const area = camera.group === '' ? {} : { suggested_area: camera.group };
  return {
    device: { ...device, sw_version: version, ...via, ...area, ...linkTo(manager) },
    origin: { name: 'Starling', sw_version: version },
    availability: [{ topic: topics.camera(camera.camera, 'availability') }, ofManager],
    availability_mode: 'all',
    components: {
      ...sensors(topics, id, { camera: camera.camera, ofManager }),
      ...pictures(topics, id, camera),
      ...detections(topics, id, camera),
      ...axes(topics, id, camera),
      ...rates(topics, id, camera),
    },
    qos: 1,
  };
}

function sensors(
  topics: Topics,
  id: string,
  { camera, ofManager }: { camera: string; ofManager: { topic: string } },
): Components {
  const state_topic = topics.camera(camera, 'state');
  return {
    connected: entity(id, 'binary_sensor', 'connected', 'Connected', {
      device_class: 'connectivity',
      state_topic: topics.camera(camera, 'availability'),
      payload_on: payloadOnline,
      payload_off: payloadOffline,
      // It says that the camera is away when everything else of it is unavailable.
      availability: [ofManager],
      ...diagnostic,
    }),
    recording: entity(id, 'binary_sensor', 'recording', 'Recording', {
      device_class: 'running',
      state_topic,
      value_template: '{{ value_json.recording }}',
    }),
    manager: entity(id, 'sensor', 'manager', 'Managed by', {
      icon: 'mdi:server',
      state_topic,
      value_template: '{{ value_json.manager }}',
      ...diagnostic,
    }),
    frame_age: entity(id, 'sensor', 'frame_age', 'Age of the last picture', {
      device_class: 'duration',
      unit_of_measurement: 's',
      state_class: 'measurement',
      state_topic,
      value_template: '{{ value_json.frameAgeSeconds }}',
      ...diagnostic,
    }),
  };
}

function pictures(topics: Topics, id: string, { camera, snapshots }: CameraIdentity): Components {
  if (!snapshots) return {};
  return {
    snapshot: entity(id, 'camera', 'snapshot', 'Snapshot', { topic: topics.camera(camera, 'snapshot') }),
  };
}

/** What its sensors see: each event, and whether somebody moves now. */
function detections(topics: Topics, id: string, { camera, sees }: CameraIdentity): Components {
  if (sees.length === 0) return {};
  const event = entity(id, 'event', 'event', 'Event', {
    icon: 'mdi:bell-ring',
    state_topic: topics.camera(camera, 'event'),
    event_types: sees.flatMap((kind) => [kind, `${kind}-end`]),
  });
  if (!sees.includes('motion')) return { event };
  const motion = entity(id, 'binary_sensor', 'motion', 'Motion', {
    device_class: 'motion',
    state_topic: topics.camera(camera, 'state'),
    value_template: '{{ value_json.motion }}',
  });
  return { event, motion };
}

const axisLooks: { readonly [A in Axis]: { name: string; icon: string; unit: string; step: number } } = {
  pan: { name: 'Pan', icon: 'mdi:pan-horizontal', unit: '°', step: 1 },
  tilt: { name: 'Tilt', icon: 'mdi:pan-vertical', unit: '°', step: 1 },
  zoom: { name: 'Zoom', icon: 'mdi:magnify', unit: '×', step: 0.1 },
};

/** Sliders for what moves. */
function axes(topics: Topics, id: string, { camera, mount }: CameraIdentity): Components {
  const components: Components = {};
  for (const axis of ['pan', 'tilt', 'zoom'] as const) {
    const limits = mount?.limits[axis];
    if (limits === undefined) continue;
    const { name, icon, unit, step } = axisLooks[axis];
    components[axis] = entity(id, 'number', axis, name, {
      icon,
      mode: 'slider',
      min: limits[0],
      max: limits[1],
      step,
      unit_of_measurement: unit,
      state_topic: topics.camera(camera, 'state'),
      value_template: `{{ value_json.${axis} }}`,
      command_topic: topics.camera(camera, 'ptz/set'),
      command_template: `{"${axis}": {{ value }}}`,
      retain: false,
    });
  }
  return components;
}

function rates(topics: Topics, id: string, { camera, frameRate }: CameraIdentity): Components {
  if (frameRate === undefined) return {};
  const options = [...new Set([...frameRates, frameRate])].sort((a, b) => a - b).map(String);
  return {
    frame_rate: entity(id, 'select', 'frame_rate', 'Frame rate', {
      icon: 'mdi:filmstrip',
      options,
      state_topic: topics.camera(camera, 'state'),
      value_template: '{{ value_json.frameRate }}',
      command_topic: topics.camera(camera, 'stream/set'),
      command_template: '{"frameRate": {{ value }}}',
      retain: false,
      entity_category: 'config',
    }),
  };
}

function entity(id: string, platform: string, key: string, name: string, rest: object): Component {
  return { platform, unique_id: `${id}_${key}`, name, ...rest };
}

function linkTo({ pageUrl }: ServerIdentity): object {
  return pageUrl === undefined ? {} : { configuration_url: pageUrl };
}
