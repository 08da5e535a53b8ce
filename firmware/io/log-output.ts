/** The log on standard error: pino, one JSON object a line, or plain lines when a person is looking. */
import pino from 'pino';
import type { Log, LogLevel } from '../runtime/log.ts';

/** Makes the log of a unit. `plain` lines are `12:34:56.789 unit level message`. */
export function openLog(unit: string, level: string, plain: boolean): Log {
  const output = pino.destination({ fd: 2, sync: true });
  // Nobody reads, or the disk of the log is full: a unit goes on without a log.
  output.on('error', () => undefined);
  const logger = pino({ level, base: { unit } }, output);
  if (!plain) return (at, message, fields = {}) => logger[at](fields, message);
  const shown = (at: LogLevel): boolean => logger.isLevelEnabled(at);
  return (at, message, fields) => {
    if (!shown(at)) return;
    const extra = fields === undefined ? '' : ` ${JSON.stringify(fields)}`;
    process.stderr.write(`${new Date().toISOString().slice(11, 23)} ${unit} ${at} ${message}${extra}\n`);
  };
}
