/** `log`: what the running unit remembers, else the end of the system's journal. */
import type { Clock } from '../../base/clock.ts';
import { Failure } from '../../base/failure.ts';
import type { ConsoleAnswer } from '../../console/command-table.ts';
import type { CommandIo } from '../../console/session.ts';
import type { LogAnswer } from '../../viewing/api.ts';
import { numberAfter } from '../unit-control.ts';
import { logLines } from './answer-text.ts';
import type { UnitLink } from './unit-link.ts';
import { journalOf } from './unit-service.ts';

const linesDefault = 20;
const linesMax = 500;
const pollMs = 500;

export async function logAnswer(unit: UnitLink, args: readonly string[]): Promise<ConsoleAnswer> {
  const lines = Math.min(linesMax, numberAfter('-n', args) ?? linesDefault);
  try {
    const { data } = await unit.ask('log', ['-n', String(lines), ...afterOf(args)]);
    return { data, text: logLines(data as LogAnswer) };
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.code !== 'UNREACHABLE') throw thrown;
    const text = await journalOf(lines);
    if (text === undefined) {
      const advice = 'Nobody kept its log; see what started it.';
      throw new Failure('NOT_FOUND', 'the unit does not run, and the journal has nothing of it', { advice });
    }
    return { data: { journal: text.split('\n') }, text };
  }
}

function afterOf(args: readonly string[]): string[] {
  const after = numberAfter('--after', args);
  return after === undefined ? [] : ['--after', String(after)];
}

/** Goes on until it is broken off. */
export async function followLog(
  unit: UnitLink,
  args: readonly string[],
  { io, clock }: { io: CommandIo; clock: Clock },
): Promise<ConsoleAnswer> {
  if (io.framed)
    throw new Failure('USAGE', '-f is for people', { advice: 'Ask with --after NUMBER again and again.' });
  const first = (await logAnswer(unit, args)).data as LogAnswer;
  let newest = show(first, io);
  while (!io.signal.aborted) {
    await new Promise<void>((resolve) => void clock.after(pollMs, resolve));
    const next = await unit.ask('log', ['--after', String(newest)]).catch(() => undefined);
    if (next === undefined) continue;
    const answer = next.data as LogAnswer;
    if (answer.newest < newest) io.print('the unit was started again\n');
    newest = answer.newest < newest ? 0 : Math.max(newest, show(answer, io));
  }
  return { data: {}, text: '' };
}

function show(answer: LogAnswer, io: CommandIo): number {
  if (answer.entries === undefined) return 0;
  if (answer.entries.length > 0) io.print(`${logLines(answer)}\n`);
  return answer.newest;
}
