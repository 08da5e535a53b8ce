/** Times as a person types them: ISO 8601 with a zone, Unix seconds, `now`, or back from now such as `-10m`. */
import { Failure } from '../base/failure.ts';
import { parseTime } from '../viewing/time-query.ts';

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400 };

/** The time as ISO 8601 in UTC. Rejects with Failure USAGE. `name` is the option that it came with. */
export function parseTimeArgument(name: string, text: string, nowMs: number): string {
  const [, count, unit] = /^-(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (text === 'now') return iso(nowMs);
  if (count !== undefined && unit !== undefined) {
    return iso(Math.max(0, nowMs - Number(count) * (secondsOf[unit] ?? 0) * 1000));
  }
  const time = parseTime(text);
  if (time.ok) return iso(Math.floor(time.value / 1000));
  const advice =
    'Write 2026-11-22T12:00:00Z, 2026-11-22T12:00:00+09:00, now, or -10m (s, m, h, d back from now).';
  throw new Failure('USAGE', `${name} ${text} ${time.reason}`, { advice });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
