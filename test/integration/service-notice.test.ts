/** A server and a camera as systemd runs them: what they tell it, by the real systemd-notify. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bundle, until } from '../support/network.ts';
import { NotifySocket, notifyMissing } from '../support/notify-socket.ts';

describe('units under a service manager', { skip: notifyMissing() }, () => {
  let root = '';
  const units: ChildProcess[] = [];

  before(async () => {
    assert.ok(existsSync(bundle), `${bundle} is missing: npm run build`);
    root = await mkdtemp(join(tmpdir(), 'starling-service-'));
    const site = (...args: string[]): void => {
      const { status, stderr } = spawnSync(process.execPath, [bundle, 'site', ...args], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    };
    site('init', join(root, 'home'), '--name', 'home');
    site('enroll', join(root, 'home'), '--unit', 'box', '--role', 'server');
    site('enroll', join(root, 'home'), '--unit', 'eye', '--role', 'camera', '--source', 'test');
    // Nobody else hears them, and no port is taken.
    const port = 20_000 + Math.floor(Math.random() * 9_000);
    const seed = `anycast: { endpoints: [{ kind: seed, host: 127.0.0.1, port: ${port} }] }\n`;
    for (const [unit, more] of [
      ['box', `link: { host: 127.0.0.1, port: ${port} }\nserver: { http: { port: 0 } }\n`],
      ['eye', 'link: { host: 127.0.0.1, port: 0 }\n'],
    ] as const) {
      const path = join(root, 'home', 'units', unit, 'unit.yaml');
      const text = await readFile(path, 'utf8');
      const kept = text.replace(/^anycast:\n(?: .*\n)*/m, '').replace(/^(server|link):\n(?: .*\n)*/gm, '');
      await writeFile(path, kept + seed + more);
    }
  });

  after(async () => {
    for (const unit of units) unit.kill('SIGKILL');
    await rm(root, { recursive: true, force: true });
  });

  /** Starts a unit; what it says on stderr is told when the test fails. */
  const start = (unit: string, socket: NotifySocket): ChildProcess => {
    const config = join(root, 'home', 'units', unit, 'unit.yaml');
    const child = spawn(process.execPath, [bundle, 'run', '--config', config], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '3000000', STARLING_LOG: 'plain' },
    });
    units.push(child);
    return child;
  };

  test('are ready when they have joined, say what they do, and live until they are told to stop', async () => {
    await using ofServer = await NotifySocket.open(join(root, 'server.sock'));
    await using ofCamera = await NotifySocket.open(join(root, 'camera.sock'));
    const server = start('box', ofServer);
    const camera = start('eye', ofCamera);
    await until('the server is ready', () => ofServer.heard('READY=1'));
    await until('the camera is ready', () => ofCamera.heard('READY=1'));
    await until('the camera says that it works', () => ofCamera.heard('STATUS=frames flow; managed by box'));
    await until('the server says that it works', () =>
      ofServer.heard('STATUS=records 1 camera, 0 neighbors'),
    );
    const before = ofServer.count('WATCHDOG=1');
    await until('the server lives', () => ofServer.count('WATCHDOG=1') > before + 1);
    const [first] = ofServer.messages;
    assert.match(first ?? '', /^EXTEND_TIMEOUT_USEC=\d+ STATUS=starts$/);
    for (const child of [camera, server]) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    for (const { messages } of [ofServer, ofCamera]) {
      assert.equal(messages.at(-1), 'STOPPING=1 STATUS=stops');
      assert.deepEqual(
        messages.filter((message) => message.includes('ERRNO')),
        [],
        'programs that a unit starts say nothing in its name',
      );
    }
  });
});
