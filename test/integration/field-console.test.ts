// The field console of real units on real ptys: what it says of a unit that runs, of one that does not, and how a change
// of settings that costs the network is taken back.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { UnitProcess } from '../../firmware/cli/unit-process.ts';
import type { StatusAnswerData } from '../../firmware/console/console-text.ts';
import { BenchCaller, type CallAnswer } from '../../scripts/console/bench-caller.ts';
import { baudDefault, openBenchLine } from '../../scripts/console/bench-line.ts';
import { openNoisyLine } from '../support/console-line.ts';
import { bundle, getCameras, startNetwork, type TestNetwork, until } from '../support/network.ts';

const run = promisify(execFile);

interface Rig extends AsyncDisposable {
  readonly caller: BenchCaller;
  /** the data of a command; rejects with what it says is wrong */
  data<T>(line: string): Promise<T>;
  status(): Promise<StatusAnswerData>;
}

/** The console of a unit in a process of its own, and the bench at the other end of the line. */
async function openConsole(settings: string): Promise<Rig> {
  const line = await openNoisyLine({ share: 0, seed: 1 });
  const args = [bundle, 'console-tty', '--tty', line.unit, '--config', settings];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'exit');
  const bench = await openBenchLine(line.bench, baudDefault);
  const caller = new BenchCaller(bench);
  const close = async (): Promise<void> => {
    await bench.close();
    child.kill('SIGTERM');
    await ended;
    await line[Symbol.asyncDispose]();
  };
  await caller.hello(20_000).catch(async (thrown: unknown) => {
    await close();
    throw thrown;
  });
  const data = async <T>(text: string): Promise<T> => {
    const answer: CallAnswer = await caller.call(text);
    if (!answer.ok) throw new Error(`${answer.code}: ${answer.message} ${answer.advice}`);
    return answer.data as T;
  };
  return {
    caller,
    data,
    status: () => data('status'),
    [Symbol.asyncDispose]: close,
  };
}

function levelOf({ checks }: StatusAnswerData, name: string): string | undefined {
  return checks.find((check) => check.name === name)?.level;
}

describe('the field console', () => {
  let network: TestNetwork;
  let camera: UnitProcess;
  let settings = '';
  const messages: string[] = [];

  before(async () => {
    network = await startNetwork({ servers: 1, cameras: 1, start: ['ss-1'] });
    const { unit } = network.unit('cam-1');
    settings = unit.settings;
    camera = new UnitProcess(unit, bundle, (line) => messages.push(line), 200);
    camera.start();
    await until('the camera is there', async () =>
      (await getCameras(network.url())).some(
        ({ state, lastFrameAt }) => state === 'online' && lastFrameAt !== null,
      ),
    );
  });

  after(async () => {
    await camera.stop();
    await network[Symbol.asyncDispose]();
  });

  test('says of a camera unit who it is, who manages it and why, and what its camera does', async () => {
    await using rig = await openConsole(settings);
    const status = await until('a rate is measured', async () => {
      const seen = await rig.status();
      return levelOf(seen, 'camera cam-1') === 'OK' && levelOf(seen, 'manager') === 'OK' ? seen : undefined;
    });
    assert.equal(status.unit, 'cam-1');
    assert.equal(status.role, 'camera');
    const net = await rig.data<{ manager: string; why: string; epoch: number }>('net');
    assert.equal(net.manager, 'ss-1');
    assert.equal(net.why, 'it answered first');
    const [one] = await rig.data<{ camera: string; state: string; lastFrameAgeMs: number }[]>('camera cam-1');
    assert.equal(one?.state, 'flowing');
    const board = await rig.data<{ id: string; parts: unknown[] }>('board');
    assert.ok(board.parts.length > 0, board.id);
    const identity = await rig.data<{ unit: string; site: string }>('identity');
    assert.deepEqual([identity.unit, identity.site], ['cam-1', 'demo']);
    const log = await rig.data<{ entries: { text: string }[] }>('log -n 50');
    assert.ok(
      log.entries.some(({ text }) => text.startsWith('managed by ss-1')),
      'the log tells of its manager',
    );
    const tested = await rig.data<{ camera: string; frames: number }[]>('capture test');
    assert.ok((tested[0]?.frames ?? 0) > 10, JSON.stringify(tested));
    await rig.data('ptz cam-1 to 5 5');
    await until('it has turned', async () => (await rig.data<{ pan: number }>('ptz')).pan > 4.9);
    await assert.rejects(rig.data('ptz to 500 5'), /USAGE: give pan and tilt in degrees/);
    await assert.rejects(rig.data('tables'), /NOT_FOUND: this unit has no command "tables"/);
    await assert.rejects(rig.data('reboot'), /USAGE: nothing was done Add --yes/);
  });

  test('says of a server its neighbors, tables and cameras', async () => {
    await using rig = await openConsole(network.unit('ss-1').unit.settings);
    const tables = await rig.data<{ server: string; query: { direct: string[] } }>('tables');
    assert.deepEqual([tables.server, tables.query.direct], ['ss-1', ['cam-1']]);
    const cameras = await rig.data<{ camera: string; state: string }[]>('cameras');
    assert.deepEqual(
      cameras.map(({ camera: id, state }) => [id, state]),
      [['cam-1', 'recorded here']],
    );
    assert.equal(levelOf(await rig.status(), 'recording'), 'OK');
    const [, folder] = await rig.data<{ name: string }[]>('files');
    assert.equal(folder?.name, 'cam-1/');
    await assert.rejects(
      rig.caller.pull('../unit.key', () => undefined),
      /there is no/,
    );
    await assert.rejects(
      rig.caller.pull('.starling-volume/../../state.json', () => undefined),
      /there is no/,
    );
  });

  test('a bundle comes whole, and has no secret in it', async () => {
    await using rig = await openConsole(settings);
    const archive = await rig.caller.pull('bundle', () => undefined);
    const file = join(network.folder, 'bundle.tar.gz');
    await writeFile(file, archive);
    const listed = await run('tar', ['tzf', file]);
    const names = listed.stdout
      .trim()
      .split('\n')
      .map((name) => name.split('/')[1]);
    for (const name of [
      'status.txt',
      'unit.yaml',
      'unit-log.txt',
      'camera.json',
      'kernel.txt',
      'machine.json',
    ])
      assert.ok(names.includes(name), `${name} is in ${names.join(' ')}`);
    const { stdout } = await run('tar', ['xzOf', file], { maxBuffer: 16e6, encoding: 'latin1' });
    assert.match(stdout, /managed by ss-1/);
    const folder = network.unit('cam-1').unit.folder;
    for (const name of ['unit.key', 'seal.key']) {
      const words = (await readFile(join(folder, name), 'utf8'))
        .split(/\s+/)
        .filter((word) => word.length > 30);
      assert.ok(words.length > 0, name);
      for (const word of words) assert.ok(!stdout.includes(word), `${name} is in the bundle`);
    }
  });

  test('a change of settings is checked, applied, and the unit is back in the network', async () => {
    await using rig = await openConsole(settings);
    const was = await stat(settings);
    await assert.rejects(
      rig.data('config set camera.cameras.0.frameRate 900'),
      /CONFIG_INVALID: camera\.cameras\[?\.?0\]?\.frameRate: expected 1\.\.60, got 900/,
    );
    const result = await rig.data<{ outcome: string }>('config set camera.cameras.0.frameRate 12 --wait 60');
    assert.equal(result.outcome, 'applied');
    const [one] = await rig.data<{ frameRate: number }[]>('camera');
    assert.equal(one?.frameRate, 12);
    assert.match(await readFile(settings, 'utf8'), /frameRate: 12/);
    const now = await stat(settings);
    assert.deepEqual([now.mode, now.uid], [was.mode, was.uid]);
  });

  test('a change that costs the network is taken back by itself', async () => {
    await using rig = await openConsole(settings);
    const before = await readFile(settings, 'utf8');
    // Nobody can dial it there (RFC 5737).
    await assert.rejects(
      rig.data('config set link.advertise \'["192.0.2.77:9"]\' --wait 8'),
      /UNREACHABLE: taken back: no network within 8 s/,
    );
    assert.equal(await readFile(settings, 'utf8'), before);
    await until(
      'it has its manager again',
      async () => levelOf(await rig.status(), 'manager') === 'OK',
      60_000,
    );
  });

  test('a unit that does not run is told as such, with the reason and the next step', async () => {
    await camera.stop();
    const sound = await readFile(settings, 'utf8');
    await writeFile(settings, sound.replace(/frameRate: 12/, 'frameRate: 1200'));
    {
      await using rig = await openConsole(settings);
      const { checks } = await rig.status();
      const program = checks.find(({ name }) => name === 'program');
      assert.equal(program?.level, 'FAIL');
      assert.match(program?.text ?? '', /frameRate: expected 1\.\.60, got 1200/);
      assert.match(program?.next ?? '', /config set/);
      await assert.rejects(rig.data('camera'), /UNREACHABLE: the unit does not run/);
      await assert.rejects(rig.data('config check'), /CONFIG_INVALID/);
      const archive = await rig.caller.pull('bundle', () => undefined);
      assert.ok(archive.length > 1_000, 'a bundle all the same');
      const result = await rig.data<{ outcome: string }>('config set camera.cameras.0.frameRate 12');
      assert.equal(result.outcome, 'applied, not judged');
      await rig.data('config set camera.cameras.0.source rtsp://admin:s3cret@10.0.0.9/live');
      const { value } = await rig.data<{ value: { password: string } }>('config get camera.cameras.0.source');
      assert.equal(value.password, '[redacted]');
      await rig.data('config set camera.cameras.0.source test');
    }
    // The power goes in the middle of a change: the next console takes it back.
    await writeFile(`${settings}.trial`, `# another-boot 1\n${sound}`);
    await writeFile(settings, sound.replace(/frameRate: 12/, 'frameRate: 13'));
    {
      await using rig = await openConsole(settings);
      assert.equal(
        await rig.data<{ value: number }>('config get camera.cameras.0.frameRate').then((one) => one.value),
        12,
      );
    }
    {
      await using rig = await openConsole(`${settings}.gone`);
      const program = (await rig.status()).checks.find(({ name }) => name === 'program');
      assert.match(program?.text ?? '', /no settings yet/);
      assert.match(program?.next ?? '', /CONFIG/);
    }
    // It cannot start, and leaves word why.
    const key = join(network.unit('cam-1').unit.folder, 'unit.key');
    const kept = await readFile(key, 'utf8');
    await rm(key);
    await assert.rejects(
      run(process.execPath, [bundle, 'run', '--config', settings]),
      /unit\.key is missing/,
    );
    {
      await using rig = await openConsole(settings);
      const program = (await rig.status()).checks.find(({ name }) => name === 'program');
      assert.match(program?.text ?? '', /s ago: .*unit\.key is missing/);
    }
    await writeFile(key, kept, { mode: 0o600 });
  });
});
