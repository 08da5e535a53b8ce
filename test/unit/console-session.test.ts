// A session at the prompt in virtual time: PIN, lock, commands, pager, completion, junk on the line.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { type Frame, FrameScanner, formatFrame } from '../../firmware/console/framed-lines.ts';
import { hashPin, PinGate, verifyPin } from '../../firmware/console/pin.ts';
import { type CommandIo, type ConsoleCommands, ConsoleSession } from '../../firmware/console/session.ts';
import { pinFailuresAt } from '../../firmware/io/pin-failures.ts';
import { until } from '../support/network.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const pin = '4938';
const record = await hashPin(pin);

function rig(options: { readonly pin?: boolean } = {}) {
  const clock = new VirtualClock();
  let seen = '';
  const ran: string[] = [];
  const commands: ConsoleCommands = {
    list: async () => [
      { name: 'status', usage: 'status', summary: '' },
      { name: 'start', usage: 'start', summary: '' },
      { name: 'camera', usage: 'camera [ID]', summary: '', words: ['cam-1', 'cam-2'] },
    ],
    words: () => [],
    run: (line, io) => {
      ran.push([line.name, ...line.args].join(' '));
      return run(line.name, io);
    },
    blob: async () => Buffer.from('blob'),
  };
  const run = async (name: string, io: CommandIo): Promise<{ data: unknown; text?: string }> => {
    if (name === 'long')
      return { data: [], text: Array.from({ length: 50 }, (_, n) => `line ${n}`).join('\n') };
    if (name === 'ask') return { data: await io.ask('Sure? ') };
    if (name === 'wait') {
      await new Promise<void>((resolve) => {
        io.signal.addEventListener('abort', () => resolve());
      });
      return { data: 'broken off' };
    }
    if (name === 'fail') throw new Failure('USAGE', 'it is wrong', { advice: 'Do it right.' });
    return { data: { name, fine: true } };
  };
  const session = new ConsoleSession({
    unit: 'cam-1',
    version: 'v',
    clock,
    output: {
      write: (text) => {
        seen += text;
      },
      drained: async () => undefined,
    },
    gate: new PinGate(clock, options.pin === true ? record : undefined),
    commands,
  });
  session.open('hello');
  return {
    clock,
    ran,
    session,
    seen: () => seen,
    type: (text: string) => session.push(Buffer.from(text, 'latin1')),
    shows: async (text: string) => {
      await until(JSON.stringify(text), () => seen.includes(text));
      seen = seen.slice(seen.indexOf(text) + text.length);
    },
  };
}

describe('the prompt', () => {
  test('runs commands and says what went wrong and what to do', async () => {
    const { type, shows } = rig();
    await shows('cam-1> ');
    type('status\r');
    await shows('status\r\nname  status\r\nfine  yes\r\ncam-1> ');
    type('status --json\r');
    await shows('{\r\n  "name": "status",\r\n  "fine": true\r\n}\r\ncam-1> ');
    type('fail\r');
    await shows('error: it is wrong\r\nDo it right.\r\ncam-1> ');
    type("say 'a\r");
    await shows("a ' is not closed\r\ncam-1> ");
  });

  test('completes names and arguments, and lists what is possible', async () => {
    const { type, shows } = rig();
    await shows('cam-1> ');
    type('sta');
    type('\t');
    await shows('\r\nstart  status\r\ncam-1> sta');
    type('tu\t');
    await shows('s ');
    type('\u0015cam\t');
    await shows('era ');
    type('\t');
    await shows('cam-');
    type('2\t\r');
    await shows('name  camera');
  });

  test('long answers come a page at a time', async () => {
    const { type, shows, seen } = rig();
    type('long\r');
    await shows('line 21\r\n-- more: space, Enter, q --');
    type(' ');
    await shows('line 43\r\n-- more');
    type('q');
    await shows('cam-1> ');
    assert.ok(!seen().includes('line 44'), 'not shown');
  });

  test('Ctrl-C breaks a command off; what is typed meanwhile is not taken for commands', async () => {
    const { type, shows, ran } = rig();
    type('wait\r');
    type('reboot\r');
    type('\u0003');
    await shows('broken off');
    assert.deepEqual(ran, ['wait']);
  });

  test('lines that come at once are not run at once: what follows the first is dropped while it runs', async () => {
    const { type, shows, ran } = rig();
    await shows('cam-1> ');
    type('wait\rstatus\r');
    type('\u0003');
    await shows('broken off\r\ncam-1> ');
    assert.deepEqual(ran, ['wait']);
  });

  test('a command may ask back', async () => {
    const { type, shows } = rig();
    type('ask\r');
    await shows('Sure? ');
    type('yes\r');
    await shows('yes\r\nyes\r\ncam-1> ');
    type('ask\r');
    await shows('Sure? ');
    type('\u0003');
    await shows('cam-1> ');
  });

  test('a lone @ is shown once it is clear that it begins no frame', async () => {
    const { type, shows, clock, seen } = rig();
    await shows('cam-1> ');
    type('@');
    assert.equal(seen(), '');
    clock.advance(300);
    await shows('@');
  });
});

describe('the PIN', () => {
  test('a hash tells the right PIN from wrong ones, and a damaged one lets nobody in', async () => {
    assert.equal(await verifyPin(pin, record), true);
    assert.equal(await verifyPin('4939', record), false);
    for (const damaged of [
      '',
      'x',
      record.slice(0, 40),
      record.replace('scrypt:14', 'scrypt:99'),
      record.slice(2),
    ])
      assert.equal(await verifyPin(pin, damaged), false, damaged);
  });

  test('failures outlive the process, are counted before they are compared, and are forgiven by the right PIN', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-pin-'));
    const clock = new VirtualClock();
    const kept = pinFailuresAt(join(folder, 'console.failures'));
    const start = (): Promise<PinGate> => PinGate.open(clock, record, kept);
    try {
      assert.equal(await (await start()).try('0000'), 'wrong');
      // The power goes while it is compared.
      void (await start()).try('0001');
      await until('it is counted', async () => (await kept.read()) === 2);
      assert.equal(await (await start()).try('0002'), 'wrong');
      const fourth = await start();
      assert.equal(fourth.waitMs(), 10_000);
      assert.deepEqual(await fourth.try(pin), { waitMs: 10_000 });
      clock.advance(10_000);
      assert.equal(await fourth.try('0003'), 'wrong');
      const fifth = await start();
      assert.equal(fifth.waitMs(), 20_000);
      clock.advance(20_000);
      assert.equal(await fifth.try(pin), 'right');
      assert.equal((await start()).waitMs(), 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('opens the prompt, and is never shown', async () => {
    const { type, shows, ran } = rig({ pin: true });
    await shows('cam-1 is locked. PIN: ');
    type('status\r');
    await shows('a PIN has 4 to 12 digits');
    type(`${pin}\r`);
    await shows('****\r\n`help` lists');
    type('status\r');
    await shows('fine  yes');
    assert.deepEqual(ran, ['status']);
  });

  test('three failures are free, then each costs a wait that doubles, for the prompt and for programs alike', async () => {
    const { type, shows, clock } = rig({ pin: true });
    for (const _ of [1, 2, 3]) {
      type('0000\r');
      await shows('wrong PIN');
    }
    await shows('wait 10 s');
    type(`${pin}\r`);
    await shows('wait 10 s');
    clock.advance(9_000);
    type(formatFrame({ kind: 'P', tag: 5, number: 0, payload: Buffer.from(pin) }));
    await shows('@S:p5.0:');
    clock.advance(7_000);
    await shows('PIN: ');
    type('0000\r');
    await shows('wrong PIN');
    await shows('wait 20 s');
    clock.advance(20_001);
    type(`${pin}\r`);
    await shows('`help` lists');
  });

  test('a command that comes together with a wrong PIN is not run', async () => {
    const { type, shows, ran } = rig({ pin: true });
    await shows('PIN: ');
    type('0000\rstatus\rstatus\r');
    await shows('wrong PIN\r\ncam-1 is locked. PIN: ');
    assert.deepEqual(ran, []);
  });

  for (const [what, begin, shown] of [
    ['a page of a long answer', 'long\r', '-- more'],
    ['a question', 'ask\r', 'Sure? '],
    ['a command that goes on for ever', 'wait\r', 'wait\r\n'],
  ] as const)
    test(`nobody finds it open behind ${what}`, async () => {
      const { type, shows, clock, ran } = rig({ pin: true });
      await shows('PIN: ');
      type(`${pin}\r`);
      await shows('cam-1> ');
      type(begin);
      await shows(shown);
      clock.advance(600_000);
      await shows('PIN: ');
      type('status\r');
      await shows('a PIN has 4 to 12 digits');
      assert.deepEqual(ran, [begin.trim()]);
    });

  test('a console that nobody uses locks itself', async () => {
    const { type, shows, clock } = rig({ pin: true });
    type(`${pin}\r`);
    await shows('cam-1> ');
    clock.advance(600_001);
    await shows('locked, as nobody typed');
    await shows('cam-1 is locked. PIN: ');
  });
});

describe('programs on the line', () => {
  const framesIn = (text: string): Frame[] =>
    new FrameScanner()
      .push(Buffer.from(text, 'latin1'))
      .flatMap((found) => ('frame' in found ? [found.frame] : []));

  test('a call that comes again is run once', async () => {
    const { type, seen, ran } = rig();
    const call = formatFrame({ kind: 'C', tag: 9, number: 0, payload: Buffer.from('Lstatus') });
    for (let turn = 0; turn < 5; turn++) type(call);
    await until('an answer', () => framesIn(seen()).some(({ kind }) => kind === 'c'));
    type(call);
    assert.deepEqual(ran, ['status']);
  });

  test('four commands at most are under way, and none of them is forgotten for a new one', async () => {
    const { type, shows, ran } = rig();
    const call = (tag: number, text: string): void =>
      type(formatFrame({ kind: 'C', tag, number: 0, payload: Buffer.from(`L${text}`) }));
    for (const tag of [1, 2, 3, 4]) call(tag, `wait ${tag}`);
    call(5, 'status');
    await shows('@S:x5.0:');
    call(1, 'wait 1');
    await shows('@S:w1.0:');
    assert.deepEqual(ran, ['wait 1', 'wait 2', 'wait 3', 'wait 4']);
  });

  test('a PIN that comes again is one try, and is answered each time', async () => {
    const { type, seen } = rig({ pin: true });
    const verdicts = (tag: number): string[] =>
      framesIn(seen())
        .filter((frame) => frame.kind === 'p' && frame.tag === tag)
        .map(({ payload }) => (JSON.parse(payload.toString()) as { verdict: string }).verdict);
    const wrong = formatFrame({ kind: 'P', tag: 3, number: 0, payload: Buffer.from('0000') });
    for (let turn = 0; turn < 5; turn++) type(wrong);
    await until('an answer', () => verdicts(3).length > 0);
    for (let turn = 0; turn < 3; turn++) type(wrong);
    assert.deepEqual(verdicts(3), ['wrong', 'wrong', 'wrong', 'wrong']);
    type(formatFrame({ kind: 'P', tag: 4, number: 0, payload: Buffer.from(pin) }));
    await until('the right one', () => verdicts(4).includes('right'));
  });

  test('while a program speaks there is neither echo nor prompt, and a prompt afterwards', async () => {
    const { type, seen, shows, clock } = rig();
    await shows('cam-1> ');
    type(formatFrame({ kind: 'H', tag: 1, number: 0, payload: Buffer.alloc(0) }));
    type('junk that lost its frame\r');
    assert.deepEqual(
      framesIn(seen()).map(({ kind }) => kind),
      ['h'],
    );
    assert.ok(!seen().includes('junk'), 'no echo');
    clock.advance(5_001);
    await shows('\r\ncam-1> ');
  });
});
