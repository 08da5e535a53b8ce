/** Finding the board's chips, on recorded trees of sysfs: what a kernel numbers them says nothing. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GpioConfig } from '../../firmware/config/gpio-section.ts';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';
import { findGpioChip, findPwmChip } from '../../firmware/gpio/chip-lookup.ts';
import { wiringOf } from '../../firmware/gpio/wiring.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';
import { readGpioChips, readPwmChips } from '../../firmware/io/gpio-chips.ts';
import { sysfsAt } from '../../firmware/io/sysfs.ts';
import { sysfsFolder, sysfsTrees, treeOf } from '../support/sysfs-trees.ts';

const boards = await loadBoards('boards');
const boardOf = (id: string) => boards.find((board) => board.id === id);

for (const tree of sysfsTrees) {
  test(`${tree.board} with kernel ${tree.kernel}: line 18 has number ${tree.headerBase + 18}`, () => {
    using folder = sysfsFolder(tree);
    const board = boardOf(tree.board);
    assert.ok(board?.gpio !== undefined, `${tree.board} has a GPIO chip`);
    const chip = findGpioChip(readGpioChips(folder.sysfs) ?? [], board.gpio);
    assert.ok(chip.ok, chip.ok ? '' : chip.reason);
    assert.deepEqual([chip.value.base, chip.value.lineCount], [tree.headerBase, board.gpio.lineCount]);
    if (board.pwm === undefined) return;
    const pwm = findPwmChip(readPwmChips(folder.sysfs), board.pwm);
    assert.equal(pwm.ok ? pwm.value.name : undefined, tree.servoChip);
  });
}

test('another chip of the same kind, or one that is damaged, is never taken for the board’s', () => {
  using folder = sysfsFolder(treeOf('6.12', 'raspberry-pi-5'));
  const chips = readGpioChips(folder.sysfs) ?? [];
  const wanted = { chipLabel: 'pinctrl-rp1', lineCount: 54 };
  const reasonOf = (result: { ok: boolean; reason?: string }) => (result.ok ? 'found' : result.reason);
  assert.equal(
    reasonOf(findGpioChip(chips, { ...wanted, lineCount: 28 })),
    'the GPIO chip pinctrl-rp1 has 54 lines, the board says 28',
  );
  assert.match(
    reasonOf(findGpioChip(chips, { chipLabel: 'pinctrl-bcm2835', lineCount: 54 })) ?? '',
    /^there is no GPIO chip pinctrl-bcm2835 \(there are: .*pinctrl-rp1/,
  );
  assert.equal(
    reasonOf(findPwmChip(readPwmChips(folder.sysfs), { device: '1f00098000.pwm', channelCount: 2 })),
    'the PWM chip 1f00098000.pwm has 4 channels, the board says 2',
  );
  writeFileSync(join(folder.root, 'class/gpio/gpiochip569/base'), 'garbage\n');
  mkdirSync(join(folder.root, 'class/gpio/gpiochip900'));
  mkdirSync(join(folder.root, 'class/gpio/chip0'));
  assert.equal(readGpioChips(folder.sysfs)?.length, 4);
});

test('a kernel without GPIO in sysfs is not one without chips', () => {
  const root = mkdtempSync(join(tmpdir(), 'starling-sysfs-'));
  assert.equal(readGpioChips(sysfsAt(root)), undefined);
  assert.deepEqual(readPwmChips(sysfsAt(root)), []);
  mkdirSync(join(root, 'class/gpio'), { recursive: true });
  writeFileSync(join(root, 'class/gpio/export'), '');
  assert.deepEqual(readGpioChips(sysfsAt(root)), []);
  rmSync(root, { recursive: true });
});

function gpioIn(gpio: string, mount = 'none'): GpioConfig {
  const cameras = `[{ id: c, mount: { kind: ${mount} } }]`;
  const yaml = `{ unit: u, role: camera, site: { name: s }, camera: { cameras: ${cameras}, gpio: ${gpio} } }`;
  const config = parseUnitConfig(yaml, '/');
  assert.equal(config.role, 'camera');
  return config.role === 'camera' ? config.camera.gpio : (undefined as never);
}

test('only what unit.yaml names is connected, where the board has it or where it says', () => {
  const pi = boardOf('raspberry-pi-4b');
  assert.ok(pi !== undefined, 'the board is there');
  assert.deepEqual(wiringOf(gpioIn('{}'), pi), { ok: true, value: undefined });
  const own = wiringOf(gpioIn('{ pir: true, button: { line: 23, activeLow: true } }'), pi);
  assert.ok(own.ok && own.value !== undefined, 'wired');
  assert.deepEqual(
    [own.value.chip, own.value.pir, own.value.button, own.value.tallyLed, own.value.servos],
    [pi.gpio, pi.pir, { line: 23, activeLow: true }, undefined, {}],
  );
  const reasons: Readonly<Record<string, string>> = {
    '{ pir: { line: 58 } }': 'there is no line 58: the GPIO chip has 0 to 57',
    '{ pir: { line: 4 }, button: { line: 4 } }': 'line 4 is used twice',
  };
  for (const [text, reason] of Object.entries(reasons))
    assert.deepEqual(wiringOf(gpioIn(text), pi), { ok: false, reason });
  const virtual = boardOf('virtual');
  const missing = wiringOf(gpioIn('{ pir: true, tallyLed: true }'), virtual);
  assert.match(missing.ok ? '' : missing.reason, /no place of its own for pir, tallyLed/);
  const unknown = wiringOf(gpioIn('{ pir: { line: 1 } }'), virtual);
  assert.match(unknown.ok ? '' : unknown.reason, /no GPIO chip that is known/);
});

test('servos that turn nobody, or somebody else, are refused', () => {
  const problem = (task: () => unknown): string => {
    try {
      task();
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(
    problem(() => gpioIn('{}', 'servo')),
    /mount.kind: expected servos in camera.gpio/,
  );
  assert.match(
    problem(() => gpioIn('{ camera: other }')),
    /gpio.camera: expected one of the cameras of this unit/,
  );
  assert.match(
    problem(() => gpioIn('{ pir: 4 }')),
    /gpio.pir: expected true, for where the board has it/,
  );
  assert.equal(
    problem(() => gpioIn('{ servos: true }', 'servo')),
    '',
  );
});
