/** What a camera unit answers on its field console about its lines: `gpio`, and `servo test`. */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { Check, CommandTable, ConsoleAnswer } from '../console/command-table.ts';
import type { CameraGpio, GpioReport } from './camera-gpio.ts';

/** A servo is seen to turn by so much, degrees. */
const sweepDegrees = 10;
/** From one end of the sweep to the other; and how often it is told, as by a mount. */
const sweepMs = 500;
const stepMs = 20;

export interface GpioConsoleParts {
  readonly gpio: CameraGpio;
  readonly clock: Clock;
  /** where the camera that has the servos looks; undefined when nothing turns it */
  readonly positionOf: (axis: 'pan' | 'tilt') => number | undefined;
}

/** Registers the commands and a line of `status`; does nothing where nothing is connected. */
export function addGpioConsole(commands: CommandTable, { gpio, clock, positionOf }: GpioConsoleParts): void {
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
      summary: `turns each servo ${sweepDegrees} degrees to and fro, and back to where it was`,
      words: ['test', 'pan', 'tilt'],
      run: (args) => servoTest(args, { gpio, clock, positionOf }),
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

/** Past the mount and its limits, as far as the servo reaches; at the end it is where the mount left it. */
async function servoTest(
  args: readonly string[],
  { gpio, clock, positionOf }: GpioConsoleParts,
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
  const axes = (['pan', 'tilt'] as const).filter(
    (axis) => drive.reach(axis) !== undefined && (wanted.length === 0 || wanted.includes(axis)),
  );
  if (axes.length === 0)
    throw new Failure('NOT_FOUND', `no servo turns ${wanted.join(' ')}`, { advice: 'See `gpio`.' });
  for (const axis of axes) {
    const at = positionOf(axis) ?? 0;
    for (const degrees of [at - sweepDegrees, at + sweepDegrees, at]) {
      for (let ms = 0; ms < sweepMs; ms += stepMs) {
        refuseAtEnd(gpio, () => drive.aim(axis, at));
        drive.aim(axis, degrees);
        await new Promise<void>((resolve) => clock.after(stepMs, resolve));
      }
    }
    drive.rest(axis);
  }
  return { data: { turned: axes, driver: drive.driverName, degrees: sweepDegrees } };
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
