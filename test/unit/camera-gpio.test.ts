/** What a camera unit makes of its lines: on recorded trees of sysfs, with simulated lines. Whatever is wrong, it goes on. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';
import type { LineWiring, OutputLine } from '../../firmware/gpio/lines.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';
import { type Sysfs, sysfsAt } from '../../firmware/io/sysfs.ts';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import type { Position } from '../../firmware/ptz/position.ts';
import { openCameraGpio } from '../../firmware/roles/camera-gpio.ts';
import { UnitSteering } from '../../firmware/roles/unit-steering.ts';
import { SimulatedLines } from '../support/simulated-lines.ts';
import { sysfsFolder, treeOf } from '../support/sysfs-trees.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const boards = await loadBoards('boards');
const pi = boards.find(({ id }) => id === 'raspberry-pi-5');

const everything = '{ servos: true, endStops: true, pir: true, button: true, tallyLed: true }';
const mounted = '{ kind: servo, pan: [-90, 30], tilt: [0, 0], zoomMax: 2, degreesPerSecond: 30 }';

function cameraSettings(gpio: string, mount = '{}') {
  const cameras = `[{ id: door, mount: ${mount} }, { id: yard }]`;
  const yaml = `{ unit: u, role: camera, site: { name: s }, camera: { cameras: ${cameras}, gpio: ${gpio} } }`;
  const config = parseUnitConfig(yaml, '/');
  assert.ok(config.role === 'camera', 'a camera unit');
  return config.camera;
}

async function unit(sysfs: Sysfs, { gpio = everything, lines = new SimulatedLines(), board = pi } = {}) {
  const clock = new VirtualClock();
  const log: string[] = [];
  const sent: PacketBody<'cam-event'>[] = [];
  const bases: number[] = [];
  const { cameras, gpio: config } = cameraSettings(gpio, gpio.includes('servos') ? mounted : '{}');
  // Pull-ups at the switches to ground.
  for (const line of [5, 6, 19, 26, 27]) lines.drive(line, true);
  const opened = await openCameraGpio({
    config,
    camera: 'door',
    board,
    program: '/dev/null',
    clock,
    log: (level, message) => void log.push(`${level} ${message}`),
    sysfs,
    openLines: async (base) => {
      bases.push(base);
      return lines;
    },
    utcUs: (ms) => 1_000_000_000 + ms * 1_000,
    send: (body) => void sent.push(body),
  });
  return { clock, log, sent, bases, lines, cameras, gpio: opened };
}

/** PWM files that take everything, as the kernel's do. */
function withChannels(root: Sysfs): Sysfs & { readonly written: string[] } {
  const written: string[] = [];
  return {
    ...root,
    written,
    read: (file) => (file.includes('/pwm/') && file.includes('duty') ? '0' : root.read(file)),
    write: (file, text) => void written.push(`${file.split('/').slice(-2).join('/')}=${text}`),
  };
}

test('on a Raspberry Pi 5 everything is found, whatever the kernel calls it, and the kernel’s PWM turns the servos', async () => {
  for (const kernel of ['6.1', '6.6', '6.12']) {
    const tree = treeOf(kernel, 'raspberry-pi-5');
    using folder = sysfsFolder(tree);
    const sysfs = withChannels(folder.sysfs);
    const it = await unit(sysfs);
    assert.deepEqual(it.bases, [tree.headerBase]);
    assert.match(
      it.log.join('\n'),
      new RegExp(`^info GPIO: pinctrl-rp1 is gpiochip${tree.headerBase}.*kernel PWM$`),
    );
    const { lines, fault, servoDriver } = it.gpio.report();
    assert.deepEqual([fault, servoDriver, lines.length], [undefined, 'kernel PWM', 10]);
    assert.deepEqual(
      lines.find(({ part }) => part === 'pir'),
      { part: 'pir', line: 17, number: tree.headerBase + 17 },
    );
    it.gpio.turns?.drive.aim('pan', 0);
    assert.deepEqual(sysfs.written.slice(-2), ['pwm0/duty_cycle=1500000', 'pwm0/enable=1']);
    it.gpio[Symbol.dispose]();
  }
});

test('without a PWM chip bursts turn the servos, and the log says so; where PWM is demanded, nothing does', async () => {
  using folder = sysfsFolder({ ...treeOf('6.12', 'raspberry-pi-5'), pwm: {} });
  const it = await unit(folder.sysfs);
  assert.equal(it.gpio.report().servoDriver, 'onoff burst');
  assert.match(it.log[0] ?? '', /^warn servos: there is no PWM chip 1f00098000.pwm .* less steadily$/);
  it.gpio[Symbol.dispose]();
  const strict = await unit(folder.sysfs, { gpio: '{ servoDriver: pwm, servos: true, tallyLed: true }' });
  assert.deepEqual([strict.gpio.turns, strict.log.length], [undefined, 1]);
  assert.match(strict.log[0] ?? '', /^warn GPIO is off: there is no PWM chip/);
});

test('PWM channels are given back when the servos cannot be had after all', async () => {
  const tree = treeOf('6.12', 'raspberry-pi-5');
  using folder = sysfsFolder(tree);
  const sysfs = withChannels(folder.sysfs);
  const busy = new SimulatedLines();
  busy.output({ line: 16, activeLow: false });
  const it = await unit(sysfs, { lines: busy });
  assert.match(it.log[0] ?? '', /GPIO line 16 is in use/);
  assert.deepEqual(
    sysfs.written.filter((one) => one.includes('unexport')).map((one) => one.slice(-10)),
    ['unexport=0', 'unexport=1'],
  );

  const half = withChannels(folder.sysfs);
  const other = await unit({
    ...half,
    write: (file, text) => {
      if (file.includes('pwm1/')) throw new Error('EBUSY');
      half.write(file, text);
    },
  });
  assert.equal(other.gpio.report().servoDriver, 'onoff burst');
  assert.ok(
    half.written.some((one) => one.endsWith('unexport=0')),
    half.written.join(),
  );
  other.gpio[Symbol.dispose]();
});

test('a line that cannot be given back keeps no other one', async () => {
  const tree = treeOf('6.12', 'raspberry-pi-5');
  using folder = sysfsFolder(tree);
  const sysfs = withChannels(folder.sysfs);
  class Stuck extends SimulatedLines {
    override output(wiring: LineWiring): OutputLine {
      const line = super.output(wiring);
      const stuck = (): void => assert.fail('EIO');
      return wiring.line === 16 ? { ...line, [Symbol.dispose]: stuck } : line;
    }
  }
  const lines = new Stuck();
  const it = await unit(sysfs, { lines });
  assert.equal(lines.level(22), true);
  it.gpio[Symbol.dispose]();
  assert.equal(lines.level(22), false, 'the tally light');
  assert.equal(sysfs.written.filter((one) => one.includes('unexport')).length, 2);
  assert.match(it.log.at(-1) ?? '', /^warn GPIO: EIO/);
});

test('servos that are told anything after the unit has ended get no power', async () => {
  const tree = treeOf('6.12', 'raspberry-pi-5');
  using folder = sysfsFolder({ ...tree, pwm: {} });
  const lines = new SimulatedLines();
  const it = await unit(folder.sysfs, { lines });
  const drive = it.gpio.turns?.drive;
  drive?.aim('pan', 0);
  assert.equal(lines.level(16), true);
  it.gpio[Symbol.dispose]();
  drive?.aim('pan', 10);
  drive?.rest('pan');
  assert.equal(it.clock.pending, 0, 'nothing is switched later on, on a line that is nobody’s');
  assert.equal(lines.level(16), false);
});

test('a kernel without GPIO, a board without the chip, a line that is taken: one line in the log, and no more', async () => {
  const nothing = sysfsAt(mkdtempSync(join(tmpdir(), 'starling-sysfs-')));
  using other = sysfsFolder(treeOf('6.6', 'raspberry-pi-4b'));
  using folder = sysfsFolder(treeOf('6.6', 'raspberry-pi-5'));
  const busy = new SimulatedLines();
  busy.output({ line: 17, activeLow: false });
  for (const [sysfs, lines, reason] of [
    [nothing, new SimulatedLines(), /this kernel shows no GPIO/],
    [other.sysfs, new SimulatedLines(), /there is no GPIO chip pinctrl-rp1/],
    [folder.sysfs, busy, /GPIO line 17 is in use/],
  ] as const) {
    const it = await unit(sysfs, { lines });
    assert.equal(it.log.length, 1);
    assert.match(it.log[0] ?? '', reason);
    assert.match(it.gpio.report().fault ?? '', reason);
    assert.equal(it.gpio.turns, undefined);
    // Nothing of what is asked of it afterwards fails.
    it.gpio.managed();
    it.gpio.flowing('door', true);
    it.gpio.lost();
    it.gpio.followEndStops(() => assert.fail('nothing is heard'));
    it.gpio[Symbol.dispose]();
  }
  // What could be opened before the line that is taken was given back.
  assert.ok(busy.output({ line: 5, activeLow: false }), 'line 5 is free');
  const quiet = await unit(nothing, { gpio: '{}' });
  assert.deepEqual([quiet.log, quiet.gpio.report().fault], [[], undefined]);
});

test('sensors tell the manager, the light shows what the unit does, end stops are known before anybody asks', async () => {
  using folder = sysfsFolder({ ...treeOf('6.12', 'raspberry-pi-5'), pwm: {} });
  const lines = new SimulatedLines();
  const it = await unit(folder.sysfs, { gpio: '{ endStops: true, pir: true, tallyLed: true }', lines });
  const ends: string[] = [];
  lines.drive(6, false);
  it.gpio.followEndStops((axis, side, hit) => ends.push(`${axis} ${side} ${hit}`));
  lines.drive(5, false);
  assert.deepEqual(ends, ['pan max true', 'pan min true']);
  assert.equal(lines.level(22), true, 'it blinks at first');
  it.clock.advance(500);
  assert.equal(lines.level(22), false);
  it.gpio.managed();
  assert.equal(lines.level(22), false, 'no pictures yet');
  it.gpio.flowing('yard', true);
  assert.equal(lines.level(22), false, 'those of another camera are not shown');
  it.gpio.flowing('door', true);
  assert.equal(lines.level(22), true);
  assert.deepEqual(it.sent.at(-1)?.kinds, ['motion', 'end-stop']);
  it.gpio.confirmed({ ...(it.sent.at(-1) as PacketBody<'cam-event'>), reply: true });
  lines.drive(17, true);
  it.clock.advance(100);
  assert.deepEqual(
    it.sent.at(-1)?.events.map(({ kind, fromUs }) => [kind, fromUs]),
    [['motion', 1_000_500_000]],
  );
  it.gpio[Symbol.dispose]();
  assert.equal(lines.level(22), false);
});

function steering(servos: ConstructorParameters<typeof UnitSteering>[0]['servos']) {
  const clock = new VirtualClock();
  const aimed: Position[] = [];
  const { cameras } = cameraSettings(everything, mounted);
  const unitSteering = new UnitSteering({
    cameras,
    clock,
    kept: new Map(),
    keep: () => undefined,
    servos,
    aim: (_camera, position) => void aimed.push(position),
    tell: () => undefined,
  });
  const wish = (verb: 'to' | 'ask', pan?: number) => {
    const nothing = { tilt: undefined, zoom: undefined, velocity: undefined, preset: undefined };
    const body = {
      request: 1,
      camera: 'door',
      refusal: '',
      position: undefined,
      moving: false,
      mount: undefined,
    };
    return unitSteering.wish({ ...body, wish: { verb, pan, ...nothing } });
  };
  return { clock, steering: unitSteering, wish };
}

test('a mount of kind servo turns as far as unit.yaml and its servos allow; without servos it zooms, and no more', () => {
  const moved: number[] = [];
  const drive = {
    reach: (axis: string) => (axis === 'pan' ? 45 : undefined),
    aim: (_axis: string, degrees: number) => void moved.push(degrees),
    rest: () => undefined,
  };
  const with1 = steering({ camera: 'door', drive });
  const { mount } = with1.wish('ask');
  assert.deepEqual([mount?.pan, mount?.tilt, mount?.zoomMax], [{ min: -45, max: 30 }, undefined, 2]);
  with1.wish('to', 90);
  with1.clock.advance(5_000);
  assert.equal(moved.at(-1), 30);
  const without = steering(undefined).wish('ask').mount;
  assert.deepEqual([without?.pan, without?.tilt, without?.zoomMax], [undefined, undefined, 2]);
});

test('what moves when the last manager is lost stands still, and an end stop reaches the mount', () => {
  const drive = { reach: () => 45, aim: () => undefined, rest: () => undefined };
  const it = steering({ camera: 'door', drive });
  it.wish('to', -45);
  it.clock.advance(700);
  it.steering.unmanaged();
  const { position, moving } = it.wish('ask');
  assert.ok((position?.pan ?? 0) < -10 && (position?.pan ?? 0) > -30, `${position?.pan}`);
  it.clock.advance(5_000);
  assert.deepEqual([it.wish('ask').position, moving], [position, false]);
  it.wish('to', 30);
  it.clock.advance(300);
  it.steering.endStop('pan', 'max', true);
  const stopped = it.wish('ask').position;
  it.clock.advance(5_000);
  assert.deepEqual(it.wish('ask').position, stopped);
});
