// The field console over real ptys with noise on the line between them: the bench's own client against a session.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Failure } from '../../firmware/base/failure.ts';
import { hashPin, PinGate } from '../../firmware/console/pin.ts';
import { type ConsoleCommands, ConsoleSession } from '../../firmware/console/session.ts';
import { openConsoleTty } from '../../firmware/io/console-tty.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { BenchCaller, BenchError } from '../../scripts/console/bench-caller.ts';
import { baudDefault, openBenchLine } from '../../scripts/console/bench-line.ts';
import { openNoisyLine, randomOf } from '../support/console-line.ts';
import { until } from '../support/network.ts';

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));
console.log(
  `seed ${seed}; replay: SEED=${seed} node --import tsx --test test/integration/console-line.test.ts`,
);
const kernel = '\r\n[   61.204713] usb 1-1.3: reset high-speed USB device number 4\r\n';

const megabyte = Buffer.from(
  Array.from(
    { length: 1_000_000 },
    (
      (random) => () =>
        Math.floor(random() * 256)
    )(randomOf(seed)),
  ),
);

const commands: ConsoleCommands = {
  list: async () => [{ name: 'echo', usage: 'echo WORDS', summary: 'says them' }],
  words: () => [],
  run: async ({ name, args }) => {
    if (name !== 'echo') throw new Failure('NOT_FOUND', `no command ${name}`, { advice: 'Say echo.' });
    return { data: args, text: args.join(' ') };
  },
  blob: async (name) => {
    if (name === 'bundle') return megabyte;
    throw new Failure('NOT_FOUND', `no ${name}`, { advice: 'Pull bundle.' });
  },
};

/** A session on one end, a caller on the other. */
async function openLine(noise: { share: number; kernel?: string }, pin?: string) {
  const line = await openNoisyLine({ ...noise, seed });
  const tty = await openConsoleTty(line.unit, baudDefault);
  const record = pin === undefined ? undefined : await hashPin(pin);
  const session = new ConsoleSession({
    unit: 'cam-1',
    version: 'test',
    clock: systemClock,
    output: tty,
    gate: new PinGate(systemClock, record),
    commands,
  });
  tty.onData((bytes) => session.push(bytes));
  session.open('hello');
  const bench = await openBenchLine(line.bench, baudDefault);
  return {
    line,
    bench,
    caller: new BenchCaller(bench),
    async [Symbol.asyncDispose]() {
      session.close();
      await bench.close();
      tty[Symbol.dispose]();
      await line[Symbol.asyncDispose]();
    },
  };
}

describe('the field console over a serial line', () => {
  test('a megabyte is pulled byte for byte through 1 % noise and the kernel’s messages', async () => {
    await using rig = await openLine({ share: 0.01, kernel });
    const startMs = performance.now();
    let broken = 0;
    const blob = await rig.caller.pull('bundle', (progress) => {
      broken = progress.broken;
    });
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    assert.equal(hash(blob), hash(megabyte));
    assert.ok(broken > 1_000, `the line was noisy: ${broken} broken lines`);
    const seconds = (performance.now() - startMs) / 1000;
    const up = rig.line.bytesUp();
    console.log(
      `1 MB at 1 % noise: ${seconds.toFixed(1)} s, ${up} bytes on the line (${((up / baudDefault) * 10).toFixed(0)} s at 115200), ${broken} broken lines`,
    );
  });

  test('on a clean line the base64 is nearly all there is', async () => {
    await using rig = await openLine({ share: 0 });
    const blob = await rig.caller.pull('bundle', () => undefined);
    assert.equal(Buffer.compare(blob, megabyte), 0);
    const up = rig.line.bytesUp();
    assert.ok(up < 1.5 * megabyte.length, `${up} bytes for ${megabyte.length}`);
    console.log(
      `1 MB without noise: ${up} bytes on the line (${((up / baudDefault) * 10).toFixed(0)} s at 115200)`,
    );
  });

  test('commands are answered through 1 % noise, failures too', async () => {
    await using rig = await openLine({ share: 0.01, kernel });
    for (let turn = 0; turn < 5; turn++) {
      const answer = await rig.caller.call(`echo ${turn} 'two words'`);
      assert.deepEqual(answer, { ok: true, data: [String(turn), 'two words'], text: `${turn} two words` });
    }
    const wrong = await rig.caller.call('moo');
    assert.deepEqual(wrong, { ok: false, code: 'NOT_FOUND', message: 'no command moo', advice: 'Say echo.' });
    await assert.rejects(
      rig.caller.pull('secrets', () => undefined),
      /no secrets\. Pull bundle/,
    );
  });

  test('a locked console answers nothing but the PIN', async () => {
    await using rig = await openLine({ share: 0 }, '493817');
    const { locked, unit } = await rig.caller.hello();
    assert.deepEqual({ locked, unit }, { locked: true, unit: 'cam-1' });
    const isLocked = (thrown: unknown): boolean => thrown instanceof BenchError && thrown.kind === 'locked';
    await assert.rejects(rig.caller.call('echo a'), isLocked);
    await assert.rejects(
      rig.caller.pull('bundle', () => undefined),
      isLocked,
    );
    await assert.rejects(rig.caller.unlock('0000'), isLocked);
    await rig.caller.unlock('493817');
    assert.equal((await rig.caller.call('echo a')).ok, true);
    await rig.caller.bye();
    assert.equal((await rig.caller.hello()).locked, true, 'locked again when the bench is done');
  });

  test('a person gets an echo, the answer and a prompt; and again after a program was there', async () => {
    await using rig = await openLine({ share: 0 });
    let seen = '';
    rig.bench.onData((bytes) => {
      seen += bytes.toString('latin1');
    });
    await rig.bench.write('ec\t1 2\r');
    await until('the answer', () => seen.includes('cam-1> echo 1 2\r\n1 2\r\ncam-1> '));
    await rig.caller.call('echo x');
    await rig.caller.bye();
    seen = '';
    await rig.bench.write('\r');
    await until('a prompt', () => seen.includes('\r\ncam-1> '));
  });

  test('the bench’s command: one-shot, JSON, pull, interactive; its exit codes', {
    timeout: 120_000,
  }, async () => {
    await using rig = await openLine({ share: 0 }, '493817');
    const device = rig.line.bench;
    // One program at a time has the port.
    await rig.bench.close();
    const bench = (...args: string[]) =>
      promisify(execFile)(process.execPath, ['--import', 'tsx', 'scripts/console.ts', device, ...args]);
    const failed = async (...args: string[]) =>
      bench(...args).then(
        () => assert.fail('it went well'),
        (error: { code: number; stderr: string }) => error,
      );
    assert.equal((await bench('--pin', '493817', 'echo', 'two words', 'x')).stdout, 'two words x\n');
    assert.equal((await bench('echo', 'a', '--json', '--pin', '493817')).stdout, '[\n  "a"\n]\n');
    const wrong = await failed('echo', '--pin', '0000');
    assert.deepEqual([wrong.code, wrong.stderr], [4, 'error: the PIN is wrong\n']);
    assert.equal((await failed('echo')).code, 4);
    const moo = await failed('moo', '--pin', '493817');
    assert.deepEqual([moo.code, moo.stderr], [1, 'error: no command moo\nSay echo.\n']);
    assert.equal((await failed('--baud')).code, 2);
    const file = `${device}.blob`;
    const pulled = await bench('pull', 'bundle', '-o', file, '--json', '--pin', '493817');
    const { bytes, sha256 } = JSON.parse(pulled.stdout) as { bytes: number; sha256: string };
    assert.equal(bytes, megabyte.length);
    assert.equal(sha256, createHash('sha256').update(megabyte).digest('hex'));
    assert.equal(Buffer.compare(await readFile(file), megabyte), 0);
    const talking = bench();
    const { stdin } = talking.child;
    let seen = '';
    talking.child.stdout?.on('data', (text: string) => {
      seen += text;
    });
    await until('the question for the PIN', () => seen.includes('cam-1 is locked. PIN: '));
    stdin?.write('493817\r');
    await until('the prompt', () => seen.endsWith('cam-1> '));
    stdin?.write('echo hi\r');
    await until('the answer', () => seen.endsWith('echo hi\r\nhi\r\ncam-1> '));
    stdin?.write('\u001d');
    await talking;
  });

  test('a silent line is told as such', { timeout: 60_000 }, async () => {
    const line = await openNoisyLine({ share: 0, seed });
    const bench = await openBenchLine(line.bench, baudDefault);
    const caller = new BenchCaller(bench);
    await assert.rejects(caller.hello(500), /no answer on this line: is it the right port/);
    await bench.close();
    await line[Symbol.asyncDispose]();
  });
});
