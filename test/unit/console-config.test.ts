// Words, completion, one setting of a unit.yaml, and the control socket that a console asks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import { bootKey, startUnlessUsed } from '../../firmware/cli/console/boot-key.ts';
import {
  parseSettingPath,
  settingAt,
  settingNames,
  withSetting,
} from '../../firmware/cli/console/config-text.ts';
import { CommandTable, worstLevel } from '../../firmware/console/command-table.ts';
import { parseCommandLine, quoteWord, splitWords } from '../../firmware/console/command-words.ts';
import { complete } from '../../firmware/console/completion.ts';
import { askControl, openControlSocket } from '../../firmware/io/control-socket.ts';
import { serverChoice } from '../../firmware/overlay/server-choice.ts';
import { parseSteerArguments } from '../../firmware/roles/steer-arguments.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('words', () => {
  test('whatever a word is, quoted it comes back as one', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary-ascii' }), { minLength: 1 }), (words) => {
        const line = splitWords(words.map(quoteWord).join(' '));
        assert.deepEqual(line, { ok: true, value: words });
      }),
    );
  });

  test('--json may stand anywhere', () => {
    const line = parseCommandLine('log --json -n 5');
    assert.deepEqual(line, { ok: true, value: { name: 'log', args: ['-n', '5'], json: true } });
  });

  test('completion never takes away what was typed', () => {
    const commands = [
      { name: 'camera', usage: '', summary: '', words: ['cam-1', 'cam two'] },
      { name: 'cameras', usage: '', summary: '' },
    ];
    assert.deepEqual(
      complete('cam', commands, () => []),
      { insert: 'era', choices: ['camera', 'cameras'] },
    );
    assert.deepEqual(
      complete('camera cam-', commands, () => []),
      { insert: '1 ', choices: [] },
    );
    assert.deepEqual(
      complete('moo x', commands, () => []),
      { insert: '', choices: [] },
    );
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary-ascii' }),
        (text) => void complete(text, commands, () => ['a', 'b']),
      ),
    );
  });
});

describe('one setting of a unit.yaml', () => {
  const text =
    '# the door\nunit: cam-1\ncamera:\n  cameras:\n    - id: cam-1 # north\n      frameRate: 10 # slow\n';

  test('is changed where it stands; comments stay', () => {
    const changed = withSetting(text, parseSettingPath('camera.cameras.0.frameRate'), '15');
    assert.equal(changed, text.replace('10 #', '15 #'));
    const added = withSetting(text, parseSettingPath('link.host'), "'::'");
    assert.match(added, /^# the door\n[\s\S]*# slow\nlink:\n {2}host: (::|"::")\n$/);
    assert.equal(withSetting(added, parseSettingPath('link'), undefined), text);
    assert.match(withSetting(text, parseSettingPath('link.advertise'), '["a:1"]'), /advertise:\n +- a:1\n$/);
  });

  test('a path that is none, and a value that is no YAML, are refused', () => {
    for (const path of ['', '.', 'a..b', 'a b', '__proto__.x'.repeat(9), 'a'.repeat(70)])
      assert.throws(() => parseSettingPath(path), Failure, path);
    assert.throws(() => withSetting(text, ['unit'], '[1,'), /no YAML/);
    assert.throws(() => withSetting(text, ['unit', 'x'], '1'), /no place for unit\.x/);
    assert.throws(() => withSetting('a: [', ['unit'], '1'), /damaged/);
  });

  test('is found by its path, and not by what every object has', () => {
    const settings = { a: [{ b: 1 }], c: 'x' };
    assert.equal(settingAt(settings, parseSettingPath('a.0.b')), 1);
    assert.equal(settingAt(settings, parseSettingPath('a.0.constructor')), undefined);
    assert.deepEqual(settingNames(settings), ['a.0.b', 'c']);
  });
});

test('ptz takes angles, presets and the one camera there is', () => {
  const nothing = {
    pan: undefined,
    tilt: undefined,
    zoom: undefined,
    velocity: undefined,
    preset: undefined,
  };
  assert.deepEqual(parseSteerArguments(['to', '10', '-5'], ['cam-1']), {
    camera: 'cam-1',
    wish: { ...nothing, verb: 'to', pan: 10, tilt: -5 },
  });
  assert.deepEqual(parseSteerArguments(['cam-2', 'home'], ['cam-1', 'cam-2']).wish, {
    ...nothing,
    verb: 'recall',
    preset: 'home',
  });
  for (const words of [['to', '10'], ['to', 'x', '1'], ['to', '1', '1', '99'], ['go'], ['spin']])
    assert.throws(() => parseSteerArguments(words, ['cam-1']), Failure, words.join(' '));
  assert.throws(() => parseSteerArguments(['home'], ['cam-1', 'cam-2']), /name the camera: cam-1, cam-2/);
});

test('why a unit has its manager', () => {
  const chosen = { server: 'ss-2', epoch: 4, leaseMs: 1500, heardAt: 7 };
  const offers = [{ server: 'ss-3' }, { server: 'ss-1' }, { server: 'ss-3' }, { server: 'ss-2' }];
  const why = (before: string | undefined, moved: boolean): string =>
    serverChoice(chosen, { offers, before, moved }).why;
  assert.equal(why(undefined, false), 'it answered first');
  assert.equal(why('ss-2', false), 'it was the manager before');
  assert.equal(why('ss-1', true), 'the manager before handed the cameras over');
  assert.deepEqual(serverChoice(chosen, { offers, before: undefined, moved: false }).others, [
    'ss-3',
    'ss-1',
  ]);
});

describe('the control socket', () => {
  const table = new CommandTable();
  table.add({
    name: 'echo',
    usage: 'echo',
    summary: '',
    run: async (args) => {
      if (args[0] === 'bug') throw new Error('oops');
      return { data: args };
    },
  });

  async function withSocket(use: (path: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-control-'));
    const path = join(folder, 'control.sock');
    try {
      await using _socket = await openControlSocket(path, (name, args) => table.run(name, args));
      await use(path);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  test('answers its own user alone, and says what is wrong', () =>
    withSocket(async (path) => {
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.deepEqual(await askControl(path, { command: 'echo', args: ['a'] }), { data: ['a'] });
      await assert.rejects(
        askControl(path, { command: 'moo', args: [] }),
        (thrown: Failure) => thrown.code === 'NOT_FOUND',
      );
      await assert.rejects(askControl(path, { command: 'echo', args: ['bug'] }), /oops/);
    }));

  test('a second unit does not take it from the first; what a killed one left is replaced', () =>
    withSocket(async (path) => {
      const second = openControlSocket(path, async () => ({ data: 2 }));
      await assert.rejects(second, (thrown: Failure) => thrown.code === 'PORT_IN_USE');
      const left = `${path}.left`;
      const script = `require('net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
      spawnSync(process.execPath, ['-e', script]);
      assert.equal((await stat(left)).isSocket(), true);
      await using _third = await openControlSocket(left, async () => ({ data: 3 }));
      assert.deepEqual(await askControl(left, { command: 'x', args: [] }), { data: 3 });
      const file = `${path}.file`;
      await writeFile(file, 'precious');
      await assert.rejects(
        openControlSocket(file, async () => ({ data: 4 })),
        /it is no socket/,
      );
      assert.equal(await readFile(file, 'utf8'), 'precious');
      await assert.rejects(
        openControlSocket(`/${'x'.repeat(120)}`, async () => ({ data: 2 })),
        /too long/,
      );
    }));

  test('hostile lines are answered or end the connection, and it goes on', () =>
    withSocket(async (path) => {
      for (const line of ['{', 'null', '{"command":1}', '{"command":"echo","args":[{}]}', '\u0000']) {
        const answer = await new Promise<string>((resolve, reject) => {
          const socket = connect(path, () => socket.write(`${line}\n`));
          socket.once('data', (bytes) => {
            resolve(bytes.toString());
            socket.destroy();
          });
          socket.once('error', reject);
        });
        assert.match(answer, /"ok":(false|true)/, line);
      }
      await new Promise<void>((resolve) => {
        const socket = connect(path, () => socket.write('x'.repeat(200_000)));
        socket.once('close', () => resolve());
        socket.on('error', () => undefined);
      });
      assert.deepEqual(await askControl(path, { command: 'echo', args: [] }), { data: [] });
    }));

  test('no unit there is told as such', async () => {
    await assert.rejects(
      askControl('/nowhere/control.sock', { command: 'status', args: [] }),
      (thrown: Failure) => thrown.code === 'UNREACHABLE' && /does not run/.test(thrown.message),
    );
  });
});

test('a check that throws is one failed line of status', () => {
  const table = new CommandTable();
  table.addChecks(() => [{ name: 'a', level: 'OK', text: 'fine' }]);
  table.addChecks(() => {
    throw new Error('broken');
  });
  assert.deepEqual(
    table.checks().map(({ level, text }) => [level, text]),
    [
      ['OK', 'fine'],
      ['FAIL', 'a check failed: broken'],
    ],
  );
  assert.equal(worstLevel(table.checks()), 'FAIL');
});

test('a key within the time at boot holds the unit back; none, and it starts', async () => {
  for (const pressed of [true, false]) {
    const clock = new VirtualClock();
    let shown = '';
    const { key, done } = bootKey({ seconds: 3, clock, write: (text) => (shown += text) });
    assert.match(shown, /Press Enter within 3 s/);
    clock.advance(2_999);
    if (pressed) key();
    clock.advance(2);
    key();
    assert.equal(await done, pressed);
  }
});

test('a unit that noise held back starts when nobody gives a command; one that a person holds back does not', async () => {
  for (const used of [false, true]) {
    const clock = new VirtualClock();
    let starts = 0;
    let shown = '';
    startUnlessUsed({
      clock,
      used: () => used,
      start: async () => {
        starts += 1;
        throw new Failure('NOT_FOUND', 'no systemd', { advice: '' });
      },
      write: (text) => (shown += text),
    });
    clock.advance(599_999);
    assert.equal(starts, 0);
    clock.advance(1);
    assert.equal(starts, used ? 0 : 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(shown.includes('it does not start: no systemd'), !used);
  }
});
