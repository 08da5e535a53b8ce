/** The inputs of a camera unit: what their lines mean, and how long each must be quiet before it is over. */
import type { Clock } from '../base/clock.ts';
import type { EndSide, TurnAxis } from '../ptz/servo-mount.ts';
import { Debounce } from './debounce.ts';
import type { GpioLines, LineWiring } from './lines.ts';
import type { Wiring } from './wiring.ts';

/**
 * A contact bounces for some 10 ms. A PIR sensor falls and rises again while somebody walks about: that is one motion. An
 * end stop stops its axis at its first edge, whatever it does then.
 */
const timing = {
  motion: { beginMs: 30, endMs: 5_000 },
  button: { beginMs: 30, endMs: 50 },
  'end-stop': { beginMs: 0, endMs: 50 },
} as const;

type Kind = keyof typeof timing;

export interface SensorsOptions {
  readonly wiring: Pick<Wiring, 'pir' | 'button' | 'endStops'>;
  readonly lines: GpioLines;
  readonly clock: Clock;
  /** `sensor` tells those of one kind apart, `sinceMs` is monotonic */
  readonly onSensed: (kind: string, sensor: string, active: boolean, sinceMs: number) => void;
  readonly onEndStop: (axis: TurnAxis, side: EndSide, hit: boolean) => void;
}

/** Begins to listen; what cannot be opened throws Failure FILE_IO, and nothing is left open. */
export function openSensors(options: SensorsOptions): Disposable {
  const { wiring, lines, clock, onSensed, onEndStop } = options;
  const open: Disposable[] = [];
  const listen = (kind: Kind, sensor: string, line: LineWiring, also?: (active: boolean) => void): void => {
    const debounce = new Debounce({
      clock,
      ...timing[kind],
      onChange: (active, sinceMs) => {
        also?.(active);
        onSensed(kind, sensor, active, sinceMs);
      },
    });
    open.push(debounce);
    open.push(lines.input(line, (level) => debounce.take(level)));
  };
  const close = (): void => {
    for (const one of open.reverse()) one[Symbol.dispose]();
  };
  try {
    // End stops first: nothing may move before they are heard.
    for (const { axis, side, ...line } of wiring.endStops)
      listen('end-stop', `${axis}-${side}`, line, (hit) => onEndStop(axis, side, hit));
    if (wiring.pir !== undefined) listen('motion', '', wiring.pir);
    if (wiring.button !== undefined) listen('button', '', wiring.button);
  } catch (error) {
    close();
    throw error;
  }
  return { [Symbol.dispose]: close };
}

/** Kinds of what these sensors can see. */
export function kindsOf({ pir, button, endStops }: SensorsOptions['wiring']): string[] {
  const kinds: Kind[] = [];
  if (pir !== undefined) kinds.push('motion');
  if (button !== undefined) kinds.push('button');
  if (endStops.length > 0) kinds.push('end-stop');
  return kinds;
}
