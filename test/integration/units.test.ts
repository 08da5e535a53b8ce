/** Units and demos as processes: they start, stop and die without leaving anything behind or half-done. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { choosePort } from '../../firmware/cli/demo-site.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import { bundle, getCameras, getRecordings, until } from '../support/network.ts';

/** A command of the program, with what it has said so far. */
interface Command extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  out: string;
  err: string;
  /** exit code or signal, once its output has ended too */
  readonly ended: Promise<number | string>;
}

let root = '';
let port = 0;

before(async () => {
  assert(existsSync(bundle), `${bundle} is missing: npm run build`);
  root = await mkdtemp(join(tmpdir(), 'starling-test-'));
  // From ports that the system does not hand out, and no demo takes by default.
  for (port = 0; port === 0; ) {
    port = await choosePort(10_050 + Math.floor(Math.random() * 200) * 100, 2).catch(() => 0);
  }
});
after(() => rm(root, { recursive: true, force: true }));

/** Starts the program, as the head of a process group of its own like a command on a terminal. */
function starling(...args: string[]): Command {
  const env = { ...process.env, TMPDIR: root, STARLING_LOG: 'plain' };
  const child = spawn(process.execPath, [bundle, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env,
  });
  const command: Command = {
    child,
    pid: child.pid ?? 0,
    out: '',
    err: '',
    ended: once(child, 'close').then(([code, signal]) => (signal ?? code) as number | string),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await command.ended;
    },
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    command.out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    command.err += text;
  });
  return command;
}

const demo = (folder: string, ...more: string[]): Command =>
  starling('demo', '--servers', '1', '--cameras', '1', '--port', String(port), '--data', folder, ...more);

const url = (): string => `http://127.0.0.1:${port}`;

/** Waits until so many seconds of cam-1 are on the disk. */
async function untilRecorded(seconds: number): Promise<void> {
  await until(`${seconds} s are recorded`, async () => {
    const last = (await getRecordings(url(), 'cam-1')).segments.at(-1);
    return last !== undefined && Date.parse(last.to) - Date.parse(last.from) > seconds * 1000;
  });
}

/** Ids of the processes that a process has started, and those that these have, while they live. */
async function descendants(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.trim().split(' ').filter(Boolean).map(Number);
  return [...children, ...(await Promise.all(children.map(descendants))).flat()];
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** Every segment that was begun is in the index as a whole one. */
async function assertSealed(folder: string): Promise<void> {
  await using index = await openLevelStore(join(folder, 'ss-1', 'data', 'index'));
  assert.deepEqual(await index.range({ from: 'o/', to: 'o0', limit: 10 }), [], 'segments that are open');
  assert((await index.range({ from: 's/', to: 's0', limit: 10 })).length > 0, 'segments that are sealed');
}

describe('a demo', () => {
  test('that is killed leaves no process behind, and every segment sealed', async () => {
    const folder = join(root, 'killed');
    await using command = demo(folder, '--json');
    await until('it is ready', () => command.out.includes('\n'));
    await untilRecorded(2);
    const family = await descendants(command.pid);
    assert.equal(family.length, 3, 'a server, a camera unit and its capture process');
    command.child.kill('SIGKILL');
    await until('all have ended', () => !family.some(isAlive), 12_000);
    await assertSealed(folder);
  });

  test('on a terminal takes Ctrl-C, also twice, and stops cameras before servers', async () => {
    const folder = join(root, 'interrupted');
    await using command = demo(folder);
    await until('it is ready', () => command.out.includes('Open http://'));
    await untilRecorded(2);
    const family = await descendants(command.pid);
    // A terminal sends it to the whole group.
    process.kill(-command.pid, 'SIGINT');
    process.kill(-command.pid, 'SIGINT');
    assert.equal(await command.ended, 0);
    assert(!family.some(isAlive));
    assert.doesNotMatch(command.err, /ended|error|warn/);
    assert.doesNotMatch(await readFile(join(folder, 'cam-1', 'unit.log'), 'utf8'), /lost ss-1/);
    await assertSealed(folder);
  });

  test('that is stopped while it starts leaves nothing', async () => {
    await using command = starling(
      'demo',
      '--servers',
      '1',
      '--cameras',
      '1',
      '--port',
      String(port),
      '--json',
    );
    await until('it has begun', () => command.err.includes('Preparing'));
    const [folder = ''] = /\/\S*starling-demo-\S+/.exec(command.err) ?? [];
    assert(existsSync(folder), `${folder} is there`);
    command.child.kill('SIGTERM');
    assert.equal(await command.ended, 0);
    assert.equal(command.out, '{"stopped":true}\n');
    assert(!existsSync(folder), `${folder} is gone`);
  });

  test('that cannot start ends at once, whenever it was to stop', { timeout: 20_000 }, async () => {
    const folder = join(root, 'half');
    await mkdir(join(folder, 'site'), { recursive: true });
    await writeFile(join(folder, 'site', 'ca.key'), '');
    await using command = demo(folder, '--seconds', '600', '--json');
    assert.equal(await command.ended, 1);
    assert.match(command.err, /holds half a site/);
    assert.equal(command.out, '');
  });

  test('goes on when nobody reads what it says', async () => {
    await using command = demo(join(root, 'unread'));
    command.child.stdout?.destroy();
    await until('its camera is there', async () => (await getCameras(url())).length === 1);
    await until('it has told so', () => command.err.includes('are up'));
    command.child.stderr?.destroy();
    command.child.kill('SIGTERM');
    assert.equal(await command.ended, 0);
  });

  test('starts a server again that could not start, and says why', async () => {
    const folder = join(root, 'no-index');
    await mkdir(join(folder, 'ss-1', 'data'), { recursive: true });
    await writeFile(join(folder, 'ss-1', 'data', 'index'), 'not a folder');
    await using command = demo(folder);
    await until('it says so', () => command.err.includes('ss-1 ended (exit code 1)'));
    assert.match(command.err, /error: index .*ss-1\/data\/index/);
    await rm(join(folder, 'ss-1', 'data', 'index'));
    await until('it is up after all', () => / are up\.$/m.test(command.err));
    command.child.kill('SIGTERM');
    assert.equal(await command.ended, 0);
  });
});

describe('a site made by hand', () => {
  test('records and shows its camera on the settings it was enrolled with', async () => {
    const site = join(root, 'home');
    const run = async (...args: string[]): Promise<Command> => {
      const command = starling(...args);
      assert.equal(await command.ended, 0, command.err);
      return command;
    };
    await run('site', 'init', site);
    // Multicast may not work on the machine of a test; one that has it uses both.
    const seed = ['--seed', '127.0.0.1:8384'];
    const server = (await run('site', 'enroll', site, '--unit', 'server-1', '--role', 'server')).out.trim();
    const enrolled = await run('site', 'enroll', site, '--unit', 'cam-1', '--role', 'camera', ...seed);
    assert.match(
      enrolled.err,
      new RegExp(`starling run --config ${enrolled.out.trim()}`),
      'the next step is told',
    );
    // Both units are on one machine, where others may run too.
    const http = { server: { http: { port, access: 'everybody' } } };
    for (const [path, some] of [
      [server, http],
      [enrolled.out.trim(), {}],
    ] as const) {
      const document = parse(await readFile(path, 'utf8')) as object;
      await writeFile(path, stringify({ ...document, ...some, link: { port: 0 } }));
    }
    await using serverUnit = starling('run', '--config', server);
    await using cameraUnit = starling('run', '--config', enrolled.out.trim());
    await untilRecorded(2);

    const exported = join(root, 'x.mp4');
    const ask = ['--server', url(), '--json'];
    await run('export', 'cam-1', '--from', '-1m', '--to', 'now', '-o', exported, ...ask);
    for (const command of [cameraUnit, serverUnit]) {
      command.child.kill('SIGINT');
      assert.equal(await command.ended, 0, command.err);
      assert.match(command.err, /info stops \(SIGINT\)\n.*info stopped\n$/s);
      assert.doesNotMatch(command.err, /error|bug/);
    }
  });
});
