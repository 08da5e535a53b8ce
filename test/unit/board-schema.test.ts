/** The boards there are, and that a bad board.yaml is refused with a line that says what is wrong with it. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { Failure } from '../../firmware/base/failure.ts';
import { parseBoard } from '../../firmware/boards/board-document.ts';
import type { Board, BoardDocument } from '../../firmware/boards/board-schema.ts';
import { findBoardsFolder, loadBoards } from '../../firmware/io/board-files.ts';

const folder = join(import.meta.dirname, '..', '..', 'boards');
const expected = [
  'generic-x86',
  'odroid-hc4',
  'qemu-virt-arm64',
  'raspberry-pi-4b',
  'raspberry-pi-5',
  'raspberry-pi-zero-2w',
  'virtual',
];

let boards: Board[] = [];
before(async () => {
  boards = await loadBoards(folder);
});

function boardOf(id: string): Board {
  const board = boards.find((one) => one.id === id);
  assert(board !== undefined, `no board ${id}`);
  return board;
}

describe('the boards of this program', () => {
  test('are all there, valid, found from where the program runs, and explained', async () => {
    assert.deepEqual(
      boards.map(({ id }) => id),
      expected,
    );
    assert.equal(await findBoardsFolder(), folder);
    for (const { id } of boards) {
      const text = await readFile(join(folder, id, 'README.md'), 'utf8');
      assert(text.startsWith('# '), `${id} has a README with a heading`);
    }
  });

  test('no two of them are recognised by the same name, and one stands for everything', () => {
    const names = boards.flatMap(({ compatible }) => compatible);
    assert.deepEqual(names, [...new Set(names)]);
    const stands = boards.filter(({ standsFor }) => standsFor !== 'itself').map(({ id }) => id);
    assert.deepEqual(stands, ['generic-x86', 'virtual']);
  });

  test('have an image each, whose files are there', async () => {
    for (const { id, image } of boards) {
      assert(image !== undefined, `${id} has an image`);
      const files = await readdir(join(folder, id));
      const missing = image.firmwareFiles.filter(
        ({ source, package: inPackage }) => inPackage === undefined && !files.includes(source),
      );
      assert.deepEqual(missing, [], `${id}: files that board.yaml names`);
    }
  });

  test('a camera board says how it captures; the wiring in its README names its own lines', async () => {
    for (const { id, roles, capture, servos, endStops, pir, button, tallyLed } of boards) {
      if (roles.includes('camera')) assert(capture !== undefined, `${id} says how it captures`);
      const text = await readFile(join(folder, id, 'README.md'), 'utf8');
      const parts = [servos?.pan, servos?.tilt, servos?.power, pir, button, tallyLed, ...endStops];
      for (const part of parts) {
        if (part === undefined) continue;
        assert.match(text, new RegExp(`\\b(GPIO|line )${part.line}\\b`), `${id} shows line ${part.line}`);
      }
    }
  });

  test('those with a header of the Raspberry Pi are wired alike, so that a mount can be moved', () => {
    const wiring = ({ servos, endStops, pir, button, tallyLed }: Board) => ({
      servos,
      endStops,
      pir,
      button,
      tallyLed,
    });
    const pi = wiring(boardOf('raspberry-pi-4b'));
    assert.deepEqual(wiring(boardOf('raspberry-pi-5')), pi);
    assert.deepEqual(wiring(boardOf('raspberry-pi-zero-2w')), pi);
  });
});

/** A small sound board, changed. */
function textOf(change: (board: Record<string, unknown>) => void): string {
  const board: Record<string, unknown> = {
    id: 'one',
    name: 'One',
    compatible: ['maker,one'],
    roles: ['camera'],
    architecture: 'arm64',
    rtc: false,
    gpio: { chipLabel: 'pinctrl-one', lineCount: 8 },
    pwm: { device: 'fe20c000.pwm', channelCount: 2 },
    servos: { pan: { line: 0, channel: 0 } },
  } satisfies BoardDocument;
  change(board);
  return stringify(board);
}

const bad: [what: string, change: (board: Record<string, unknown>) => void, problem: RegExp][] = [
  [
    'a board that is not called like its folder',
    (b) => (b['id'] = 'two'),
    /id: expected one, the name of its/,
  ],
  ['a word that nobody knows', (b) => (b['gpoi'] = {}), /gpoi: unknown setting, did you mean gpio\?/],
  ['a line that the chip has not', (b) => (b['pir'] = { line: 8 }), /pir\.line: expected 0\.\.7, got 8/],
  [
    'a line that two parts share',
    (b) => (b['button'] = { line: 0 }),
    /button\.line: expected a line that servos\.pan/,
  ],
  ['lines without a chip', (b) => delete b['gpio'], /servos\.pan\.line: expected no line, since/],
  ['a channel without a chip', (b) => delete b['pwm'], /servos\.pan\.channel: expected no channel, since/],
  [
    'a channel that the chip has not',
    (b) => (b['servos'] = { pan: { line: 0, channel: 2 } }),
    /servos\.pan\.channel: expected 0\.\.1/,
  ],
  ['a board that nothing recognises', (b) => delete b['compatible'], /compatible: expected a name by which/],
  ['a role that there is not', (b) => (b['roles'] = ['viewer']), /roles\[0\]: expected camera or server/],
  [
    'an encoder that there is not',
    (b) => (b['capture'] = { source: 'test', encoder: 'nvh264enc' }),
    /capture\.encoder: expected v4l2h264enc or x264enc/,
  ],
  [
    'a level that is a number',
    (b) => (b['capture'] = { source: 'test', encoder: 'x264enc', level: 4 }),
    /capture\.level: expected a level of H\.264, such as "4"/,
  ],
  [
    'pipeline text in a name',
    (b) => (b['capture'] = { source: 'test', encoder: 'x264enc', audio: { device: 'hw:0 ! filesink' } }),
    /capture\.audio\.device: expected a word/,
  ],
  [
    'a console that is no device',
    (b) => (b['console'] = { path: '/etc/passwd' }),
    /console\.path: expected the path of a device/,
  ],
  [
    'a kernel command line with a quote',
    (b) =>
      (b['image'] = {
        apt: [{ uri: 'http://deb.debian.org/debian', suite: 'trixie', components: ['main'] }],
        kernel: 'linux-image-arm64',
        bootloader: 'direct',
        cmdline: 'console="tty1"',
      }),
    /image\.cmdline: expected words of a kernel command line/,
  ],
  ['neither yes nor no', (b) => (b['rtc'] = 'maybe'), /rtc: expected true or false, got "maybe"/],
];

describe('a bad board.yaml', () => {
  for (const [what, change, problem] of bad) {
    test(`with ${what} is refused, and the line says what was expected`, () => {
      assert.doesNotThrow(() =>
        parseBoard(
          textOf(() => undefined),
          'one',
        ),
      );
      assert.throws(
        () => parseBoard(textOf(change), 'one'),
        (thrown: unknown) => {
          assert(thrown instanceof Failure && thrown.code === 'CONFIG_INVALID', String(thrown));
          assert.match(thrown.message, problem);
          for (const line of thrown.message.split('\n')) assert.match(line, /^boards\/one\/board\.yaml: /);
          return true;
        },
      );
    });
  }

  test('never does anything but be refused, whatever is in it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        refusedOrRead(text);
      }),
    );
  });

  test('that was sound but for one value is read, or refused with a reason', async () => {
    const text = await readFile(join(folder, 'raspberry-pi-4b', 'board.yaml'), 'utf8');
    const paths = pathsIn(parse(text));
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.anything({ maxDepth: 1 }), (path, value) => {
        const document = parse(text) as unknown;
        replace(document, path, value);
        let changed: string;
        try {
          changed = stringify(document);
        } catch {
          return; // a value that YAML has no text for
        }
        refusedOrRead(changed);
      }),
      { numRuns: 300 },
    );
  });
});

function refusedOrRead(text: string): void {
  try {
    parseBoard(text, 'raspberry-pi-4b');
  } catch (thrown) {
    assert(thrown instanceof Failure && thrown.code === 'CONFIG_INVALID', String(thrown));
    assert(thrown.message.length > 0 && thrown.message.split('\n').length <= 51);
  }
}

type Path = readonly (string | number)[];

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((item, place) => [place, item])
    : Object.entries(value);
  return [
    ...(path.length === 0 ? [] : [path]),
    ...entries.flatMap(([key, item]) => pathsIn(item, [...path, key])),
  ];
}

function replace(document: unknown, path: Path, value: unknown): void {
  const parent = path.slice(0, -1).reduce((at, key) => (at as Record<PropertyKey, unknown>)[key], document);
  (parent as Record<PropertyKey, unknown>)[path.at(-1) ?? ''] = value;
}
