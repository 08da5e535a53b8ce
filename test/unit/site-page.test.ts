// What a site gives its servers for people: the page's certificate, and who may sign in first.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { encodeUser } from '../../firmware/access/access-rows.ts';
import { createFirstAdmin, withFirstAdmin } from '../../firmware/access/first-admin.ts';
import { loadUnitConfig } from '../../firmware/io/config-file.ts';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import { SiteDocument } from '../../firmware/overlay/site-document.ts';
import { AccessRig, signIn } from '../support/access-rig.ts';

const dayMs = 24 * 3_600_000;
const main = path.join(import.meta.dirname, '..', '..', 'firmware', 'main.ts');

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'starling-page-'));
  t.after(() => rm(folder, { recursive: true }));
  return path.join(folder, 'home');
}

/** Runs a command of the program as a person does. */
async function starling(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

async function certificateOf(folder: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(path.join(folder, 'page.crt')));
}

test('a server is enrolled with a certificate that browsers take, signed by the site', async (t) => {
  const site = await newFolder(t);
  await initSite(site, 'home');
  const folder = path.join(site, 'units', 'nvr');
  await enrollUnit(
    site,
    { unit: 'nvr', role: 'server', names: ['nvr.example.org', '192.0.2.7', '2001:db8::7'] },
    folder,
  );
  const certificate = await certificateOf(folder);
  const ca = await readFile(path.join(site, 'ca.crt'), 'utf8');
  assert.equal(certificate.verify(new X509Certificate(ca).publicKey), true);
  assert.equal(certificate.ca, false);
  for (const name of ['nvr', 'nvr.local', 'localhost', 'nvr.example.org'])
    assert.equal(certificate.checkHost(name), name);
  for (const ip of ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7']) assert.ok(certificate.checkIP(ip), ip);
  assert.equal(certificate.checkHost('example.org'), undefined);
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / dayMs;
  assert.ok(days > 800 && days <= 825, `${days} days`);
  assert.equal((await stat(path.join(folder, 'page.key'))).mode & 0o777, 0o600);
});

test('whoever trusts the site gets through to the page by name, and whoever does not is warned', async (t) => {
  const site = await newFolder(t);
  await initSite(site, 'home');
  const folder = path.join(site, 'units', 'nvr');
  await enrollUnit(site, { unit: 'nvr', role: 'server' }, folder);
  const [cert, key, ca] = await Promise.all(
    ['page.crt', 'page.key', 'ca.crt'].map((name) => readFile(path.join(folder, name), 'utf8')),
  );
  const server = createServer({ cert, key });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const servername of ['nvr', 'nvr.local', 'localhost']) {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: [ca ?? ''] });
    await once(socket, 'secureConnect');
    assert.equal(socket.authorized, true, servername);
    socket.destroy();
  }
  const stranger = connect({ port, host: '127.0.0.1', servername: 'nvr' });
  await assert.rejects(once(stranger, 'secureConnect'), /self-signed certificate|unable to verify/);
});

test('a certificate is renewed with the names it had, or others, and the page settings name it', async (t) => {
  const site = await newFolder(t);
  const made = await starling('site', 'init', site, '--name', 'home', '--admin', 'Anna', '--json');
  assert.equal(made.code, 0, made.err);
  const { admin, password } = JSON.parse(made.out) as { admin: string; password: string };
  assert.equal(admin, 'anna');
  assert.match(password, /^([a-z2-9]{5}-){3}[a-z2-9]{5}$/);
  const enroll = [
    'site',
    'enroll',
    site,
    '--unit',
    'nvr',
    '--role',
    'server',
    '--https',
    '9443',
    '--name',
    'nvr.example.org',
  ];
  assert.equal((await starling(...enroll)).code, 0);
  const folder = path.join(site, 'units', 'nvr');
  const config = await loadUnitConfig(path.join(folder, 'unit.yaml'));
  assert.equal(config.role, 'server');
  assert.deepEqual(config.role === 'server' && config.server.https, {
    host: '::',
    port: 9443,
    certificate: path.join(folder, 'page.crt'),
    key: path.join(folder, 'page.key'),
    names: ['nvr.example.org'],
  });
  const first = await certificateOf(folder);
  assert.equal((await starling('site', 'renew', site, '--unit', 'nvr')).code, 0);
  const second = await certificateOf(folder);
  assert.notEqual(second.serialNumber, first.serialNumber);
  assert.equal(second.checkHost('nvr.example.org'), 'nvr.example.org');
  assert.equal(
    (await starling('site', 'renew', site, '--unit', 'nvr', '--name', 'cctv.example.org')).code,
    0,
  );
  assert.equal((await starling('site', 'renew', site, '--unit', 'nvr')).code, 0);
  const third = await certificateOf(folder);
  assert.deepEqual(
    [third.checkHost('cctv.example.org'), third.checkHost('nvr.example.org')],
    ['cctv.example.org', undefined],
  );
  assert.equal((await starling('site', 'renew', site, '--unit', 'other')).code, 3);
  const ca = await starling('site', 'ca', site);
  assert.equal(ca.out, await readFile(path.join(site, 'ca.crt'), 'utf8'));
  assert.match(ca.err, /Import it/);
});

test('the first admin is on every server of the site, without the password, and signs in', async (t) => {
  const site = await newFolder(t);
  const made = await createFirstAdmin('admin', Date.parse('2026-11-22T12:00:00Z'));
  assert.ok(made.ok, 'made');
  const { password, text } = made.value;
  await initSite(site, 'home', text);
  for (const [unit, role] of [
    ['nvr', 'server'],
    ['cam', 'camera'],
  ] as const) {
    const folder = path.join(site, 'units', unit);
    await enrollUnit(site, { unit, role, ...(role === 'camera' ? { cameras: [{ id: unit }] } : {}) }, folder);
    const kept = await readFile(path.join(folder, 'first-admin.yaml'), 'utf8').catch(() => '');
    assert.equal(kept, role === 'server' ? text : '');
    assert.ok(!kept.includes(password), 'no password');
  }
  const mode = (await stat(path.join(site, 'units', 'nvr', 'first-admin.yaml'))).mode & 0o777;
  assert.equal(mode, 0o600);
  const rig = new AccessRig();
  const server = await rig.server();
  const document = withFirstAdmin([], text);
  server.access.documentChanged(document.ok ? document.value : []);
  const { principal } = await signIn(server, 'admin', { typed: password });
  assert.deepEqual([principal.role, principal.cameras], ['admin', 'all']);
});

test('the first admin comes to a site that knows no user, and never back to one that had any', async () => {
  const made = await createFirstAdmin('admin', Date.parse('2026-11-22T12:00:00Z'));
  const text = made.ok ? made.value.text : '';
  const fresh = withFirstAdmin([], text);
  assert.ok(fresh.ok, 'read');
  const [row] = fresh.value;
  assert.ok(row !== undefined, 'a row');
  const time = { ms: Date.parse('2026-11-22T13:00:00Z'), count: 0 };
  const password = { scheme: 'scrypt-15-8-1', salt: Buffer.alloc(16), hash: Buffer.alloc(32) } as const;
  const rights = { role: 'admin', cameras: 'all', generation: Buffer.alloc(8), createdAtMs: 0 } as const;
  const changed = encodeUser({ name: 'admin', password, ...rights });
  for (const value of [undefined, changed.ok ? changed.value : undefined]) {
    const later = { kind: 'user', id: 'admin', time, author: 'ss-1', value };
    const known = withFirstAdmin([later], text);
    assert.deepEqual(known.ok && known.value, [later]);
    // A server that was alone when it started, and meets the others only then.
    for (const rows of [
      [...fresh.value, later],
      [later, ...fresh.value],
    ]) {
      assert.deepEqual(new SiteDocument(rows).get('user', 'admin'), value);
    }
  }
  const other = { kind: 'user', id: 'berta', time, author: 'ss-1', value: undefined };
  const merged = withFirstAdmin([other], text);
  assert.deepEqual(merged.ok && merged.value, [other]);
  // Two servers have the same row, so that their documents do not differ.
  const again = withFirstAdmin([], text);
  assert.deepEqual(again.ok && again.value, fresh.value);
});
