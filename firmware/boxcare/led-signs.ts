/**
 * What the lamps of a box say about it. `running`: steady while all is well, a slow blink for WARN, a quick one for
 * FAIL; `fault`: dark, slow or quick; `disk`: as `running`, but only about disks and volumes. Pure.
 */
import { type Finding, type Verdict, worst } from './findings.ts';

export type LedSign = 'on' | 'off' | 'slow' | 'quick';

const steady = { OK: 'on', WARN: 'slow', FAIL: 'quick' } as const satisfies Record<Verdict, LedSign>;
const faulty = { OK: 'off', WARN: 'slow', FAIL: 'quick' } as const satisfies Record<Verdict, LedSign>;

/** Undefined for a lamp that shows something else. */
export function ledSign(shows: string | undefined, findings: readonly Finding[]): LedSign | undefined {
  if (shows === 'running') return steady[worst(findings)];
  if (shows === 'fault') return faulty[worst(findings)];
  if (shows !== 'disk') return undefined;
  return steady[worst(findings.filter(({ about }) => /^(disk|volume) /.test(about)))];
}
