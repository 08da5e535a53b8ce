/**
 * What is connected to this unit, and where: `unit.yaml` says what there is and, unless it is wired otherwise, the board
 * says on which line. Nothing is there because a board has a place for it: an input that hangs in the air would see
 * people all day.
 */
import { accept, type Result, reject } from '../base/result.ts';
import type { Board } from '../boards/board-schema.ts';
import type { GpioConfig } from '../config/gpio-section.ts';
import type { LineWiring } from './lines.ts';
import type { ServoAxis, ServoRange } from './servo-driver.ts';

interface ServoWiring extends ServoRange {
  readonly line: number;
  readonly channel?: number | undefined;
}

interface EndStopWiring extends LineWiring {
  readonly axis: ServoAxis;
  readonly side: 'min' | 'max';
}

/** Everything that is connected. */
export interface Wiring {
  readonly chip: { readonly chipLabel: string; readonly lineCount: number };
  readonly pwm: { readonly device: string; readonly channelCount: number } | undefined;
  readonly servos: { readonly [A in ServoAxis]?: ServoWiring | undefined };
  readonly servoPower: LineWiring | undefined;
  readonly endStops: readonly EndStopWiring[];
  readonly pir: LineWiring | undefined;
  readonly button: LineWiring | undefined;
  readonly tallyLed: LineWiring | undefined;
}

type BoardWiring = Pick<Board, 'gpio' | 'pwm' | 'servos' | 'endStops' | 'pir' | 'button' | 'tallyLed'>;

type Part = 'servos' | 'endStops' | 'pir' | 'button' | 'tallyLed';

/** Undefined when nothing is connected; a reason when it cannot be as the settings say. */
export function wiringOf(config: GpioConfig, board: BoardWiring | undefined): Result<Wiring | undefined> {
  const missing: Part[] = [];
  const pick = <T>(part: Part, set: T | boolean, ofBoard: T | undefined): T | undefined => {
    if (set !== true) return set === false ? undefined : set;
    if (ofBoard === undefined) missing.push(part);
    return ofBoard;
  };
  const { power, ...servos } = pick('servos', config.servos, board?.servos) ?? {};
  const stops = board?.endStops;
  const endStops = pick('endStops', config.endStops, stops?.length === 0 ? undefined : stops) ?? [];
  const pir = pick('pir', config.pir, board?.pir);
  const button = pick('button', config.button, board?.button);
  const tallyLed = pick('tallyLed', config.tallyLed, board?.tallyLed);
  if (missing.length > 0)
    return reject(
      `this board has no place of its own for ${missing.join(', ')}: give the line in camera.gpio`,
    );
  const lines = [servos.pan, servos.tilt, power, ...endStops, pir, button, tallyLed].filter(
    (one) => one !== undefined,
  );
  if (lines.length === 0) return accept(undefined);
  const chip = config.chip ?? board?.gpio;
  if (chip === undefined) return reject('this board has no GPIO chip that is known: give camera.gpio.chip');
  const fault = lineFault(
    lines.map(({ line }) => line),
    chip.lineCount,
  );
  if (fault !== undefined) return reject(fault);
  const pwm = config.pwm ?? board?.pwm;
  return accept({ chip, pwm, servos, servoPower: power, endStops, pir, button, tallyLed });
}

function lineFault(lines: readonly number[], lineCount: number): string | undefined {
  const beyond = lines.find((line) => line >= lineCount);
  if (beyond !== undefined) return `there is no line ${beyond}: the GPIO chip has 0 to ${lineCount - 1}`;
  const twice = lines.find((line, place) => lines.indexOf(line) !== place);
  return twice === undefined ? undefined : `line ${twice} is used twice`;
}
