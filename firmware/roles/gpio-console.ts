/** What a camera unit answers on its field console about its lines: `gpio`, and `servo test`. */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { Check, CommandTable, ConsoleAnswer } from '../console/command-table.ts';
import type { TurnAxis } from '../ptz/servo-mount.ts';
import type { CameraGpio, GpioReport } from './camera-gpio.ts';
import type { MountAxis } from './unit-steering.ts';

/** A servo is seen to turn by so much, degrees. */
const sweepDegrees = 10;
/** From one end of the sweep to the other; and how often it is told, as by a mount. */
const sweepMs = 500;
const stepMs = 20;

export interface GpioConsoleParts {
  readonly gpio: CameraGpio;
  readonly clock: Clock;
  /** of the camera that has the servos; undefined when its mount is none */
  readonly axisOf: (axis: TurnAxis) => MountAxis | undefined;
}

/** Registers the commands and a line of `status`; does nothing where nothing is connected. */
export function addGpioConsole(commands: CommandTable, parts: GpioConsoleParts): void {
  const { gpio } = parts;
  let testing = false;
  commands.addChecks(() => checksOf(gpio.report()));
  commands.add(
    {
      name: 'gpio',
      usage: 'gpio',
      summary: 'what is connected to which line, and the number it has in sysfs',
      run: async () => ({ data: gpioData(gpio.report()) }),
    },
    {
      name: 'servo',
      usage: 'servo test [pan|tilt]',
      summary: `turns each servo up to ${sweepDegrees} degrees to and fro, and back to where it was`,
      words: ['test', 'pan', 'tilt'],
      run: async (args) => {
        if (testing) throw new Failure('BUSY', 'the servos are being tested', { advice: 'Wait a moment.' });
        testing = true;
        try {
          return await servoTest(args, parts);
        } finally {
          testing = false;
        }
      },
    },
  );
}

function checksOf({ fault, lines, eventsWaiting }: GpioReport): Check[] {
  if (fault !== undefined)
    return [
      { name: 'gpio', level: 'WARN', text: `off: ${fault}`, next: 'see `gpio` and camera.gpio in unit.yaml' },
    ];
  if (lines.length === 0) return [];
  const waiting = eventsWaiting === 0 ? '' : `, ${eventsWaiting} events wait for a server`;
  return [
    { name: 'gpio', level: 'OK', text: `${lines.length} ${lines.length === 1 ? 'line' : 'lines'}${waiting}` },
  ];
}

function gpioData({ fault, chip, lines, servoDriver, eventsWaiting }: GpioReport): object {
  return {
    state: fault ?? (lines.length === 0 ? 'nothing is connected' : 'on'),
    chip: chip === undefined ? null : `${chip.label} (${chip.name}, ${chip.lineCount} lines)`,
    servoDriver: servoDriver ?? null,
    eventsWaiting,
    lines: lines.map(({ number, ...line }) => ({ ...line, sysfs: Number.isNaN(number) ? null : number })),
  };
}

/** Past the mount, but within its limits; at the end the servo is where the mount left it. */
async function servoTest(
  args: readonly string[],
  { gpio, clock, axisOf }: GpioConsoleParts,
): Promise<ConsoleAnswer> {
  const [verb, ...wanted] = args;
  const known: readonly string[] = ['pan', 'tilt'];
  if (verb !== 'test' || wanted.length > 1 || !wanted.every((axis) => known.includes(axis)))
    throw new Failure('USAGE', 'not understood', { advice: 'Type: servo test, or servo test pan.' });
  const drive = gpio.turns?.drive;
  if (drive === undefined)
    throw new Failure('NOT_FOUND', gpio.report().fault ?? 'no servo is connected', {
      advice: 'Set camera.gpio.servos in unit.yaml; see `gpio`.',
    });
  const turned: TurnAxis[] = [];
  for (const axis of ['pan', 'tilt'] as const) {
    const reach = drive.reach(axis);
    if (reach === undefined || (wanted.length > 0 && !wanted.includes(axis))) continue;
    const { at, range } = axisOf(axis) ?? { at: 0, range: [-reach, reach] };
    if (range === undefined) continue;
    const [min, max] = range;
    turned.push(axis);
    try {
      for (const degrees of [Math.max(min, at - sweepDegrees), Math.min(max, at + sweepDegrees), at]) {
        for (let ms = 0; ms < sweepMs; ms += stepMs) {
          refuseAtEnd(gpio, () => drive.aim(axis, at));
          drive.aim(axis, degrees);
          await new Promise<void>((resolve) => clock.after(stepMs, resolve));
        }
      }
    } finally {
      drive.rest(axis);
    }
  }
  if (turned.length === 0)
    throw new Failure('NOT_FOUND', `no servo turns ${wanted.join(' ')}`, { advice: 'See `gpio`.' });
  return { data: { turned, driver: drive.driverName, degrees: sweepDegrees } };
}

/** The sweep goes past the mount, which would stop it. */
function refuseAtEnd(gpio: CameraGpio, back: () => void): void {
  const [end] = gpio.endsHit();
  if (end === undefined) return;
  back();
  throw new Failure('BUSY', `the end stop ${end} is hit: the test was stopped`, {
    advice: 'Steer away from it first (ptz), or check its switch with `gpio`.',
  });
}
