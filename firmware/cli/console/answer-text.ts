/** How answers of a unit look on the console: those whose data the plain form would not show well. */

import type { ConsoleAnswer } from '../../console/command-table.ts';
import { plainText, printable } from '../../console/console-text.ts';
import type { LogAnswer, TablesAnswer, WhereAnswer } from '../../viewing/api.ts';
import { formatNeighbors, formatTables, formatWhere } from '../network-text.ts';

export function logLines({ entries }: Pick<LogAnswer, 'entries'>): string {
  return entries.map(({ time, level, text }) => printable(`${time} ${level.padEnd(5)} ${text}`)).join('\n');
}

const texts: Readonly<Record<string, (data: unknown) => string>> = {
  tables: (data) => formatTables(data as TablesAnswer),
  neighbors: (data) => formatNeighbors(data as TablesAnswer),
  where: (data) => formatWhere(data as WhereAnswer),
  log: (data) => logLines(data as LogAnswer),
};

/** The unit's own text, else ours for this command, else the plain form. */
export function answerText(command: string, { data, text }: ConsoleAnswer): string {
  if (text !== undefined) return text;
  const format = texts[command];
  return format === undefined ? plainText(data) : format(data).trimEnd();
}
