/**
 * The one schema of `unit.yaml`: every setting of a unit with its type, default, unit, bounds and meaning.
 *
 * Invariants: a setting that is not in the schema is an error, never ignored; everything but the unit's id, its role,
 * its site's name and the ids of its cameras has a default; paths come out absolute. Units are part of a name
 * (`Ms`, `Kbps`, `bytes`) or given in the description. YAML is 1.2 (core schema).
 */
import { resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { Failure, messageOf } from '../base/failure.ts';
import { unitRoles } from '../site/identity.ts';
import { isAddress, isLoopbackHost, isMulticastAddress, parseEndpoint } from './endpoint.ts';
import {
  amount,
  choice,
  host,
  id,
  integer,
  listenAddress,
  listenPort,
  listOf,
  path,
  pixels,
  section,
  textThat,
  withoutRepeats,
} from './fields.ts';
import { hostNames, httpsFilesFrom, httpsSection } from './https-section.ts';
import { mqttFilesFrom, mqttSection } from './mqtt-section.ts';
import { firstLines, problemLines } from './problems.ts';
import { parseSourceSpec } from './source-spec.ts';

/** Largest unit.yaml, in bytes. */
export const unitConfigBytesMax = 64 * 1024;

/** One slip in YAML makes many more errors after it. */
const yamlProblemsMax = 5;

const site = section({
  name: id.describe('name of the site; only units of one site talk to each other'),
  ca: path.default('ca.crt').describe("certificate of the site's authority, PEM"),
  certificate: path.default('unit.crt').describe('certificate of this unit, PEM'),
  key: path.default('unit.key').describe('private key of this unit, PEM, PKCS #8'),
  sealKey: path.default('seal.key').describe("the site's keys for anycast datagrams, sessions and links"),
  firstAdmin: path
    .default('first-admin.yaml')
    .describe('who may sign in while the site knows no user at all; need not be there'),
}).describe('who this unit is; paths start at the folder of unit.yaml');

const link = section({
  host: listenAddress.default('::').describe('address that takes links of other units'),
  port: listenPort
    .default(8383)
    .describe(
      'TCP port that takes links of other units, and on a server UDP port of joins sent to it alone; 0 takes any free one',
    ),
  advertise: listOf(
    textThat((text) => parseEndpoint(text).ok, 'expected HOST:PORT'),
    0,
    8,
  )
    .default([])
    .describe(
      'HOST:PORT under which others reach this unit, when its own addresses do not work from outside',
    ),
}).describe('the TLS links between units');

/** UDP port of joins. */
export const anycastPortDefault = 8384;

const anycastEndpoint = section({
  kind: choice(['multicast', 'address', 'seed']).describe(
    'a multicast group, a routed anycast address, or one known server',
  ),
  host: host.describe('address of the group, anycast address, or host of the server'),
  port: integer(1, 65_535).default(anycastPortDefault).describe('UDP port'),
  interface: textThat((text) => /^[\w.:%-]{1,64}$/.test(text), 'expected an address or a network interface')
    .optional()
    .describe(
      'multicast: address or name of the network interface of the group, otherwise the system chooses; address: name of the interface (such as lo) on which this server puts the address up once it has joined, and takes it down before it leaves',
    ),
}).refine(
  ({ kind, host }) =>
    kind === 'seed' || (isAddress(host) && isMulticastAddress(host) === (kind === 'multicast')),
  {
    path: ['host'],
    error: 'expected a host that fits its kind (multicast: a group, address: a unicast address)',
  },
);

/** The groups on which units of one network segment find each other without any settings. */
export const anycastEndpointsDefault: readonly z.output<typeof anycastEndpoint>[] = [
  { kind: 'multicast', host: '239.83.84.1', port: anycastPortDefault },
  { kind: 'multicast', host: 'ff02::5354:1', port: anycastPortDefault },
];

const anycast = section({
  endpoints: listOf(anycastEndpoint, 0, 16)
    .default([...anycastEndpointsDefault])
    .describe('where joins are sent; a server also listens on groups and anycast addresses, never on seeds'),
}).describe('how a unit finds its first server');

const overlay = section({
  profile: choice(['lan', 'wifi', 'wan'])
    .default('lan')
    .describe(
      'how patient the unit is with silence: lan notices a dead server in 1.3 to 2 s, wifi and wan wait four and eight times as long; the same in the whole site',
    ),
}).describe('the network of servers');

const clock = section({
  trusted: choice(['auto', 'yes', 'no'])
    .default('auto')
    .describe(
      'whether the clock of this machine is set: auto takes every date after this program was written for true, which a board without battery does not show before it was told the time',
    ),
}).describe('the clock of this machine');

/** A gigabit link in kbit/s, and how much of it recordings may take; the rest is for viewers and repair. */
const gigabitKbps = 1_000_000;
const linkShare = 0.6;

const source = z.string({ error: 'expected a source' }).transform((text, context) => {
  const spec = parseSourceSpec(text);
  if (spec.ok) return spec.value;
  context.addIssue({ code: 'custom', message: spec.reason });
  return z.NEVER;
});

const degrees = amount(-180, 180);

/** From where to where an axis turns. */
function turn(min: number, max: number) {
  const error = `expected [MIN, MAX] in degrees, from ${min} to ${max}`;
  const end = z.number({ error }).min(min, { error }).max(max, { error });
  return z.tuple([end, end], { error }).refine(([from, to]) => from <= to, { error });
}

const mount = section({
  kind: choice(['none', 'simulated'])
    .default('none')
    .describe('what turns the camera; a simulated one moves the view of a test picture, and nothing else'),
  pan: turn(-180, 180)
    .default([-90, 90])
    .describe('how far it turns to the left and to the right, degrees; equal numbers: not at all'),
  tilt: turn(-90, 90)
    .default([-20, 30])
    .describe('how far it turns down and up, degrees; equal numbers: not at all'),
  zoomMax: amount(1, 64).default(4).describe('how far it zooms in; 1: not at all'),
  degreesPerSecond: amount(0.1, 720).default(40).describe('how fast it turns at most'),
  fieldOfView: amount(1, 180)
    .default(60)
    .describe('what a picture shows from left to right without zoom, degrees'),
  home: section({
    pan: degrees.default(0),
    tilt: degrees.default(0),
    zoom: amount(1, 64).default(1),
  })
    .prefault({})
    .describe('where it looks when it has never been turned, and the preset `home`'),
}).describe('pan, tilt and zoom');

const camera = section({
  id: id.describe('name of the camera, unique in the site'),
  source: source.prefault('test').describe('test, /dev/videoN, file:PATH or the path of a media file'),
  width: pixels(160, 3840).default(1280).describe('picture width, pixels'),
  height: pixels(120, 2160).default(720).describe('picture height, pixels'),
  frameRate: integer(1, 60).default(25).describe('frames per second'),
  bitrateKbps: integer(64, 20_000).default(2000).describe('video bit rate, kbit/s'),
  keyframeIntervalMs: integer(250, 10_000).default(1000).describe('time from one keyframe to the next, ms'),
  audio: z.boolean({ error: 'expected true or false' }).default(true).describe('whether sound is recorded'),
  mount: mount.prefault({}),
});

const outbox = section({
  secondsMax: integer(1, 600)
    .default(60)
    .describe('longest time of samples kept for a server that is away, s'),
  bytesMax: integer(1_048_576, 1_073_741_824).default(33_554_432).describe('most bytes of samples kept'),
});

const cameraSection = section({
  cameras: withoutRepeats(
    listOf(camera, 1, 8),
    (item) => (item as { id?: unknown } | null)?.id ?? Symbol('no id'),
    'expected cameras with different ids',
  ).describe('the cameras of this unit'),
  outbox: outbox.prefault({}).describe('samples that no server has acknowledged'),
}).describe('settings of a camera unit');

const days = integer(1, 36_500);
const gigabytes = amount(0.01, 1_000_000);

const retention = section({
  days: days.optional().describe('recordings older than this are deleted, days; by default none is too old'),
  gigabytes: gigabytes
    .optional()
    .describe(
      'most that all recordings of this server may take together, GB; by default what the disks hold',
    ),
  reserveMb: integer(0, 10_000_000)
    .optional()
    .describe(
      'free space below which the oldest recordings of a volume are deleted, MB; by default 2 % of the volume, at least 256 MB, at most 10 GB or a tenth of the volume',
    ),
  cameras: withoutRepeats(
    listOf(
      section({
        id: id.describe('name of the camera'),
        days: days.optional().describe('as retention.days, for this camera alone'),
        gigabytes: gigabytes.optional().describe('most that recordings of this camera may take, GB'),
      }),
      0,
      1024,
    ),
    (item) => (item as { id?: unknown } | null)?.id ?? Symbol('no id'),
    'expected cameras with different ids',
  )
    .default([])
    .describe('cameras of which more or less is kept'),
}).describe('what is deleted, the oldest first; protected recordings never are');

const serverSection = section({
  http: section({
    host: textThat(
      isLoopbackHost,
      'expected a loopback address (127.0.0.1, ::1 or localhost): plain HTTP is for this machine, server.https for others',
    )
      .default('127.0.0.1')
      .describe('address of the page and the API'),
    port: listenPort.default(8300).describe('TCP port of the page and the API; 0 takes any free one'),
    names: hostNames.describe('as https.names, for a proxy that leads here'),
    access: choice(['users', 'everybody'])
      .default('users')
      .describe(
        'who may do what: users and tokens as the site says, or everybody everything, which is for trying out on one machine',
      ),
  }).prefault({}),
  https: httpsSection.optional(),
  volumes: withoutRepeats(listOf(path, 1, 16), (item) => item, 'expected different folders')
    .default(['recordings'])
    .describe('folders for recordings, one for each disk; paths start at `data`'),
  segmentSeconds: integer(2, 600).default(60).describe('length of a recorded file, s'),
  syncIntervalMs: integer(100, 10_000)
    .default(1000)
    .describe('longest time until a sample is safe on disk, ms'),
  retention: retention.prefault({}),
  camerasMax: integer(1, 256).default(64).describe('most cameras this server takes'),
  kbpsMax: integer(64, 100_000_000)
    .default(gigabitKbps * linkShare)
    .describe('most that the cameras it takes may send together, kbit/s; by default 60 % of a gigabit link'),
  links: section({
    target: integer(1, 16).default(3).describe('links to other servers that this one wants'),
    max: integer(1, 32).default(8).describe('most links to other servers, but for repair'),
  })
    .refine(({ target, max }) => target <= max, {
      path: ['max'],
      error: 'expected at least links.target',
    })
    .prefault({}),
  mqtt: mqttSection.optional(),
})
  .refine(({ http, https }) => http.access === 'users' || https === undefined || isLoopbackHost(https.host), {
    path: ['http', 'access'],
    error:
      'expected users where https.host is no loopback address: everybody would be anybody who reaches it',
  })
  .describe('settings of a server');

const common = {
  unit: id.describe('name of this unit, unique in the site'),
  site,
  data: path.default('data').describe('folder for what this unit keeps; starts at the folder of unit.yaml'),
  link: link.prefault({}),
  anycast: anycast.prefault({}),
  overlay: overlay.prefault({}),
  clock: clock.prefault({}),
  log: section({
    level: choice(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .describe('what is logged'),
  }).prefault({}),
};

const cameraUnit = section({
  ...common,
  role: z.literal('camera').describe('what this unit does: camera or server'),
  camera: cameraSection,
  server: z.undefined({ error: 'only a unit whose role is server has this' }).optional(),
});

const serverUnit = section({
  ...common,
  role: z.literal('server').describe('what this unit does: camera or server'),
  server: serverSection.prefault({}),
  camera: z.undefined({ error: 'only a unit whose role is camera has this' }).optional(),
});

/** For a document whose role is wrong: everything else in it is still checked. */
const unitOfNoRole = section({
  ...common,
  role: choice(unitRoles),
  camera: cameraSection.optional(),
  server: serverSection.optional(),
});

/** A unit's settings, complete, in bounds, with absolute paths; `role` tells which of the two it is. */
export type CameraUnitConfig = z.output<typeof cameraUnit>;
export type ServerUnitConfig = z.output<typeof serverUnit>;
export type UnitConfig = CameraUnitConfig | ServerUnitConfig;
export type MountConfig = z.output<typeof mount>;
export type CameraConfig = CameraUnitConfig['camera']['cameras'][number];
export type AnycastEndpoint = UnitConfig['anycast']['endpoints'][number];

/** What may stand in unit.yaml: as `UnitConfig`, but settings with a default may be missing. */
export type UnitDocument = z.input<typeof cameraUnit> | z.input<typeof serverUnit>;
export type CameraDocument = z.input<typeof camera>;

/**
 * Reads the text of a `unit.yaml` that lies in `folder` (absolute).
 *
 * Throws the Failure CONFIG_INVALID, whose message has one line for each problem.
 */
export function parseUnitConfig(yamlText: string, folder: string): UnitConfig {
  const document = parseYaml(yamlText);
  const parsed = schemaOf(document).safeParse(document);
  if (!parsed.success) throw invalid(problemLines(parsed.error, document));
  return withAbsolutePaths(parsed.data as UnitConfig, folder);
}

function schemaOf(document: unknown) {
  const role =
    typeof document === 'object' && document !== null && 'role' in document ? document.role : undefined;
  if (role === 'camera') return cameraUnit;
  return role === 'server' ? serverUnit : unitOfNoRole;
}

function parseYaml(text: string): unknown {
  if (Buffer.byteLength(text) > unitConfigBytesMax)
    throw invalid([`larger than ${unitConfigBytesMax} bytes`]);
  const lineCounter = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    const problems = [...document.errors, ...document.warnings].map((problem) => {
      const { line, col } = lineCounter.linePos(problem.pos[0]);
      return `line ${line}, column ${col}: ${problem.message}`;
    });
    if (problems.length > 0) throw invalid(firstLines(problems, yamlProblemsMax));
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    // Aliases and bottomless nesting are refused by exceptions of the YAML reader.
    throw error instanceof Failure ? error : invalid([`not readable as YAML: ${messageOf(error)}`]);
  }
}

function withAbsolutePaths(config: UnitConfig, folder: string): UnitConfig {
  const data = resolve(folder, config.data);
  const site = {
    name: config.site.name,
    ca: resolve(folder, config.site.ca),
    certificate: resolve(folder, config.site.certificate),
    key: resolve(folder, config.site.key),
    sealKey: resolve(folder, config.site.sealKey),
    firstAdmin: resolve(folder, config.site.firstAdmin),
  };
  if (config.role === 'server') {
    const volumes = config.server.volumes.map((volume) => resolve(data, volume));
    const mqtt = config.server.mqtt && { mqtt: mqttFilesFrom(config.server.mqtt, folder) };
    const https = config.server.https && { https: httpsFilesFrom(config.server.https, folder) };
    return { ...config, data, site, server: { ...config.server, volumes, ...mqtt, ...https } };
  }
  const cameras = config.camera.cameras.map((one) =>
    one.source.kind === 'file'
      ? { ...one, source: { kind: 'file' as const, path: resolve(folder, one.source.path) } }
      : one,
  );
  return { ...config, data, site, camera: { ...config.camera, cameras } };
}

function invalid(problems: readonly string[]): Failure {
  return new Failure('CONFIG_INVALID', problems.join('\n'), {
    advice: 'Correct these settings.',
  });
}
