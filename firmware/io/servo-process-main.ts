/**
 * The servo process: makes pulses on GPIO lines by busy waiting, apart from the unit, whose frames must not wait for a
 * servo. It takes lines of JSON on its standard input: first the lines by axis, then where each shall be.
 *
 * Invariants: it ends when its standard input does; a line is low whenever this process does not pulse it, also at its end.
 */

import { setPriority } from 'node:os';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { messageOf } from '../base/failure.ts';
import type { OutputLine } from '../gpio/lines.ts';
import { PulseTrain } from '../gpio/pulse-train.ts';
import { pulsePeriodMs, pulseWithin } from '../gpio/servo-driver.ts';
import { openGpioLines } from './gpio-lines.ts';
import { systemClock } from './system-clock.ts';

/** What the unit says. */
export interface ServoSetup {
  readonly base: number;
  readonly lines: Readonly<Record<string, number>>;
}
export interface ServoAim {
  readonly axis: string;
  readonly pulseUs: number;
}

/** Runs until its standard input ends. */
export async function runServoProcess(): Promise<void> {
  // A terminal, or systemd, sends its signals to every process; the unit decides when this one ends.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => undefined);
  preferThisProcess();
  const outputs = new Map<string, OutputLine>();
  const end = (code: number): void => {
    for (const output of outputs.values()) output[Symbol.dispose]();
    process.exit(code);
  };
  const train = new PulseTrain(outputs, { nowUs: () => performance.now() * 1_000 });
  let running = false;
  const frame = (): void => {
    const startMs = performance.now();
    train.frame();
    running = train.active;
    if (running) setTimeout(frame, Math.max(0, pulsePeriodMs - (performance.now() - startMs)));
  };
  let setup = false;
  try {
    for await (const line of createInterface(process.stdin)) {
      if (!setup) {
        await takeLines(JSON.parse(line) as ServoSetup, outputs);
        setup = true;
        continue;
      }
      const { axis, pulseUs } = JSON.parse(line) as ServoAim;
      train.aim(axis, pulseWithin(pulseUs));
      if (!running) frame();
    }
    end(0);
  } catch (error) {
    process.stderr.write(`servo process: ${messageOf(error)}\n`);
    end(1);
  }
}

async function takeLines({ base, lines }: ServoSetup, outputs: Map<string, OutputLine>): Promise<void> {
  const gpio = await openGpioLines(base, systemClock);
  for (const [axis, line] of Object.entries(lines))
    outputs.set(axis, gpio.output({ line, activeLow: false }));
}

/** Pulses are as steady as the scheduler lets them be. */
function preferThisProcess(): void {
  try {
    setPriority(-15);
  } catch {
    // Only root may.
  }
}
