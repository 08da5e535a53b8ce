// The files that a flashed unit gets from its site.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';
import { verifyPin } from '../../firmware/console/pin.ts';
import { initSite, listUnits } from '../../firmware/io/site-folder.ts';
import { unitFiles } from '../../scripts/flash/unit-files.ts';

interface Site extends Disposable {
  readonly path: string;
}

async function newSite(): Promise<Site> {
  const base = mkdtempSync(join(tmpdir(), 'starling-unit-files-'));
  await initSite(join(base, 'home'), 'home');
  return { path: join(base, 'home'), [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true }) };
}

function configOf(files: ReadonlyMap<string, string>) {
  return parseUnitConfig(files.get('unit.yaml') ?? '', '/etc/starling');
}

test('a new camera is enrolled with the source of its board, and flashed again gets the same files', async () => {
  using site = await newSite();
  const request = { site: site.path, unit: 'cam-1', role: 'camera' as const, source: '/dev/video0' };
  const first = await unitFiles(request);
  const config = configOf(first);
  assert.equal(config.role, 'camera');
  if (config.role === 'camera')
    assert.deepEqual(config.camera.cameras[0]?.source, { kind: 'v4l2', device: '/dev/video0' });
  const again = await unitFiles({ ...request, source: 'test' });
  assert.deepEqual(again, first);
  assert.equal((await listUnits(site.path)).units.length, 1);
});

test('a server shows its page to other machines, records on the disks that were named, and owns the anycast address', async () => {
  using site = await newSite();
  const files = await unitFiles({
    site: site.path,
    unit: 'ss-1',
    role: 'server',
    anycast: 'fd00:5354::1',
    volumes: ['starling-1'],
  });
  const config = configOf(files);
  assert.equal(config.role, 'server');
  if (config.role !== 'server') return;
  assert.deepEqual(config.server.volumes, ['/volumes/starling-1']);
  assert.equal(config.server.https?.port, 8443);
  assert.ok(files.has('page.crt') && files.has('page.key'));
  const own = config.anycast.endpoints.find(({ kind }) => kind === 'address');
  assert.equal(own?.interface, 'lo');
  assert.equal(config.anycast.endpoints.filter(({ kind }) => kind === 'multicast').length, 2);
});

test('a camera sends to the anycast address and does not put it up', async () => {
  using site = await newSite();
  const files = await unitFiles({ site: site.path, unit: 'cam-1', role: 'camera', anycast: 'fd00:5354::1' });
  const address = configOf(files).anycast.endpoints.find(({ kind }) => kind === 'address');
  assert.deepEqual([address?.host, address?.interface], ['fd00:5354::1', undefined]);
});

test('the PIN is there as a hash only', async () => {
  using site = await newSite();
  const files = await unitFiles({ site: site.path, unit: 'cam-1', role: 'camera', pin: '2468' });
  const record = files.get('console.pin') ?? '';
  assert.doesNotMatch(record, /2468/);
  assert.equal(await verifyPin('2468', record), true);
});

test('an image for the other role, and files that are elsewhere, are refused', async () => {
  using site = await newSite();
  const camera = { site: site.path, unit: 'cam-1', role: 'camera' as const };
  await unitFiles(camera);
  await assert.rejects(
    unitFiles({ ...camera, role: 'server' }),
    /cam-1 is a camera, and the image is for a server/,
  );
  renameSync(join(site.path, 'units', 'cam-1'), join(site.path, 'moved'));
  await assert.rejects(unitFiles(camera), /cam-1 is enrolled, but its files are not in/);
});

test('a slip in the PIN or the network leaves no half-made unit behind', async () => {
  using site = await newSite();
  const camera = { site: site.path, unit: 'cam-1', role: 'camera' as const };
  await assert.rejects(unitFiles({ ...camera, pin: '12a4' }), /the PIN is none/);
  await assert.rejects(
    unitFiles({ ...camera, network: { wifi: { ssid: 'x', password: 'short' } } }),
    /wifi\.password/,
  );
  assert.equal(existsSync(join(site.path, 'units', 'cam-1')), false);
  assert.deepEqual((await listUnits(site.path)).units, []);
});
