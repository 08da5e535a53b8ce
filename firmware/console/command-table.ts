/**
 * The commands that a running unit answers on its field console, and what it says of its own health. Parts of a role
 * register plain functions; the control socket and the console ask by name.
 *
 * Invariants: at most `commandsMax` commands and `checksMax` checks; a later command of a name replaces an earlier one;
 * one check that throws is one failed line, never the end of `status`.
 */
import { Failure, messageOf } from '../base/failure.ts';

const commandsMax = 64;
const checksMax = 100;

/** What a command says: `data` for programs; `text` for people where the plain form of the data would not do. */
export interface ConsoleAnswer {
  readonly data: unknown;
  readonly text?: string;
}

export type CheckLevel = 'OK' | 'WARN' | 'FAIL';

/** One line of `status`. */
export interface Check {
  /** short, such as `camera cam-1` */
  readonly name: string;
  readonly level: CheckLevel;
  /** what is the case */
  readonly text: string;
  /** what a person does about it */
  readonly next?: string;
}

/** What `help` and tab completion need of a command. */
export interface CommandHelp {
  readonly name: string;
  /** such as `log [-n LINES] [-f]` */
  readonly usage: string;
  readonly summary: string;
  /** words that may follow, for tab completion */
  readonly words?: readonly string[];
}

export interface UnitCommand extends CommandHelp {
  /** `args` are the words after the name. Rejects with a Failure, whose advice is shown. */
  readonly run: (args: readonly string[]) => Promise<ConsoleAnswer>;
}

export class CommandTable {
  private readonly commands = new Map<string, UnitCommand>();
  private readonly sources: (() => readonly Check[])[] = [];

  /** Whether the unit is in the network, as its role says: what a change of settings must not cost. */
  connected: () => boolean = () => false;

  add(...commands: readonly UnitCommand[]): void {
    for (const command of commands) {
      if (this.commands.size < commandsMax) this.commands.set(command.name, command);
    }
  }

  /** Lines of `status`, asked for each time. */
  addChecks(source: () => readonly Check[]): void {
    if (this.sources.length < commandsMax) this.sources.push(source);
  }

  list(): CommandHelp[] {
    return [...this.commands.values()].map(({ name, usage, summary, words = [] }) => {
      return { name, usage, summary, words };
    });
  }

  checks(): Check[] {
    return this.sources.flatMap(checksOf).slice(0, checksMax);
  }

  /** Rejects with Failure NOT_FOUND for a command that this unit does not have. */
  async run(name: string, args: readonly string[]): Promise<ConsoleAnswer> {
    const command = this.commands.get(name);
    if (command === undefined) {
      const advice = 'Another role or board has it; `help` lists what there is here.';
      throw new Failure('NOT_FOUND', `this unit has no command ${JSON.stringify(name.slice(0, 40))}`, {
        advice,
      });
    }
    return command.run(args);
  }
}

function checksOf(source: () => readonly Check[]): readonly Check[] {
  try {
    return source();
  } catch (thrown) {
    return [{ name: 'status', level: 'FAIL', text: `a check failed: ${messageOf(thrown)}` }];
  }
}

/** The worst of them. */
export function worstLevel(checks: readonly Pick<Check, 'level'>[]): CheckLevel {
  if (checks.some(({ level }) => level === 'FAIL')) return 'FAIL';
  return checks.some(({ level }) => level === 'WARN') ? 'WARN' : 'OK';
}
