/** The files of a demo: one demo at a time, what an earlier one left, ports and sources. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { Failure } from '../../firmware/base/failure.ts';
import { idleServers, openDemoFolder } from '../../firmware/cli/demo-folder.ts';
import { choosePort, type DemoOptions, parseSources, prepareDemo } from '../../firmware/cli/demo-site.ts';

let root = '';
let folder = '';
let number = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-test-'));
});
beforeEach(() => {
  folder = join(root, `demo-${number++}`);
});
after(() => rm(root, { recursive: true, force: true }));

const demo = (some: Partial<DemoOptions> = {}): DemoOptions => {
  return { servers: 1, cameras: 1, port: 8700, folder, sources: ['test'], ...some };
};

function refusal(code: string, message: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert(thrown instanceof Failure, String(thrown));
    assert.equal(thrown.code, code);
    assert.match(thrown.message, message);
    return true;
  };
}

describe('the folder of a demo', () => {
  test('is refused while another demo uses it, and free again when that has ended', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'demo'], { stdio: 'ignore' });
    try {
      await mkdir(folder);
      await writeFile(join(folder, 'demo.pid'), `${other.pid}\n`);
      await assert.rejects(openDemoFolder(folder), refusal('USAGE', new RegExp(`process ${other.pid}`)));
    } finally {
      other.kill('SIGKILL');
      await once(other, 'close');
    }
    await using _hold = await openDemoFolder(folder);
    assert.equal(await readFile(join(folder, 'demo.pid'), 'utf8'), `${process.pid}\n`);
  });

  test('is taken over when its number now belongs to another program', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    try {
      await mkdir(folder);
      await writeFile(join(folder, 'demo.pid'), `${other.pid}\n`);
      await using _hold = await openDemoFolder(folder);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'close');
    }
  });

  test('that cannot be made is a failure, not a bug', async () => {
    await assert.rejects(
      openDemoFolder('/dev/null/demo'),
      refusal('FILE_IO', /cannot use \/dev\/null\/demo/),
    );
  });

  test('keeps what somebody has set, when it is used again with other options', async () => {
    await prepareDemo(demo({ servers: 3, cameras: 2 }));
    const settings = join(folder, 'ss-1', 'unit.yaml');
    const document = parse(await readFile(settings, 'utf8')) as { server: object };
    await writeFile(settings, stringify({ ...document, server: { ...document.server, segmentSeconds: 7 } }));

    const units = await prepareDemo(demo({ port: 8750 }));
    assert.deepEqual(
      units.map(({ id }) => id),
      ['ss-1', 'cam-1'],
    );
    const again = parse(await readFile(settings, 'utf8')) as { server: unknown; anycast: unknown };
    assert.deepEqual(again.server, {
      http: { host: '127.0.0.1', port: 8750, access: 'everybody' },
      segmentSeconds: 7,
    });
    assert.match(JSON.stringify(again.anycast), /"port":8834/);
    assert.deepEqual(await idleServers(demo()), ['ss-2', 'ss-3']);
  });

  test('with settings that a crash has emptied is refused by name', async () => {
    await prepareDemo(demo());
    await writeFile(join(folder, 'ss-1', 'unit.yaml'), '');
    await assert.rejects(
      prepareDemo(demo()),
      refusal('CONFIG_INVALID', /ss-1\/unit\.yaml holds no settings/),
    );
  });
});

describe('a demo', () => {
  test('takes the port that it was told, up to the highest', async () => {
    assert.equal(await choosePort(65_000, 1), 65_000);
  });

  test('says which of its ports is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await assert.rejects(choosePort(port, 1), refusal('PORT_IN_USE', new RegExp(`port ${port} is in use`)));
    server.close();
  });

  test('takes sources separated by commas and spaces, and a file whose name has a comma', async () => {
    await mkdir(folder);
    const file = join(folder, 'one, two.mp4');
    await writeFile(file, '');
    assert.deepEqual(parseSources('test, test'), ['test', 'test']);
    assert.deepEqual(parseSources(`file:${file}`), [`file:${file}`]);
    assert.deepEqual(parseSources(file), [`file:${file}`]);
  });

  test('refuses a source that is not there, or is none', () => {
    const missing = join(folder, 'missing.mp4');
    assert.throws(() => parseSources(missing), refusal('FILE_MISSING', /missing\.mp4 is missing/));
    assert.throws(() => parseSources('test,'), refusal('USAGE', /--source : expected test/));
  });
});
