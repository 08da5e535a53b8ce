/**
 * The one schema of `unit.yaml`: every setting of a unit with its type, default, unit, bounds and meaning.
 *
 * Invariants: a setting that is not in the schema is an error, never ignored; everything but the unit's id, its role,
 * its site's name and the ids of its cameras has a default; paths come out absolute. Units are part of a name
 * (`Ms`, `Kbps`, `bytes`) or given in the description. YAML is 1.2 (core schema).
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { unitRoles } from '../site/identity.ts';
import { boardSetting } from './board-section.ts';
import { cameraSection, camerasFrom } from './camera-section.ts';
import { consoleSection } from './console-section.ts';
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
  section,
  textThat,
  withoutRepeats,
} from './fields.ts';
import { hostNames, httpsFilesFrom, httpsSection } from './https-section.ts';
import { mqttFilesFrom, mqttSection } from './mqtt-section.ts';
import { configInvalid, problemLines } from './problems.ts';
import { readYaml } from './yaml-text.ts';

/** Largest unit.yaml, in bytes. */
export const unitConfigBytesMax = 64 * 1024;

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
      'whether the clock of this machine is set: auto believes a time server, else a battery that shows no earlier time than this unit has seen before',
    ),
}).describe('the clock of this machine');

/** A gigabit link in kbit/s, and how much of it recordings may take; the rest is for viewers and repair. */
const gigabitKbps = 1_000_000;
const linkShare = 0.6;

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
    names: hostNames.describe('as https.names, for this port; a proxy belongs before the HTTPS port'),
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
  board: boardSetting,
  data: path.default('data').describe('folder for what this unit keeps; starts at the folder of unit.yaml'),
  link: link.prefault({}),
  anycast: anycast.prefault({}),
  overlay: overlay.prefault({}),
  clock: clock.prefault({}),
  console: consoleSection.prefault({}),
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
export type AnycastEndpoint = UnitConfig['anycast']['endpoints'][number];

/** What may stand in unit.yaml: as `UnitConfig`, but settings with a default may be missing. */
export type UnitDocument = z.input<typeof cameraUnit> | z.input<typeof serverUnit>;

/**
 * Reads the text of a `unit.yaml` that lies in `folder` (absolute).
 *
 * Throws the Failure CONFIG_INVALID, whose message has one line for each problem.
 */
export function parseUnitConfig(yamlText: string, folder: string): UnitConfig {
  const document = readYaml(yamlText, unitConfigBytesMax);
  const parsed = schemaOf(document).safeParse(document);
  if (!parsed.success) throw configInvalid(problemLines(parsed.error, document));
  return withAbsolutePaths(parsed.data as UnitConfig, folder);
}

function schemaOf(document: unknown) {
  const role =
    typeof document === 'object' && document !== null && 'role' in document ? document.role : undefined;
  if (role === 'camera') return cameraUnit;
  return role === 'server' ? serverUnit : unitOfNoRole;
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
  return { ...config, data, site, camera: camerasFrom(config.camera, folder) };
}
