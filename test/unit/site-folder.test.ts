import assert from 'node:assert';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadUnitConfig } from '../../firmware/io/config-file.ts';
import { enrollUnit, initSite, listUnits } from '../../firmware/io/site-folder.ts';
import { loadIdentity } from '../../firmware/io/tls-identity.ts';

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-site-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function newSite(t: TestContext): Promise<string> {
  const site = join(await temporaryFolder(t), 'home');
  await initSite(site, 'home');
  return site;
}

const server1 = { unit: 'server-1', role: 'server' } as const;
const cam1 = { unit: 'cam-1', role: 'camera', cameras: [{ id: 'yard' }, { id: 'gate' }] } as const;

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

/** The hosts of the seeds in a unit's settings, with their ports. */
async function seedsOf(folder: string): Promise<string[]> {
  const { anycast } = await loadUnitConfig(join(folder, 'unit.yaml'));
  return anycast.endpoints.flatMap(({ kind, host, port }) => (kind === 'seed' ? [`${host} ${port}`] : []));
}

test('a new site has an authority, a seal key and no units, and nobody else reads its secrets', async (t) => {
  const site = await newSite(t);
  assert.deepStrictEqual((await readdir(site)).sort(), [
    'ca.crt',
    'ca.key',
    'seal.key',
    'site.yaml',
    'units',
  ]);
  assert.deepStrictEqual(await listUnits(site), { site: 'home', units: [] });
  assert.strictEqual(await modeOf(join(site, 'ca.key')), 0o600);
  assert.strictEqual(await modeOf(join(site, 'seal.key')), 0o600);
  assert.ok(new X509Certificate(await readFile(join(site, 'ca.crt'))).ca);
});

test('a site is never made over another', async (t) => {
  const site = await newSite(t);
  const before = await readFile(join(site, 'ca.key'), 'utf8');
  await assert.rejects(initSite(site, 'other'), { code: 'SITE_EXISTS' });
  assert.strictEqual(await readFile(join(site, 'ca.key'), 'utf8'), before);
});

for (const part of ['ca.crt', 'ca.key', 'seal.key', 'site.yaml']) {
  test(`a site without ${part} is half-made, and what is missing is named`, async (t) => {
    const site = await newSite(t);
    await unlink(join(site, part));
    const expected = { code: 'SITE_INVALID', message: `${site} holds half a site: ${part} missing` };
    await assert.rejects(initSite(site, 'home'), expected);
    await assert.rejects(listUnits(site), expected);
    await assert.rejects(enrollUnit(site, server1, join(site, 'units', 'server-1')), expected);
  });
}

test('a folder without a site is named', async (t) => {
  const folder = await temporaryFolder(t);
  const expected = { code: 'FILE_MISSING', message: `${folder} holds no site` };
  await assert.rejects(listUnits(folder), expected);
  await assert.rejects(enrollUnit(folder, server1, join(folder, 'out')), expected);
});

test('a site whose files do not fit together is damaged, and the file is named', async (t) => {
  const site = await newSite(t);
  const other = await newSite(t);
  const damage: [file: string, text: string, message: RegExp][] = [
    ['ca.key', await readFile(join(other, 'ca.key'), 'utf8'), /ca\.key: is not the key of .*ca\.crt/],
    ['ca.key', 'nonsense', /ca\.key: is not a private key in PEM/],
    ['ca.crt', 'nonsense', /ca\.crt: is not a certificate in PEM/],
    ['seal.key', 'nonsense', /seal\.key: line 1/],
    ['site.yaml', 'version: 2\nname: home\n', /site\.yaml: version: expected 1, got 2/],
    ['site.yaml', 'version: [', /site\.yaml: Flow sequence/],
    [
      'units/a.yaml',
      'unit: a\nrole: server\ncamera: []\n',
      /a\.yaml: .*camera: unknown setting, did you mean cameras\?/,
    ],
  ];
  for (const [file, text, message] of damage) {
    const path = join(site, file);
    const original = await readFile(path, 'utf8').catch(() => undefined);
    await writeFile(path, text);
    await assert.rejects(listUnits(site), { code: 'SITE_INVALID', message });
    await (original === undefined ? unlink(path) : writeFile(path, original));
  }
  await listUnits(site);
});

test('a malformed name of a site is refused before anything is written', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(initSite(join(folder, 'home'), 'My Home'), { code: 'USAGE' });
  assert.deepStrictEqual(await readdir(folder), []);
});

test('an enrolled unit finds all it needs in its folder', async (t) => {
  const site = await newSite(t);
  const folder = join(site, 'units', 'cam-1');
  const config = await enrollUnit(site, cam1, folder);
  assert.deepStrictEqual((await readdir(folder)).sort(), [
    'ca.crt',
    'seal.key',
    'unit.crt',
    'unit.key',
    'unit.yaml',
  ]);
  assert.strictEqual(await modeOf(join(folder, 'unit.key')), 0o600);
  assert.strictEqual(await modeOf(join(folder, 'seal.key')), 0o600);
  assert.deepStrictEqual(await loadUnitConfig(join(folder, 'unit.yaml')), config);

  const identity = await loadIdentity(config);
  assert.deepStrictEqual([identity.site, identity.unit, identity.role], ['home', 'cam-1', 'camera']);
  assert.strictEqual(identity.sealKeys.length, 1);
  assert.strictEqual(identity.ca, await readFile(join(site, 'ca.crt'), 'utf8'));
});

test('enrolled units are on record, by id', async (t) => {
  const site = await newSite(t);
  await enrollUnit(site, server1, join(site, 'units', 'server-1'));
  await enrollUnit(site, cam1, join(site, 'units', 'cam-1'));
  assert.deepStrictEqual((await listUnits(site)).units, [
    { unit: 'cam-1', role: 'camera', cameras: ['yard', 'gate'] },
    { unit: 'server-1', role: 'server', cameras: [] },
  ]);
});

test('an id that is taken is refused, and nothing is written', async (t) => {
  const site = await newSite(t);
  const out = join(site, 'elsewhere');
  await enrollUnit(site, cam1, join(site, 'units', 'cam-1'));
  await assert.rejects(enrollUnit(site, { ...server1, unit: 'cam-1' }, out), {
    code: 'USAGE',
    message: 'unit cam-1 is enrolled already',
  });
  await assert.rejects(enrollUnit(site, { ...cam1, unit: 'cam-2', cameras: [{ id: 'gate' }] }, out), {
    code: 'USAGE',
    message: 'camera gate belongs to unit cam-1',
  });
  await assert.rejects(stat(out), { code: 'ENOENT' });
});

test('of two enrollments of one id at the same time, one is refused', async (t) => {
  const site = await newSite(t);
  const both = await Promise.allSettled([
    enrollUnit(site, server1, join(site, 'a')),
    enrollUnit(site, server1, join(site, 'b')),
  ]);
  const refused = both.filter((one) => one.status === 'rejected');
  assert.strictEqual(refused.length, 1);
  assert.strictEqual(refused[0]?.reason.code, 'USAGE');
  assert.strictEqual((await listUnits(site)).units.length, 1);
});

test('a folder that holds a unit is not written over', async (t) => {
  const site = await newSite(t);
  const folder = join(site, 'units', 'server-1');
  await enrollUnit(site, server1, folder);
  const key = await readFile(join(folder, 'unit.key'), 'utf8');
  await assert.rejects(enrollUnit(site, { ...server1, unit: 'server-2' }, folder), { code: 'USAGE' });
  assert.strictEqual(await readFile(join(folder, 'unit.key'), 'utf8'), key);
  assert.strictEqual((await listUnits(site)).units.length, 1);
});

test('settings out of bounds are refused before anything is written', async (t) => {
  const site = await newSite(t);
  const out = join(site, 'out');
  const refused = [
    { unit: '../up', role: 'server' },
    { unit: 'cam-1', role: 'camera' },
    { unit: 'cam-1', role: 'camera', cameras: [{ id: 'a', width: 12 }] },
    { unit: 'server-1', role: 'server', cameras: [{ id: 'a' }] },
    { unit: 'server-1', role: 'server', overrides: { server: { segmentSeconds: 1 } } },
    { unit: 'server-1', role: 'server', overrides: { camera: {} } },
  ] as const;
  for (const enrollment of refused) {
    await assert.rejects(enrollUnit(site, enrollment, out), { code: 'CONFIG_INVALID' });
  }
  await assert.rejects(enrollUnit(site, { ...server1, seeds: ['10.0.0.5'] }, out), { code: 'USAGE' });
  await assert.rejects(stat(out), { code: 'ENOENT' });
  assert.deepStrictEqual((await listUnits(site)).units, []);
});

test('ids that YAML would read as numbers or as nothing stay ids', async (t) => {
  const site = await newSite(t);
  for (const unit of ['007', '1e3', 'null', 'true', '0x1f']) {
    const config = await enrollUnit(
      site,
      { unit, role: 'camera', cameras: [{ id: unit }] },
      join(site, 'units', unit),
    );
    assert.strictEqual(config.unit, unit);
  }
  assert.strictEqual((await listUnits(site)).units.length, 5);
});

test('later units know up to eight servers that were enrolled before them and can be reached', async (t) => {
  const site = await newSite(t);
  for (let number = 1; number <= 10; number++) {
    const overrides = { link: { advertise: [`10.0.0.${number}:8383`] } };
    await enrollUnit(site, { unit: `server-${number}`, role: 'server', overrides }, join(site, `s${number}`));
  }
  await enrollUnit(site, { ...server1, unit: 'server-0' }, join(site, 's0'));
  await enrollUnit(site, cam1, join(site, 'cam'));
  const seeds = await seedsOf(join(site, 'cam'));
  assert.strictEqual(seeds.length, 8);
  assert.ok(seeds.includes('10.0.0.1 8384'));
  assert.deepStrictEqual(await seedsOf(join(site, 's1')), []);
  assert.deepStrictEqual(await seedsOf(join(site, 's2')), ['10.0.0.1 8384']);
});

test('seeds are written once, and a unit with its own anycast settings gets no others', async (t) => {
  const site = await newSite(t);
  const reachable = { ...server1, overrides: { link: { host: '10.0.0.1', port: 9000 } } };
  await enrollUnit(site, reachable, join(site, 's1'));
  assert.strictEqual((await listUnits(site)).units[0]?.link, '10.0.0.1:9000');

  const seeds = ['10.0.0.1:8384', '[2001:db8::5]:9384'];
  await enrollUnit(site, { ...cam1, seeds }, join(site, 'a'));
  assert.deepStrictEqual(await seedsOf(join(site, 'a')), ['10.0.0.1 8384', '2001:db8::5 9384']);

  const endpoints = [{ kind: 'multicast', host: '239.1.2.3', interface: '127.0.0.1' } as const];
  const own = {
    unit: 'cam-2',
    role: 'camera',
    cameras: [{ id: 'hall' }],
    overrides: { anycast: { endpoints } },
  } as const;
  const config = await enrollUnit(site, own, join(site, 'b'));
  assert.deepStrictEqual(config.anycast.endpoints, [
    { kind: 'multicast', host: '239.1.2.3', port: 8384, interface: '127.0.0.1' },
  ]);
});

test('a unit with mixed-up files says which file is wrong when it starts', async (t) => {
  const site = await newSite(t);
  const foreign = await newSite(t);
  const folder = join(site, 'units', 'cam-1');
  const config = await enrollUnit(site, cam1, folder);
  const sibling = join(site, 'units', 'cam-2');
  await enrollUnit(site, { unit: 'cam-2', role: 'camera', cameras: [{ id: 'hall' }] }, sibling);

  await assert.rejects(
    loadIdentity({ ...config, site: { ...config.site, key: join(sibling, 'unit.key') } }),
    {
      code: 'SITE_INVALID',
      message: `${sibling}/unit.key: is not the key of ${folder}/unit.crt`,
    },
  );
  const swapped = { certificate: join(sibling, 'unit.crt'), key: join(sibling, 'unit.key') };
  await assert.rejects(loadIdentity({ ...config, site: { ...config.site, ...swapped } }), {
    code: 'SITE_INVALID',
    message: /unit\.crt: is of unit cam-2, not cam-1/,
  });
  await assert.rejects(loadIdentity({ ...config, site: { ...config.site, name: 'away' } }), {
    code: 'SITE_INVALID',
    message: /unit\.crt: certificate is of another site/,
  });
  await assert.rejects(loadIdentity({ ...config, site: { ...config.site, ca: join(foreign, 'ca.crt') } }), {
    code: 'SITE_INVALID',
    message: /unit\.crt: was not signed by /,
  });
  await assert.rejects(loadIdentity({ ...config, site: { ...config.site, ca: join(site, 'site.yaml') } }), {
    code: 'SITE_INVALID',
    message: /site\.yaml: is not a certificate in PEM/,
  });
  await assert.rejects(
    loadIdentity({ ...config, site: { ...config.site, sealKey: join(site, 'site.yaml') } }),
    {
      code: 'SITE_INVALID',
      message: /site\.yaml: line 1 is not/,
    },
  );
  await unlink(join(folder, 'unit.key'));
  await assert.rejects(loadIdentity(config), {
    code: 'FILE_MISSING',
    message: `${folder}/unit.key is missing`,
  });
});

test('a unit with the certificate of another role says so when it starts', async (t) => {
  const site = await newSite(t);
  const asServer = await enrollUnit(site, server1, join(site, 'a'));
  const other = await newSite(t);
  const asCamera = await enrollUnit(other, { ...cam1, unit: 'server-1' }, join(other, 'a'));
  await assert.rejects(loadIdentity({ ...asServer, site: asCamera.site }), {
    code: 'SITE_INVALID',
    message: /unit\.crt: is of a camera, not a server/,
  });
});
