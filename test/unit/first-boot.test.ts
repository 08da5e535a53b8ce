// What a flashed unit does with its partition CONFIG when it starts.
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import { type FirstBootOptions, firstBoot } from '../../firmware/io/first-boot.ts';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import { isUnitFile } from '../../firmware/provisioning/config-files.ts';
import { until } from '../support/network.ts';

interface Card extends Disposable {
  readonly options: FirstBootOptions & { readonly configFolder: string };
  /** puts files on CONFIG */
  put(name: string, text: string): void;
  onConfig(): string[];
  taken(name: string): string;
}

const prepared = mkdtempSync(join(tmpdir(), 'starling-first-boot-'));
process.once('exit', () => rmSync(prepared, { recursive: true, force: true }));
await initSite(join(prepared, 'home'), 'home');
await enrollUnit(
  join(prepared, 'home'),
  { unit: 'cam-1', role: 'camera', cameras: [{ id: 'cam-1' }] },
  join(prepared, 'cam-1'),
);
await enrollUnit(
  join(prepared, 'home'),
  { unit: 'cam-2', role: 'camera', cameras: [{ id: 'cam-2' }] },
  join(prepared, 'cam-2'),
);

function card(unit?: string): Card {
  const base = mkdtempSync(join(tmpdir(), 'starling-card-'));
  const configFolder = join(base, 'config');
  const unitFolder = join(base, 'data', 'starling');
  if (unit === undefined) mkdirSync(configFolder);
  else cpSync(join(prepared, unit), configFolder, { recursive: true });
  writeFileSync(join(configFolder, 'README.TXT'), 'for people');
  return {
    options: { configFolder, unitFolder, runFolder: join(base, 'run'), role: 'camera', wireless: ['wlan1'] },
    put: (name, text) => writeFileSync(join(configFolder, name), text),
    onConfig: () => readdirSync(configFolder).sort(),
    taken: (name) => readFileSync(join(unitFolder, name), 'utf8'),
    [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true }),
  };
}

async function problem(options: FirstBootOptions): Promise<string> {
  try {
    await firstBoot(options);
    return '';
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error.message;
  }
}

test('settings and keys move to the data partition, readable for root alone, and are gone from CONFIG', async () => {
  using one = card('cam-1');
  const { config, taken } = await firstBoot(one.options);
  assert.equal(config.unit, 'cam-1');
  assert.ok(taken.includes('unit.key') && taken.at(-1) === 'unit.yaml', taken.join());
  assert.deepEqual(one.onConfig(), ['DONE.TXT', 'README.TXT']);
  assert.equal(one.taken('unit.key'), readFileSync(join(prepared, 'cam-1', 'unit.key'), 'utf8'));
  assert.equal(statSync(join(one.options.unitFolder, 'unit.key')).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(join(one.options.configFolder, 'DONE.TXT'), 'utf8'), /PRIVATE KEY/);
});

test('a key is overwritten on CONFIG before its file goes', async () => {
  using one = card('cam-1');
  // A second name of the same file shows what its blocks hold afterwards.
  const { linkSync } = await import('node:fs');
  const witness = join(one.options.configFolder, '..', 'witness');
  linkSync(join(one.options.configFolder, 'unit.key'), witness);
  await firstBoot(one.options);
  assert.doesNotMatch(readFileSync(witness, 'latin1'), /PRIVATE|[A-Za-z0-9+/]{60}/);
  assert.equal(statSync(witness).size, statSync(join(prepared, 'cam-1', 'unit.key')).size);
});

test('a second start finds nothing to do, and none without CONFIG either', async () => {
  using one = card('cam-1');
  await firstBoot(one.options);
  assert.deepEqual((await firstBoot(one.options)).taken, []);
  assert.equal((await firstBoot({ ...one.options, configFolder: undefined })).config.unit, 'cam-1');
});

test('a power cut while files were moved is made good by the next start', async () => {
  using one = card('cam-1');
  mkdirSync(one.options.unitFolder, { recursive: true });
  for (const name of ['ca.crt', 'unit.key'])
    cpSync(join(prepared, 'cam-1', name), join(one.options.unitFolder, name));
  writeFileSync(join(one.options.unitFolder, 'seal.key.0123456789ab.tmp'), 'half');
  assert.equal((await firstBoot(one.options)).config.unit, 'cam-1');
  assert.deepEqual(one.onConfig(), ['DONE.TXT', 'README.TXT']);
});

test('a power cut while CONFIG was wiped is made good by the next start', async () => {
  using one = card('cam-1');
  await firstBoot(one.options);
  cpSync(join(prepared, 'cam-1', 'unit.yaml'), join(one.options.configFolder, 'unit.yaml'));
  assert.deepEqual((await firstBoot(one.options)).taken, ['unit.yaml']);
});

test('a file of CONFIG that is being overwritten is none of the unit’s any more: a power cut then does no harm', async () => {
  using one = card('cam-1');
  const overwritten = new Set<string>();
  const watcher = watch(one.options.configFolder, (event, name) => {
    if (event === 'change' && name !== null) overwritten.add(name);
  });
  await firstBoot(one.options);
  await until('DONE.TXT was written', () => overwritten.has('DONE.TXT'));
  watcher.close();
  assert.deepEqual(
    [...overwritten].filter((name) => isUnitFile(name)),
    [],
  );
  // As the cut left it: half of it is a key.
  one.put('.gone-unit.key', one.taken('unit.key'));
  await firstBoot(one.options);
  assert.deepEqual(one.onConfig(), ['DONE.TXT', 'README.TXT']);
});

test('settings from CONFIG stay: what a change at the console would have put back is gone', async () => {
  using one = card('cam-1');
  mkdirSync(one.options.unitFolder, { recursive: true });
  const trial = join(one.options.unitFolder, 'unit.yaml.trial');
  writeFileSync(trial, '# ? 1\nold: settings\n');
  await firstBoot({ ...one.options });
  assert.equal(existsSync(trial), false);
});

test('a CONFIG that cannot take a note holds nothing up; what writers left behind when the power went is removed', async () => {
  using one = card('cam-1');
  mkdirSync(join(one.options.configFolder, 'DONE.TXT'));
  mkdirSync(one.options.unitFolder, { recursive: true });
  for (let cut = 0; cut < 40; cut++)
    writeFileSync(join(one.options.unitFolder, `ca.crt.${String(cut).padStart(12, '0')}.tmp`), 'half');
  await firstBoot(one.options);
  assert.deepEqual(
    readdirSync(one.options.unitFolder).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('a unit that has settings runs with them, whatever is on CONFIG; without its disk it does not', () => {
  const service = readFileSync('boards/common/root/etc/systemd/system/starling.service', 'utf8');
  assert.match(service, /^Wants=starling-provision\.service$/m);
  assert.match(service, /^Requires=starling-disk\.service$/m);
});

test('without settings the unit says what to do', async () => {
  using empty = card();
  assert.match(await problem(empty.options), /has no settings/);
  assert.match(
    readFileSync(join(empty.options.configFolder, 'PROBLEM.TXT'), 'utf8'),
    /Flash the unit with --site and --unit/,
  );
});

test('a wrong setting is told with its name, on CONFIG as well, and nothing is taken over', async () => {
  using one = card('cam-1');
  one.put(
    'unit.yaml',
    `${readFileSync(join(prepared, 'cam-1', 'unit.yaml'), 'utf8')}link: { port: 99999 }\n`,
  );
  assert.match(await problem(one.options), /unit\.yaml: link\.port: expected 0\.\.65535, got 99999/);
  assert.match(readFileSync(join(one.options.configFolder, 'PROBLEM.TXT'), 'utf8'), /link\.port: expected/);
  assert.ok(one.onConfig().includes('unit.key'));
  assert.equal(existsSync(join(one.options.unitFolder, 'unit.yaml')), false);
});

test('a unit that has settings keeps them when the new ones are wrong', async () => {
  using one = card('cam-1');
  await firstBoot(one.options);
  const before = one.taken('unit.yaml');
  one.put('unit.yaml', 'unit: [');
  assert.match(await problem(one.options), /unit\.yaml: /);
  assert.equal(one.taken('unit.yaml'), before);
  one.put('unit.yaml', before);
  await firstBoot(one.options);
  assert.equal(one.onConfig().includes('PROBLEM.TXT'), false, 'the old problem is still told');
});

test('keys of another unit are refused, and so is an image for the other role', async () => {
  using mixed = card('cam-1');
  cpSync(join(prepared, 'cam-2', 'unit.key'), join(mixed.options.configFolder, 'unit.key'));
  assert.match(await problem(mixed.options), /^unit\.key: is not the key of .*unit\.crt$/);
  using wrong = card('cam-1');
  assert.match(
    await problem({ ...wrong.options, role: 'server' }),
    /expected server, as this image is for, got camera/,
  );
});

test('network settings become files in /run at every start; wrong ones are told', async () => {
  using one = card('cam-1');
  one.put('network.yaml', 'wifi: { ssid: home, password: "12345678" }\r\nntp: [10.0.0.1]\r\n');
  await firstBoot(one.options);
  const read = (path: string): string => readFileSync(join(one.options.runFolder, path), 'utf8');
  assert.equal(read('starling/wifi.env'), 'INTERFACE=wlan1\n');
  assert.match(read('starling/chrony/starling.sources'), /^server 10\.0\.0\.1 /);
  assert.equal(statSync(join(one.options.runFolder, 'starling/wifi.conf')).mode & 0o777, 0o600);
  rmSync(one.options.runFolder, { recursive: true });
  await firstBoot(one.options);
  assert.equal(read('starling/wifi.env'), 'INTERFACE=wlan1\n');
  one.put('network.yaml', 'wifi: { ssid: home, password: "123" }');
  assert.match(await problem(one.options), /network\.yaml: wifi\.password/);
});

test('what computers leave on every stick is nobody’s business', async () => {
  using one = card('cam-1');
  one.put('._unit.yaml', 'x');
  one.put('.DS_Store', 'x');
  mkdirSync(join(one.options.configFolder, 'System Volume Information'));
  const { taken } = await firstBoot(one.options);
  assert.equal(
    taken.some((name) => name.startsWith('.')),
    false,
  );
});

test('a card full of files, and a file that is too large, are refused', async () => {
  using many = card('cam-1');
  for (let number = 0; number < 40; number++) many.put(`holiday-${number}.jpg`, 'x');
  assert.match(await problem(many.options), /files on CONFIG, expected at most 32/);
  using large = card('cam-1');
  large.put('film.txt', 'x'.repeat(70_000));
  assert.match(await problem(large.options), /film\.txt is larger than/);
});

test('no name leads out of the folder', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => !isUnitFile(name) || !/[/\\\0]|^\.|^\s/.test(name)),
  );
  assert.equal(isUnitFile('..'), false);
  assert.equal(isUnitFile('../unit.key'), false);
});
