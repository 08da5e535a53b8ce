/** What a technician gets at the field console about lines and servos. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { CommandTable } from '../../firmware/console/command-table.ts';
import { ServoRig } from '../../firmware/gpio/servo-rig.ts';
import type { CameraGpio, GpioReport } from '../../firmware/roles/camera-gpio.ts';
import { addGpioConsole } from '../../firmware/roles/gpio-console.ts';
import type { MountAxis } from '../../firmware/roles/unit-steering.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const sound: GpioReport = {
  fault: undefined,
  chip: { name: 'gpiochip512', label: 'pinctrl-bcm2711', base: 512, lineCount: 58 },
  lines: [{ part: 'pir', line: 17, number: 529 }],
  servoDriver: 'fake',
  eventsWaiting: 2,
};

function scene(report: GpioReport = sound, hasServos = true, axis: MountAxis = { at: 20, range: [-50, 50] }) {
  const clock = new VirtualClock();
  const pulses: string[] = [];
  const ends: string[] = [];
  const driver = {
    name: 'fake',
    holds: false,
    aim: (axis: string, us: number) => void pulses.push(`${axis} ${Math.round(us)}`),
    rest: (axis: string) => void pulses.push(`${axis} rests`),
    [Symbol.dispose]: () => undefined,
  };
  const servos = { pan: { minUs: 1_000, maxUs: 2_000, degrees: 100, reversed: false } };
  const drive = new ServoRig({ clock, driver, servos, power: undefined });
  const gpio = {
    report: () => report,
    endsHit: () => ends,
    turns: hasServos ? { camera: 'door', drive } : undefined,
  } as unknown as CameraGpio;
  const commands = new CommandTable();
  addGpioConsole(commands, { gpio, clock, axisOf: () => axis });
  return { clock, pulses, ends, commands };
}

/** Lets time pass until the answer is there. */
async function ask({ commands, clock }: ReturnType<typeof scene>, name: string, ...args: string[]) {
  let over = false;
  const answer = commands.run(name, args).finally(() => {
    over = true;
  });
  answer.catch(() => undefined);
  for (let step = 0; step < 1_000 && !over; step++) {
    clock.advance(20);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return (await answer).data as Record<string, unknown>;
}

test('`gpio` says which chip was found, what is on which line, and its number in sysfs', async () => {
  const it = scene();
  const data = await ask(it, 'gpio');
  assert.deepEqual(data, {
    state: 'on',
    chip: 'pinctrl-bcm2711 (gpiochip512, 58 lines)',
    servoDriver: 'fake',
    eventsWaiting: 2,
    lines: [{ part: 'pir', line: 17, sysfs: 529 }],
  });
  assert.deepEqual(
    it.commands.checks().map(({ level, text }) => [level, text]),
    [['OK', '1 line, 2 events wait for a server']],
  );
});

test('what is wrong with the lines is a warning of `status` that says why', async () => {
  const off = scene({ ...sound, fault: 'there is no GPIO chip x', chip: undefined, lines: [] }, false);
  assert.deepEqual(
    off.commands.checks().map(({ level, text }) => [level, text]),
    [['WARN', 'off: there is no GPIO chip x']],
  );
  const nothing = scene({ ...sound, lines: [] });
  assert.deepEqual(nothing.commands.checks(), []);
  await assert.rejects(
    ask(off, 'servo', 'test'),
    (error: Failure) => error.message === 'there is no GPIO chip x',
  );
});

test('`servo test` turns the servo to and fro about where it is, and back', async () => {
  const it = scene();
  assert.deepEqual(await ask(it, 'servo', 'test'), { turned: ['pan'], driver: 'fake', degrees: 10 });
  const distinct = it.pulses.filter((pulse, place) => pulse !== it.pulses[place - 1]);
  assert.deepEqual(distinct, ['pan 1600', 'pan 1800', 'pan 1700', 'pan rests']);
  assert.equal(it.pulses.filter((pulse) => pulse === 'pan 1600').length, 25, 'half a second');
  for (const args of [[], ['turn'], ['test', 'zoom'], ['test', 'pan', 'tilt']])
    await assert.rejects(ask(it, 'servo', ...args), Failure);
  await assert.rejects(ask(it, 'servo', 'test', 'tilt'), /no servo turns tilt/);
});

test('`servo test` does not go on at an end stop', async () => {
  const it = scene();
  it.ends.push('pan-max');
  await assert.rejects(ask(it, 'servo', 'test'), /the end stop pan-max is hit: the test was stopped/);
  assert.deepEqual(it.pulses, ['pan 1700', 'pan rests']);
});

test('`servo test` stays within the limits of the mount, and leaves an axis alone that the mount holds still', async () => {
  const it = scene(sound, true, { at: 20, range: [15, 24] });
  await ask(it, 'servo', 'test');
  const distinct = it.pulses.filter((pulse, place) => pulse !== it.pulses[place - 1]);
  assert.deepEqual(distinct, ['pan 1650', 'pan 1740', 'pan 1700', 'pan rests']);
  await assert.rejects(
    ask(scene(sound, true, { at: 0, range: undefined }), 'servo', 'test'),
    /no servo turns/,
  );
});

test('one `servo test` at a time', async () => {
  const it = scene();
  const [first, second] = [it.commands.run('servo', ['test']), it.commands.run('servo', ['test'])];
  await assert.rejects(second, (error: Failure) => error.code === 'BUSY');
  for (let step = 0; step < 100; step++) {
    it.clock.advance(20);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await first;
  await ask(it, 'servo', 'test');
});
