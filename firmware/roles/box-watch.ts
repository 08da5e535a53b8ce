/**
 * The care of the machine a unit runs on, wired: its clock, its disks and sensors, its lamps, and what the field console
 * shows of all this. The same for cameras and servers.
 */

import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { Board } from '../boards/board-schema.ts';
import { BoxCare, type CareFolder } from '../boxcare/box-care.ts';
import { disksText, timeText } from '../boxcare/care-text.ts';
import type { Finding } from '../boxcare/findings.ts';
import { type LedSign, ledSign } from '../boxcare/led-signs.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import type { CommandTable } from '../console/command-table.ts';
import { boxFiles } from '../io/box-files.ts';
import { clockSynchronized, keepLastTime, readLastTime } from '../io/clock-synchronization.ts';
import { setLed } from '../io/leds.ts';
import { readSmartctl } from '../io/smartctl.ts';
import type { Log } from '../runtime/log.ts';
import type { ServiceStack } from '../runtime/service-stack.ts';
import { ClockCare } from './clock-care.ts';

/** More than these are not shown in one line of `status`. */
const checksMax = 10;

export interface BoxWatchOptions {
  readonly config: UnitConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly board?: Pick<Board, 'rtc' | 'leds'> | undefined;
  readonly commands?: CommandTable | undefined;
}

/** Opens the clock's care; a machine of which nothing is known keeps its time. */
export async function openClockCare({ config, clock, log, board }: BoxWatchOptions): Promise<ClockCare> {
  return ClockCare.open({
    config: config.clock,
    clock,
    log,
    battery: board?.rtc ?? true,
    synchronized: clockSynchronized,
    readLast: () => readLastTime(config.data),
    keepLast: (utcMs) => keepLastTime(config.data, utcMs),
  });
}

export interface BoxParts {
  readonly clockCare: ClockCare;
  /** that the unit writes to */
  readonly folders: () => readonly CareFolder[];
}

/** Begins to look after the machine. */
export function startBoxCare(options: BoxWatchOptions, parts: BoxParts, services: ServiceStack): BoxCare {
  const { config, clock, log, board, commands } = options;
  const lamps = new Lamps(board?.leds ?? [], log);
  // A unit that does not run must not look as if all were well.
  services.defer(() => lamps.darken());
  const care = new BoxCare({
    server: config.unit,
    files: boxFiles(),
    smart: readSmartctl,
    folders: parts.folders,
    clockFacts: () => parts.clockCare.facts(),
    onFindings: (findings) => lamps.show(findings),
    clock,
    log,
  });
  care.start();
  services.use(care);
  if (commands !== undefined) addCareConsole(commands, care);
  return care;
}

/** The lamps of the board that this program has been given. */
class Lamps {
  private readonly leds: Board['leds'];
  private readonly log: Log;
  private readonly signs = new Map<string, LedSign>();

  constructor(leds: Board['leds'], log: Log) {
    this.leds = leds;
    this.log = log;
  }

  show(findings: readonly Finding[]): void {
    for (const { sysfs, shows } of this.leds) {
      const sign = ledSign(shows, findings);
      if (sign !== undefined && this.signs.get(sysfs) !== sign) void this.set(sysfs, sign);
    }
  }

  async darken(): Promise<void> {
    await Promise.all([...this.signs.keys()].map((sysfs) => this.set(sysfs, 'off')));
  }

  private async set(sysfs: string, sign: LedSign): Promise<void> {
    this.signs.set(sysfs, sign);
    try {
      await setLed(sysfs, sign);
    } catch (error) {
      this.log('debug', `the lamp ${sysfs} cannot be set: ${messageOf(error)}`);
    }
  }
}

function addCareConsole(commands: CommandTable, care: BoxCare): void {
  commands.add(
    {
      name: 'disks',
      usage: 'disks',
      summary: 'disks, volumes, temperature, power: what is wrong and what to do',
      run: async () => {
        // A person who has just put a cable in again wants to see it.
        await care.look();
        return { data: care.report(), text: disksText(care.report()) };
      },
    },
    {
      name: 'time',
      usage: 'time',
      summary: 'what the clock shows, and whether it can be believed',
      run: async () => ({ data: care.report().clock, text: timeText(care.report()) }),
    },
  );
  commands.addChecks(() => {
    const { findings, disks } = care.report();
    if (findings.length === 0) {
      return [{ name: 'box', level: 'OK', text: `${disks.length} disks, temperature and power are well` }];
    }
    return findings
      .slice(0, checksMax)
      .map(({ verdict, about, text, next }) => ({ name: about, level: verdict, text, next }));
  });
}
