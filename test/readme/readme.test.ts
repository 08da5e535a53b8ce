/**
 * The README's commands, as they stand there, on a fresh clone in a temporary folder. A command that this file does not
 * know fails the test, so a new one in the README needs a check here.
 */
import assert from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openNoisyLine } from '../support/console-line.ts';
import { run } from '../support/gst.ts';
import { LoopDisk, loopDisksMissing } from '../support/loop-disk.ts';
import { getCameras, until } from '../support/network.ts';
import { assertPlayable } from '../support/recorded-video.ts';

const gibibyte = 1024 ** 3;
/** of the README's examples */
const boards = { camera: 'raspberry-pi-4b', server: 'generic-x86' } as const;
/** How long a demo may take to set up (which compiles), to start, or to end by itself, on a machine with other work. */
const demoMs = 300_000;
const repository = join(import.meta.dirname, '..', '..');

/** Every command in a `sh` block. */
function commandsOf(readme: string): string[] {
  const blocks = [...readme.matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block ?? '');
  return blocks.flatMap((block) => block.trim().split('\n'));
}

describe('the README', () => {
  const commands = commandsOf(readFileSync(join(repository, 'README.md'), 'utf8'));
  const left = new Set(commands);
  let clone = '';

  /** Takes a command off the list of those that nobody has tried. */
  function command(start: string): string {
    const found = commands.find((candidate) => candidate.startsWith(start));
    assert(found, `the README has no command that begins with ${start}`);
    left.delete(found);
    return found;
  }

  function start(line: string, input: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    return spawn('bash', ['--norc', '-c', `exec ${line}`], { cwd: clone, stdio: [input, 'pipe', 'pipe'] });
  }

  async function finish(line: string): Promise<{ stdout: string; stderr: string; code: number | null }> {
    const { stdout, stderr, code } = await run('bash', ['--norc', '-c', `cd ${clone} && ${line}`]);
    return { stdout: stdout.toString(), stderr, code };
  }

  before(async () => {
    clone = join(await mkdtemp(join(tmpdir(), 'starling-readme-')), 'starling');
    const { code, stderr } = await run('git', ['clone', '--quiet', repository, clone]);
    assert.equal(code, 0, stderr);
  });

  after(async () => {
    // Without its path this would be everybody's processes.
    if (clone === '') return;
    // A test that has failed in the middle of a demo must not leave a network behind.
    for (const pid of unitsOf(clone)) end(pid);
    await until('no process is left', () => unitsOf(clone).length === 0);
    await rm(join(clone, '..'), { recursive: true, force: true });
  });

  test('sets up, builds and runs a network with one command, and Ctrl-C ends it without a trace', async () => {
    await using demo = new Demo(clone, `${command('npm start')} -- --port 18400`);
    const open = /Open (http:\/\/127\.0\.0\.1:\d+) to watch/;
    await demo.until('the address is printed', () => open.test(demo.said));
    const url = open.exec(demo.said)?.[1] ?? '';
    await demo.until('there are four cameras', async () => (await getCameras(url)).length === 4);
    const pids = unitsOf(clone);
    assert(pids.length >= 7, `${pids.length} processes`);
    kill(command('pkill -9 -f '), pids);
    await demo.until('all cameras are managed by servers that live', async () => {
      const cameras = await getCameras(url);
      return cameras.every(({ manager, state }) => manager !== 'ss-2' && state === 'online');
    });
    const leave = await finish(
      `STARLING_SERVER=http://127.0.0.1:18402 ${command('node dist/starling.mjs leave')}`,
    );
    assert.equal(leave.code, 0, leave.stderr);
    assert.match(leave.stderr, /ss-3 has left/);
    await demo.until('all cameras are managed by servers that have not left', async () => {
      const cameras = await getCameras(url);
      return cameras.every(({ manager, state }) => manager !== 'ss-3' && state === 'online');
    });
    demo.interrupt();
    await demo.ended();
    await until('no process is left', () => unitsOf(clone).length === 0);
  });

  test('leaves playable recordings in a folder of one’s choice, and asks them by command line', async () => {
    const line = `${command('npm start -- --servers 2')} --port 18500`;
    // The README's 30 s are short for so many commands on a machine with other work: this demo goes on until they are done.
    await using demo = new Demo(clone, `${line} --seconds 3600`);
    const url = 'http://127.0.0.1:18500';
    await demo.until('both cameras are recorded', async () => {
      const cameras = await getCameras(url);
      return cameras.length === 2 && cameras.every(({ durableThrough }) => durableThrough !== null);
    });
    /** Asks the first server; what the command printed. */
    const ask = async (line: string): Promise<string> => {
      const answer = await finish(`STARLING_SERVER=${url} ${line}`);
      assert.equal(
        answer.code,
        0,
        `${line}: exit code ${answer.code}, ${answer.stdout}${answer.stderr}; the demo: ${demo.said}`,
      );
      return answer.stdout;
    };
    const recordings = command('node dist/starling.mjs recordings');
    await demo.until('ten seconds are recorded', async () => {
      const { segments } = JSON.parse(await ask(`${recordings} --json`)) as {
        segments: { from: string; to: string }[];
      };
      const [first] = segments;
      return first !== undefined && Date.parse(first.to) - Date.parse(first.from) > 10_000;
    });
    await ask(recordings);
    assert.match(await ask(command('node dist/starling.mjs status')), /ss-1/);
    assert.match(await ask(command('node dist/starling.mjs cameras')), /cam-1[^]*cam-2/);
    const tables = await ask(command('node dist/starling.mjs tables'));
    assert.match(tables, /^Table 1[^]*ss-2[^]*^Table 2[^]*cam-1[^]*^Table 3/m);
    // A server that waits long for the processor is suspected for a while, and its cameras may move.
    const neighbors = command('node dist/starling.mjs neighbors');
    await demo.until('ss-2 is alive', async () => /^ss-2 .* alive /m.test(await ask(neighbors)));
    const where = command('node dist/starling.mjs where');
    await demo.until('it is managed', async () => /^manager +ss-[12]$/m.test(await ask(where)));
    assert.match(await ask(command('node dist/starling.mjs log')), /^\S+Z info +\S/m);
    await ask(command('node dist/starling.mjs export'));
    await assertPlayable(join(clone, 'clip.mp4'));
    await ask(command('node dist/starling.mjs protect'));
    assert.match(await ask(command('node dist/starling.mjs stream')), /800[^]*10/);
    await ask(command('node dist/starling.mjs ptz cam-1 --pan'));
    assert.match(await ask(command('node dist/starling.mjs ptz cam-1 --save')), /gate/);
    const address = (await ask(command('node dist/starling.mjs watch'))).trim();
    assert.equal((await fetch(address)).status, 200, address);
    demo.interrupt();
    await demo.ended();

    // Another run in the same folder, as it stands in the README, ends without being asked.
    await using second = new Demo(clone, line);
    await second.ended();
    const files = readdirSync(join(clone, 'demo'), { recursive: true }).map(String);
    for (const camera of ['cam-1', 'cam-2']) {
      const recorded = files.filter(
        (file) => file.includes(`recordings/${camera}/`) && file.endsWith('.mp4'),
      );
      assert(recorded.length > 0, `${camera} is recorded`);
      for (const file of recorded) await assertPlayable(join(clone, 'demo', file));
    }
    // Each camera is with the server that answered it first; both may be with the one that the README does not name.
    const check = command('node dist/starling.mjs check');
    let checked = '';
    for (const server of ['ss-1', 'ss-2']) checked += await ask(check.replace('ss-1', server));
    assert.match(checked, /cam-1/);
    assert.match(checked, /cam-2/);
  });

  test('explains every command', async () => {
    const help = await finish(command('node dist/starling.mjs --help'));
    assert.equal(help.code, 0);
    for (const name of [
      'demo',
      'run',
      'status',
      'cameras',
      'recordings',
      'export',
      'protect',
      'stream',
      'check',
      'tables',
      'neighbors',
      'where',
      'log',
      'leave',
      'site',
      'users',
      'tokens',
      'audit',
      'ptz',
      'watch',
      'completion',
    ]) {
      assert.match(help.stdout, new RegExp(`^  ${name} `, 'm'));
    }
  });

  test('makes a site and runs its units', async () => {
    for (const step of [
      'site init',
      'site enroll ./home --unit server-1',
      'site enroll ./home --unit cam-1',
    ]) {
      const { code, stderr } = await finish(command(`node dist/starling.mjs ${step}`));
      assert.equal(code, 0, stderr);
    }
    const list = await finish(command('node dist/starling.mjs site list'));
    assert.match(list.stdout, /server-1[^]*cam-1|cam-1[^]*server-1/);
    // Somebody's server may run on this machine already.
    appendFileSync(join(clone, 'home', 'units', 'server-1', 'unit.yaml'), 'server: { http: { port: 0 } }\n');
    const unit = start(command('node dist/starling.mjs run'));
    const index = join(clone, 'home', 'units', 'server-1', 'data', 'index');
    let said = '';
    unit.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until('the server is up', () => {
      assert.equal(unit.exitCode, null, said);
      return said.includes('server server-1: page http://127.0.0.1:');
    });
    assert(existsSync(index));
    const users = await finish(command('node dist/starling.mjs users'));
    assert.match(users.stdout, /^admin .*admin/m, users.stderr);
    unit.kill('SIGTERM');
    await until('it stops cleanly', () => unit.exitCode === 0);
    const second = await finish(command('node dist/starling.mjs site enroll ./home --unit server-2'));
    assert.equal(second.code, 0, second.stderr);
    assert(existsSync(join(clone, 'home', 'units', 'server-2', 'page.crt')));
    const ca = await finish(command('node dist/starling.mjs site ca'));
    assert.match(ca.stdout, /-----BEGIN CERTIFICATE-----/);
  });

  test('makes images and flashes them', { skip: loopDisksMissing() }, async () => {
    const enroll = '--site ./home';
    for (const [role, unit] of [
      ['camera', 'door'],
      ['server', 'server-3'],
    ] as const) {
      const image = command(`npm run image -- --board ${boards[role]} --role ${role}`);
      const flash = command(`npm run flash -- --image artefacts/images/${boards[role]}-${role}.img`);
      assert(flash.includes(`--unit ${unit} ${enroll}`), flash);
      // A camera's root has GStreamer in it and takes minutes where none is kept; `npm run test:board` makes one, too.
      if (role === 'camera' && process.env['CI'] !== undefined) continue;
      // The tests of boards boot images of the virtual board, whose roots are kept: others are made the same way.
      const made = await finish(image.replace(boards[role], 'virtual'));
      assert.equal(made.code, 0, made.stderr);
      using card = new LoopDisk(6 * gibibyte);
      const line = flash.replace(boards[role], 'virtual').replace('/dev/sdX', card.device);
      const flashed = await finish(`${line} --yes`);
      assert.equal(flashed.code, 0, flashed.stderr);
      assert.match(flashed.stdout, new RegExp(`${card.device} is unit ${unit}`));
    }
  });

  test('opens the console of a unit over a serial line', async () => {
    await using line = await openNoisyLine({ share: 0, seed: 1 });
    const settings = join(clone, 'home', 'units', 'server-1', 'unit.yaml');
    const unit = start(`node dist/starling.mjs console-tty --tty ${line.unit} --config ${settings}`);
    const ask = (start: string) => finish(command(start).replace('/dev/ttyUSB0', line.bench));
    const status = await ask('npm run console -- /dev/ttyUSB0 status');
    assert.match(status.stdout, /server-1[^]*not running/, status.stderr);
    const bundle = await ask('npm run console -- /dev/ttyUSB0 pull bundle');
    assert.equal(bundle.code, 0, bundle.stderr);
    const interactive = command('npm run console -- /dev/ttyUSB0').replace('/dev/ttyUSB0', line.bench);
    const terminal = start(interactive, 'pipe');
    let said = '';
    terminal.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until('the prompt', () => said.includes('server-1> '), 60_000);
    const ctrlBracket = '\u001d';
    terminal.stdin?.write(ctrlBracket);
    await until('it has ended', () => terminal.exitCode === 0);
    unit.kill('SIGTERM');
    await until('so has the other end', () => unit.exitCode !== null || unit.signalCode !== null);
  });

  test('runs networks in virtual time', async () => {
    const sim = await finish(command('npm run sim'));
    assert.equal(sim.code, 0, sim.stdout + sim.stderr);
    assert.match(sim.stdout, /^20 passed, 0 failed$/m);
  });

  test('prints a table of figures', async () => {
    // On a machine with other work its figures may be doubtful, and say so; that something was lost fails it.
    const bench = await finish(`${command('npm run bench')} -- --quick`);
    assert.equal(bench.code, 0, bench.stderr);
    assert.match(bench.stdout, /^capture to display in Chromium, p50 +\d/m);
  });

  test('names only commands that are tried here or run this test', () => {
    // This very test runs under `npm test`.
    assert(left.delete('npm test'));
    assert.match(readFileSync(join(clone, '.ci', 'run'), 'utf8'), /^exec npm test$/m);
    assert.deepEqual([...left], []);
  });
});

/** A demo that runs, and what it says: whoever waits for it in vain is told that. */
class Demo implements AsyncDisposable {
  private readonly child: ChildProcess;
  /** all that it has printed */
  said = '';

  constructor(folder: string, line: string) {
    // A group of its own, so that nothing of it is left when it is not wanted any more.
    this.child = spawn('bash', ['--norc', '-c', `exec ${line}`], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.said += chunk.toString()));
  }

  /** Exit code or signal; null while it runs. */
  private get end(): number | string | null {
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** As Ctrl-C does. */
  interrupt(): void {
    this.child.kill('SIGINT');
  }

  /** Waits until `probe` says true; fails when the demo ends before that. */
  async until(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
    await this.wait(what, () => this.end !== null || probe());
    assert.equal(this.end, null, `the demo has ended before ${what}; it said: ${this.said}`);
  }

  /** Waits until it has ended, which must be with exit code 0. */
  async ended(): Promise<void> {
    await this.wait('the demo has ended', () => this.end !== null);
    assert.equal(this.end, 0, `the demo said: ${this.said}`);
  }

  /** Ends what a test that has failed left running: the next one may need its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.end !== null || this.child.pid === undefined) return;
    process.kill(-this.child.pid, 'SIGKILL');
    await this.wait('the demo is killed', () => this.end !== null);
  }

  private async wait(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
    try {
      await until(what, probe, demoMs);
    } catch (error) {
      assert.fail(`${String(error)}; the demo said: ${this.said}`);
    }
  }
}

/** Processes of this clone's bundle. */
function unitsOf(clone: string): string[] {
  const bundle = join(clone, 'dist', 'starling.mjs');
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && commandLine(entry).includes(bundle));
}

/** Empty when there is no such process. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** What `pkill -9 -f PATTERN` does, but to these processes only: other demos may run on this machine. */
function kill(pkill: string, pids: readonly string[]): void {
  const pattern = new RegExp(/^pkill -9 -f (\S+)$/.exec(pkill)?.[1] ?? assert.fail(pkill));
  const [victim, ...others] = pids.filter((pid) => pattern.test(commandLine(pid)));
  assert(victim !== undefined && others.length === 0, `${pkill} ends one process, not ${1 + others.length}`);
  end(victim);
}

function end(pid: string): void {
  try {
    process.kill(Number(pid), 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
