/** What is wrong with a board's wiring: lines and channels that its chips do not have, and lines that two parts share. */

interface Line {
  readonly line: number;
}
interface Servo extends Line {
  readonly channel?: number | undefined;
}

/** What of a board is on lines and channels. */
export interface Wired {
  readonly gpio?: { readonly lineCount: number } | undefined;
  readonly pwm?: { readonly channelCount: number } | undefined;
  readonly servos?:
    | {
        readonly pan?: Servo | undefined;
        readonly tilt?: Servo | undefined;
        readonly power?: Line | undefined;
      }
    | undefined;
  readonly endStops: readonly Line[];
  readonly pir?: Line | undefined;
  readonly button?: Line | undefined;
  readonly tallyLed?: Line | undefined;
}

type Path = (string | number)[];

/** `path` is where in the document, `error` what was expected there. */
export interface WiringFault {
  readonly path: Path;
  readonly error: string;
}

export function wiringFaults(board: Wired): WiringFault[] {
  return [...lineFaults(board), ...channelFaults(board)];
}

function lineFaults(board: Wired): WiringFault[] {
  const { gpio: chip } = board;
  const faults: WiringFault[] = [];
  const owners = new Map<number, string>();
  for (const { at, line } of usedLines(board)) {
    const path = [...at, 'line'];
    if (chip === undefined)
      faults.push({ path, error: 'expected no line, since the board names no GPIO chip' });
    else if (line >= chip.lineCount) faults.push({ path, error: `expected 0..${chip.lineCount - 1}` });
    const owner = owners.get(line);
    if (owner !== undefined) faults.push({ path, error: `expected a line that ${owner} does not use` });
    owners.set(line, at.join('.'));
  }
  return faults;
}

function channelFaults({ servos, pwm }: Wired): WiringFault[] {
  return (['pan', 'tilt'] as const).flatMap((axis) => {
    const channel = servos?.[axis]?.channel;
    const path = ['servos', axis, 'channel'];
    if (channel === undefined) return [];
    if (pwm === undefined) return [{ path, error: 'expected no channel, since the board names no PWM chip' }];
    return channel < pwm.channelCount ? [] : [{ path, error: `expected 0..${pwm.channelCount - 1}` }];
  });
}

function usedLines({ servos, endStops, pir, button, tallyLed }: Wired): { at: Path; line: number }[] {
  const parts: { at: Path; part: Line | undefined }[] = [
    ...(['pan', 'tilt', 'power'] as const).map((name) => ({ at: ['servos', name], part: servos?.[name] })),
    ...endStops.map((part, place) => ({ at: ['endStops', place], part })),
    { at: ['pir'], part: pir },
    { at: ['button'], part: button },
    { at: ['tallyLed'], part: tallyLed },
  ];
  return parts.flatMap(({ at, part }) => (part === undefined ? [] : [{ at, line: part.line }]));
}
