/** Which board a machine is, from the bytes of its device tree as real machines give them. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type BoardFacts, pathsOf, reportParts } from '../../firmware/boards/board-parts.ts';
import type { Board } from '../../firmware/boards/board-schema.ts';
import { type MachineFacts, parseCompatible, recogniseBoard } from '../../firmware/boards/recognition.ts';
import { cmaOf, readBoardFacts, readMachineFacts } from '../../firmware/io/board-facts.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';

const folder = join(import.meta.dirname, '..', '..', 'boards');
let boards: Board[] = [];
before(async () => {
  boards = await loadBoards(folder);
});

/** /proc/device-tree/compatible, as these machines have it. */
const trees: [board: string, bytes: string][] = [
  ['raspberry-pi-zero-2w', 'raspberrypi,model-zero-2-w\0brcm,bcm2837\0'],
  ['raspberry-pi-4b', 'raspberrypi,4-model-b\0brcm,bcm2711\0'],
  ['raspberry-pi-5', 'raspberrypi,5-model-b\0brcm,bcm2712\0'],
  ['odroid-hc4', 'hardkernel,odroid-hc4\0amlogic,sm1\0'],
  ['qemu-virt-arm64', 'linux,dummy-virt\0'],
];

function facts(change: Partial<MachineFacts>): MachineFacts {
  return { compatible: [], architecture: 'arm64', imageBoard: undefined, ...change };
}

describe('a machine is recognised', () => {
  for (const [board, bytes] of trees) {
    test(`as ${board} by its device tree, whatever image it was started from`, () => {
      const compatible = parseCompatible(Buffer.from(bytes, 'latin1'));
      const found = recogniseBoard(boards, facts({ compatible, imageBoard: 'generic-x86' }), 'auto');
      assert.deepEqual([found?.board.id, found?.by], [board, 'device tree']);
    });
  }

  const others: [machine: string, Partial<MachineFacts>, board: string, by: string][] = [
    ['a PC', { architecture: 'amd64' }, 'generic-x86', 'architecture'],
    [
      'a PC with the image of a virtual machine',
      { architecture: 'amd64', imageBoard: 'virtual' },
      'virtual',
      'image',
    ],
    [
      'a board nobody knows',
      { compatible: ['pine64,rockpro64', 'rockchip,rk3399'] },
      'virtual',
      'nothing else fits',
    ],
    ['a machine of another kind', { architecture: 'riscv64' }, 'virtual', 'nothing else fits'],
    [
      'an image that names no board',
      { architecture: 'amd64', imageBoard: 'none-such' },
      'generic-x86',
      'architecture',
    ],
  ];
  for (const [machine, change, board, by] of others) {
    test(`as ${board}: ${machine}`, () => {
      const found = recogniseBoard(boards, facts(change), 'auto');
      assert.deepEqual([found?.board.id, found?.by], [board, by]);
    });
  }

  test('by its setting before everything else; a name that there is not is refused with those there are', () => {
    const found = recogniseBoard(boards, facts({ compatible: ['raspberrypi,5-model-b'] }), 'odroid-hc4');
    assert.deepEqual([found?.board.id, found?.by], ['odroid-hc4', 'setting']);
    assert.throws(() => recogniseBoard(boards, facts({}), 'raspberry-pi-6'), {
      code: 'CONFIG_INVALID',
      message: 'board: there is no board raspberry-pi-6',
      advice: /auto or one of: generic-x86, odroid-hc4/,
    });
  });

  test('not at all where no board is known', () => {
    assert.equal(recogniseBoard([], facts({}), 'auto'), undefined);
  });

  test('the most exact name counts, in whatever order the boards come', () => {
    const family = boards
      .filter(({ id }) => id === 'raspberry-pi-4b')
      .map((board): Board => ({ ...board, id: 'family', compatible: ['brcm,bcm2711'] }));
    const names = { compatible: ['raspberrypi,4-model-b', 'brcm,bcm2711'] };
    for (const order of [
      [...family, ...boards],
      [...boards, ...family],
    ])
      assert.equal(recogniseBoard(order, facts(names), 'auto')?.board.id, 'raspberry-pi-4b');
  });

  test('whatever bytes a device tree has, names come out that can be printed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4_096 }), (bytes) => {
        const names = parseCompatible(bytes);
        assert(names.length <= 32);
        for (const name of names) assert.match(name, /^[\x21-\x7e]{1,128}$/);
      }),
    );
  });
});

/** The files of a Pi 5, kernel 6.12 of the maker: what of it this program looks at. */
const pi5: Record<string, string> = {
  'proc/device-tree/compatible': 'raspberrypi,5-model-b\0brcm,bcm2712\0',
  'proc/meminfo': 'MemTotal:        8256768 kB\nCmaTotal:          65536 kB\nCmaFree:           57308 kB\n',
  'sys/class/gpio/gpiochip512/label': 'gpio-brcmstb@107d508500\n',
  'sys/class/gpio/gpiochip512/ngpio': '32\n',
  'sys/class/gpio/gpiochip571/label': 'pinctrl-rp1\n',
  'sys/class/gpio/gpiochip571/ngpio': '54\n',
  'sys/class/gpio/export': '',
  'sys/class/pwm/pwmchip0/npwm': '4\n',
  'sys/class/leds/ACT/brightness': '0\n',
  'sys/class/leds/PWR/brightness': '1\n',
  'sys/class/hwmon/hwmon0/name': 'cpu_thermal\n',
  'sys/class/hwmon/hwmon2/name': 'pwmfan\n',
  'sys/class/net/eth0/address': '',
  'sys/class/net/wlan0/address': '',
  'sys/class/rtc/rtc0/name': '',
  'dev/ttyAMA0': '',
  'dev/ttyAMA10': '',
  'dev/watchdog0': '',
  'dev/video0': '',
  'dev/mmcblk0': '',
  'dev/disk/by-label/data': '',
};

describe('what of a board is there', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'starling-machine-'));
    for (const [path, text] of Object.entries(pi5)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    await symlink('../../../1f00098000.pwm', join(root, 'sys/class/pwm/pwmchip0/device'));
  });
  after(() => rm(root, { recursive: true }));

  async function seen(board: Board): Promise<BoardFacts> {
    return {
      ...(await readBoardFacts(pathsOf(board), [], root)),
      elements: ['libcamerasrc', 'videoconvert', 'x264enc'],
    };
  }

  test('is read from its files: of a Pi 5 with all parts, nothing is missing', async () => {
    const machine = await readMachineFacts(undefined, root);
    const { board } = recogniseBoard(boards, machine, 'auto') ?? {};
    assert(board !== undefined, 'it is recognised');
    assert.equal(board.id, 'raspberry-pi-5');
    const parts = reportParts(board, await seen(board));
    assert.deepEqual(
      parts.filter(({ found }) => !found),
      [],
    );
    assert(parts.length >= 13, `${parts.length} parts were looked for`);
  });

  test('a part that is missing is told with what to do, and what is there instead', async () => {
    const board = boards.find(({ id }) => id === 'raspberry-pi-4b') as Board;
    const missing = reportParts(board, await seen(board)).filter(({ found }) => !found);
    const hints = new Map(missing.map(({ part, hint }) => [part, hint]));
    assert.deepEqual([...hints.keys()], ['converter', 'encoder', 'gpio', 'pwm']);
    assert.match(hints.get('gpio') ?? '', /there: gpio-brcmstb@107d508500, pinctrl-rp1/);
    assert.match(hints.get('encoder') ?? '', /bcm2835-codec/);
    assert.match(hints.get('pwm') ?? '', /dtoverlay=pwm-2chan/);
  });

  test('a chip with other lines than the board has is not taken for it', async () => {
    const board = boards.find(({ id }) => id === 'raspberry-pi-5') as Board;
    const there = await seen(board);
    const gpioChips = [{ label: 'pinctrl-rp1', lineCount: 28 }];
    const gpio = reportParts(board, { ...there, gpioChips }).find(({ part }) => part === 'gpio');
    assert.equal(gpio?.found, false);
    assert.match(gpio.hint, /28 lines/);
  });

  test('a server is not asked for a camera, nor a camera for disks to record on', async () => {
    const board = boards.find(({ id }) => id === 'generic-x86') as Board;
    const there = await seen(board);
    const parts = (role: 'camera' | 'server'): string[] =>
      reportParts(board, there, role).map(({ part, expected }) => `${part} ${expected}`);
    assert(!parts('server').some((part) => part.startsWith('encoder')));
    assert(parts('server').includes('partition starling-1'));
    assert(!parts('camera').includes('partition starling-1'));
  });

  test('memory for pictures is read where the kernel keeps some apart', () => {
    assert.deepEqual(cmaOf('CmaTotal:         262144 kB\nCmaFree:          131072 kB\n'), {
      totalMb: 256,
      freeMb: 128,
    });
    assert.equal(cmaOf('MemTotal:        8256768 kB\nCmaTotal:              0 kB\n'), undefined);
    assert.equal(cmaOf(''), undefined);
  });

  test('a machine that shows nothing has nothing, and nothing throws', async () => {
    for (const board of boards) {
      const there = await readBoardFacts(pathsOf(board), [], join(root, 'nothing'));
      const parts = reportParts(board, { ...there, elements: undefined });
      assert(parts.every(({ found }) => !found));
      assert(parts.every(({ hint }) => hint !== ''));
    }
  });
});
