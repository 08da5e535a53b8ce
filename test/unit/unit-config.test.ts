import assert from 'node:assert';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { Failure } from '../../firmware/base/failure.ts';
import { parseUnitConfig, type ServerUnitConfig } from '../../firmware/config/unit-config.ts';
import { loadUnitConfig } from '../../firmware/io/config-file.ts';
import { profiles } from '../../firmware/overlay/constants.ts';

const smallCamera = 'unit: cam-1\nrole: camera\nsite: { name: demo }\ncamera: { cameras: [{ id: cam-1 }] }\n';
const smallServer = 'unit: server-1\nrole: server\nsite: { name: demo }\n';

/** The lines of the failure that `text` meets. */
function problemsOf(text: string): string[] {
  try {
    parseUnitConfig(text, '/etc/starling');
  } catch (error) {
    assert.ok(error instanceof Failure);
    assert.strictEqual(error.code, 'CONFIG_INVALID');
    return error.message.split('\n');
  }
  return assert.fail('the text was accepted');
}

test('a camera needs no more than its names', () => {
  assert.deepStrictEqual(parseUnitConfig(smallCamera, '/etc/starling'), {
    unit: 'cam-1',
    role: 'camera',
    site: {
      name: 'demo',
      ca: '/etc/starling/ca.crt',
      certificate: '/etc/starling/unit.crt',
      key: '/etc/starling/unit.key',
      sealKey: '/etc/starling/seal.key',
      firstAdmin: '/etc/starling/first-admin.yaml',
    },
    data: '/etc/starling/data',
    link: { host: '::', port: 8383, advertise: [] },
    anycast: {
      endpoints: [
        { kind: 'multicast', host: '239.83.84.1', port: 8384 },
        { kind: 'multicast', host: 'ff02::5354:1', port: 8384 },
      ],
    },
    overlay: { profile: 'lan' },
    clock: { trusted: 'auto' },
    board: 'auto',
    console: { lockMinutes: 10 },
    log: { level: 'info' },
    camera: {
      cameras: [
        {
          id: 'cam-1',
          source: { kind: 'test' },
          width: 1280,
          height: 720,
          frameRate: 25,
          bitrateKbps: 2000,
          keyframeIntervalMs: 1000,
          audio: true,
          mount: {
            kind: 'none',
            pan: [-90, 90],
            tilt: [-20, 30],
            zoomMax: 4,
            degreesPerSecond: 40,
            fieldOfView: 60,
            home: { pan: 0, tilt: 0, zoom: 1 },
          },
        },
      ],
      gpio: {
        servoDriver: 'auto',
        servos: false,
        endStops: false,
        pir: false,
        button: false,
        tallyLed: false,
      },
      outbox: { secondsMax: 60, bytesMax: 33_554_432 },
    },
  });
});

test('a server needs no more than its names', () => {
  const config = parseUnitConfig(smallServer, '/etc/starling');
  assert.ok(config.role === 'server');
  assert.deepStrictEqual(config.server, {
    http: { host: '127.0.0.1', port: 8300, names: [], access: 'users' },
    volumes: ['/etc/starling/data/recordings'],
    segmentSeconds: 60,
    syncIntervalMs: 1000,
    retention: { cameras: [] },
    camerasMax: 64,
    kbpsMax: 600_000,
    links: { target: 3, max: 8 },
  });
});

test('how patient a unit is, whether its clock is set, and how many links it wants can be set', () => {
  const own = 'server: { kbpsMax: 64, links: { target: 8 } }\n';
  const config = parseUnitConfig(
    `${smallServer}overlay: { profile: wan }\nclock: { trusted: no }\n${own}`,
    '/',
  );
  assert.ok(config.role === 'server');
  assert.deepStrictEqual([config.overlay.profile, config.clock.trusted], ['wan', 'no']);
  assert.deepStrictEqual([config.server.kbpsMax, config.server.links], [64, { target: 8, max: 8 }]);
  const wrong =
    'overlay: { profile: slow }\nclock: { trusted: true }\nserver: { kbpsMax: 0, links: { target: 9 } }\n';
  assert.deepStrictEqual(problemsOf(smallServer + wrong), [
    'overlay.profile: expected lan or wifi or wan, got "slow"',
    'clock.trusted: expected auto or yes or no, got true',
    'server.kbpsMax: expected 64..100000000, got 0',
    'server.links.max: expected at least links.target, got nothing',
  ]);
});

test('the profiles are those of the overlay', () => {
  for (const profile of Object.keys(profiles)) {
    const config = parseUnitConfig(`${smallCamera}overlay: { profile: ${profile} }\n`, '/');
    assert.strictEqual(config.overlay.profile, profile);
  }
});

test('an anycast address may name the interface on which a server puts it up', () => {
  const text = `${smallServer}anycast: { endpoints: [{ kind: address, host: fd00::5354, interface: lo }] }\n`;
  assert.deepStrictEqual(parseUnitConfig(text, '/').anycast.endpoints, [
    { kind: 'address', host: 'fd00::5354', port: 8384, interface: 'lo' },
  ]);
});

test('how long and how much is kept can be set, of all cameras and of each', () => {
  const cameras = '[{ id: door, days: 2 }, { id: yard, gigabytes: 0.5 }]';
  const retention = `{ days: 30, gigabytes: 900.5, reserveMb: 512, cameras: ${cameras} }`;
  const config = parseUnitConfig(`${smallServer}server: { retention: ${retention} }\n`, '/etc/starling');
  assert.ok(config.role === 'server');
  assert.deepStrictEqual(config.server.retention, {
    days: 30,
    gigabytes: 900.5,
    reserveMb: 512,
    cameras: [
      { id: 'door', days: 2 },
      { id: 'yard', gigabytes: 0.5 },
    ],
  });
  assert.deepStrictEqual(
    problemsOf(
      `${smallServer}server: { retention: { days: 0, gigabytes: no, cameras: [{ id: a }, { id: a }] } }`,
    ),
    [
      'server.retention.days: expected 1..36500, got 0',
      'server.retention.gigabytes: expected 0.01..1000000, got "no"',
      'server.retention.cameras: expected cameras with different ids, got a list of 2',
    ],
  );
});

test('relative paths start at the folder of the file, volumes at the data folder', () => {
  const text = `${smallServer}data: ../state\nserver: { volumes: [disk-1, /srv/disk-2] }\n`;
  const server = parseUnitConfig(text, '/etc/starling');
  assert.ok(server.role === 'server');
  assert.deepStrictEqual(server.server.volumes, ['/etc/state/disk-1', '/srv/disk-2']);

  const camera = parseUnitConfig(
    smallCamera.replace('id: cam-1', 'id: cam-1, source: loop.mp4'),
    '/etc/starling',
  );
  assert.ok(camera.role === 'camera');
  assert.deepStrictEqual(camera.camera.cameras[0]?.source, { kind: 'file', path: '/etc/starling/loop.mp4' });
});

test('every problem is named at once, one per line, with place, expectation and what is there', () => {
  const problems = problemsOf(
    stringify({
      unit: 'Cam 1',
      role: 'camera',
      sit: {},
      link: { port: 1e300, advertise: ['10.0.0.5'] },
      anycast: { endpoints: [{ kind: 'multicast', host: '10.0.0.1' }] },
      camera: {
        cameras: [
          { id: 'a', width: 12, widht: 640 },
          { id: 'b', height: 481, frameRate: 0.5, source: 'a ! b' },
        ],
        outbox: { secondsMax: '60' },
      },
    }),
  );
  assert.deepStrictEqual(problems, [
    'unit: expected a lower case letter or digit, then up to 31 of those and hyphens, got "Cam 1"',
    'site: expected named settings, got nothing',
    'link.port: expected 0..65535, got 1e+300',
    'link.advertise[0]: expected HOST:PORT, got "10.0.0.5"',
    'anycast.endpoints[0].host: expected a host that fits its kind (multicast: a group, address: a unicast address), got "10.0.0.1"',
    'camera.cameras[0].width: expected 160..3840, got 12',
    'camera.cameras[0].widht: unknown setting, did you mean width?',
    'camera.cameras[1].source: expected a name, not pipeline text: ! is not allowed, got "a ! b"',
    'camera.cameras[1].height: expected an even number, got 481',
    'camera.cameras[1].frameRate: expected 1..60, got 0.5',
    'camera.outbox.secondsMax: expected 1..600, got "60"',
    'sit: unknown setting, did you mean site?',
  ]);
});

test('an unknown setting is refused even when nothing known is like it', () => {
  assert.deepStrictEqual(problemsOf(`${smallServer}zebra: 1\n__proto__: 2\n`), [
    'zebra: unknown setting',
    '__proto__: unknown setting',
  ]);
});

test('a wrong role is named together with what else is wrong', () => {
  assert.deepStrictEqual(
    problemsOf('unit: x\nrole: storage\nsite: { name: demo }\nserver: { segmentSeconds: 1 }'),
    ['role: expected camera or server, got "storage"', 'server.segmentSeconds: expected 2..600, got 1'],
  );
});

test('a camera must say which cameras it has, and neither role takes the settings of the other', () => {
  assert.deepStrictEqual(problemsOf('unit: x\nrole: camera\nsite: { name: demo }\nserver: {}'), [
    'camera: expected named settings, got nothing',
    'server: only a unit whose role is server has this, got named settings',
  ]);
  assert.deepStrictEqual(problemsOf(`${smallServer}camera: { cameras: [] }`), [
    'camera: only a unit whose role is camera has this, got named settings',
  ]);
});

test('two cameras of one name are refused, also beside another mistake', () => {
  assert.deepStrictEqual(
    problemsOf(smallCamera.replace('{ id: cam-1 }', '{ id: a }, { id: a, width: wide }')),
    [
      'camera.cameras[1].width: expected 160..3840, got "wide"',
      'camera.cameras: expected cameras with different ids, got a list of 2',
    ],
  );
});

test('nine cameras are refused', () => {
  const cameras = Array.from({ length: 9 }, (_, index) => `{ id: cam-${index} }`).join(', ');
  assert.deepStrictEqual(problemsOf(smallCamera.replace('{ id: cam-1 }', cameras)), [
    'camera.cameras: expected a list of 1..8, got a list of 9',
  ]);
});

for (const host of ['0.0.0.0', '::', '10.0.0.5', 'example.org', '127.0.0.1.example.org', '128.0.0.1']) {
  test(`the page is not served on ${host} over plain HTTP`, () => {
    const [problem, ...others] = problemsOf(`${smallServer}server: { http: { host: "${host}" } }`);
    assert.match(
      problem ?? '',
      /^server\.http\.host: expected a loopback address .* server\.https for others, got "/,
    );
    assert.deepStrictEqual(others, []);
  });
}

test('loopback addresses may serve the page', () => {
  for (const host of ['127.0.0.1', '127.8.0.1', '::1', 'localhost']) {
    const config = parseUnitConfig(`${smallServer}server: { http: { host: "${host}" } }`, '/');
    assert.strictEqual(config.role === 'server' && config.server.http.host, host);
  }
});

test('everybody may do everything only where nobody else can come', () => {
  const https = (host: string): string => `https: { host: "${host}", certificate: page.crt, key: page.key }`;
  const http = 'http: { access: everybody }';
  for (const settings of [http, `${http}, ${https('127.0.0.1')}`]) {
    const config = parseUnitConfig(`${smallServer}server: { ${settings} }`, '/');
    assert.strictEqual(config.role === 'server' && config.server.http.access, 'everybody');
  }
  for (const host of ['::', '0.0.0.0', '192.0.2.1']) {
    assert.deepStrictEqual(problemsOf(`${smallServer}server: { ${http}, ${https(host)} }`), [
      'server.http.access: expected users where https.host is no loopback address: everybody would be anybody who reaches it, got "everybody"',
    ]);
  }
  assert.deepStrictEqual(problemsOf(`${smallServer}server: { http: { access: nobody } }`), [
    'server.http.access: expected users or everybody, got "nobody"',
  ]);
});

test('the page over HTTPS has its files beside unit.yaml, and names that a browser can ask for', () => {
  const page = 'certificate: page.crt, key: /etc/page.key';
  const read = (more: string): ServerUnitConfig['server']['https'] => {
    const config = parseUnitConfig(`${smallServer}server: { https: { ${page}${more} } }`, '/unit');
    return config.role === 'server' ? config.server.https : undefined;
  };
  const files = { certificate: '/unit/page.crt', key: '/etc/page.key' };
  assert.deepStrictEqual(read(''), { host: '::', port: 8443, ...files, names: [] });
  assert.deepStrictEqual(read(', names: [nvr.example.org, 192.0.2.1, "fd00::1"]')?.names.length, 3);
  for (const name of ['https://nvr', 'nvr:8443', '*.example.org', 'a..b', '', 'a b'])
    assert.match(
      problemsOf(`${smallServer}server: { https: { ${page}, names: ["${name}"] } }`)[0] ?? '',
      /^server\.https\.names\[0\]: expected a name such as nvr\.example\.org, or an address/,
      name,
    );
  assert.match(problemsOf(`${smallServer}server: { https: {} }`)[0] ?? '', /^server\.https\.certificate: /);
});

test('a mistake in YAML is named with its line and column', () => {
  assert.deepStrictEqual(problemsOf('unit: a\nunit: b\n'), ['line 2, column 1: Map keys must be unique']);
  assert.match(problemsOf('unit: [a\n')[0] ?? '', /^line 2, column 1: Flow sequence/);
  assert.match(problemsOf('unit: !secret a\n')[0] ?? '', /^line 1, column 7: Unresolved tag/);
});

test('anchors that multiply are refused', () => {
  assert.match(problemsOf('a: &a [x, x]\nb: &b [*a, *a]\n')[0] ?? '', /Alias resolution is disabled/);
});

test('bottomless nesting is refused in a few lines', () => {
  for (const open of ['[', '{a: ', '- ']) assert.ok(problemsOf(open.repeat(10_000)).length <= 6);
});

test('64 KiB are read and one byte more is refused, counted in bytes', () => {
  const filler = (bytes: number) => `${smallServer}#${'é'.repeat((bytes - smallServer.length - 1) >> 1)}`;
  const largest = filler(65_536).padEnd(
    65_536 - (Buffer.byteLength(filler(65_536)) - filler(65_536).length),
    'x',
  );
  assert.strictEqual(Buffer.byteLength(largest), 65_536);
  parseUnitConfig(largest, '/');
  assert.deepStrictEqual(problemsOf(`${largest}x`), ['larger than 65536 bytes']);
});

test('any document is either settings or a CONFIG_INVALID with a message of bounded size', () => {
  const key = fc.constantFrom(
    'unit',
    'role',
    'site',
    'link',
    'camera',
    'cameras',
    'server',
    'anycast',
    'http',
    'x',
  );
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom('camera', 'server', 'a', 1, -1, null, true, 0.5),
      fc.array(tie('node'), { maxLength: 9 }),
      fc.dictionary(key, tie('node')),
    ),
  })).node;
  fc.assert(
    fc.property(
      fc.oneof(
        tree.map((node) => stringify(node)),
        fc.string(),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        try {
          parseUnitConfig(text, '/');
        } catch (error) {
          assert.ok(error instanceof Failure && error.code === 'CONFIG_INVALID');
          assert.ok(error.message.length > 0 && error.message.length < 20_000);
        }
      },
    ),
  );
});

test('settings are read from a file, and paths start at its folder', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-config-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'unit.yaml');
  await writeFile(path, smallServer);
  assert.strictEqual((await loadUnitConfig(path)).data, join(folder, 'data'));

  await writeFile(path, Buffer.from([0xff, 0xfe]));
  await assert.rejects(loadUnitConfig(path), { code: 'FILE_IO', message: `${path} is not UTF-8 text` });
  await writeFile(path, Buffer.alloc(70_000, ' '));
  await assert.rejects(loadUnitConfig(path), {
    code: 'FILE_IO',
    message: `${path} is larger than 65536 bytes`,
  });
  await assert.rejects(loadUnitConfig(folder), { code: 'FILE_IO' });
});

test('a missing file is named', async () => {
  const path = join(tmpdir(), 'starling-no-such-folder', 'unit.yaml');
  await assert.rejects(loadUnitConfig(path), { code: 'FILE_MISSING', message: `${path} is missing` });
});
