/**
 * How a command ends: exit codes that scripts may rely on, and the one place where failures are printed.
 *
 * Data goes to stdout, everything else to stderr. A bug is printed with its stack and exits like any failure.
 */
import { CommanderError } from 'commander';
import { Failure, type FailureCode, messageOf } from '../base/failure.ts';

/** Append only; documented in the manual. */
const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  access: 4,
  unreachable: 5,
  partial: 6,
  problems: 7,
} as const;

const exitCodeByFailure: Record<FailureCode, number> = {
  CONFIG_INVALID: exitCodes.usage,
  USAGE: exitCodes.usage,
  FILE_MISSING: exitCodes.notFound,
  NOT_FOUND: exitCodes.notFound,
  ACCESS_DENIED: exitCodes.access,
  UNREACHABLE: exitCodes.unreachable,
  LINK_BROKEN: exitCodes.unreachable,
  PARTIAL: exitCodes.partial,
  FILE_IO: exitCodes.failure,
  PORT_IN_USE: exitCodes.failure,
  SITE_INVALID: exitCodes.failure,
  SITE_EXISTS: exitCodes.failure,
  SOURCE_FAILED: exitCodes.failure,
  CAPTURE_DIED: exitCodes.failure,
  INDEX_DAMAGED: exitCodes.failure,
  SERVER_FAILED: exitCodes.failure,
  PROBLEMS_FOUND: exitCodes.problems,
  DISK_FULL: exitCodes.failure,
  BUSY: exitCodes.failure,
  FILE_REFUSED: exitCodes.failure,
};

/** The exit code for anything that was thrown. */
export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof Failure ? exitCodeByFailure[thrown.code] : exitCodes.failure;
}

/** Where a command writes; the real one is the process. */
export interface Terminal {
  /** data */
  readonly out: (text: string) => void;
  /** everything else */
  readonly err: (text: string) => void;
  /** a person looks at stderr */
  readonly interactive: boolean;
  /** ms UTC */
  readonly nowMs: () => number;
  readonly setExitCode: (code: number) => void;
}

export const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY === true,
  nowMs: () => Date.now(),
  setExitCode: (code) => {
    process.exitCode = code;
  },
};

/**
 * Runs a command, or a whole program: prints what went wrong and what to do about it on stderr, and sets the exit
 * code. Never rejects. Commander's own refusals (with `exitOverride`) were printed by commander.
 */
export async function runCommand(
  action: () => Promise<unknown>,
  terminal: Terminal = processTerminal,
): Promise<void> {
  try {
    await action();
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      terminal.setExitCode(thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage);
      return;
    }
    printFailure(thrown, terminal);
    terminal.setExitCode(exitCodeOf(thrown));
  }
}

function printFailure(thrown: unknown, terminal: Terminal): void {
  terminal.err(`error: ${messageOf(thrown)}\n`);
  if (thrown instanceof Failure) terminal.err(`${thrown.advice}\n`);
  else if (thrown instanceof Error && thrown.stack !== undefined) terminal.err(`${thrown.stack}\n`);
}
