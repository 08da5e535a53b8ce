/**
 * What is wrong with the machine, in the words of whoever has to mend it: a verdict, what it is about, what was seen,
 * and the next step. Pure. A part of which nothing is said is OK.
 */

const verdicts = ['OK', 'WARN', 'FAIL'] as const;
/** WARN: it works and wants attention; FAIL: it does not do its work, or is about to stop doing it. */
export type Verdict = (typeof verdicts)[number];

export interface Finding {
  readonly verdict: Exclude<Verdict, 'OK'>;
  /** such as `disk sda`, `volume /volumes/a`, `power`, `clock` */
  readonly about: string;
  readonly text: string;
  /** what to do about it */
  readonly next: string;
}

/** The worst of them; OK when there is none. */
export function worst(findings: readonly Pick<Finding, 'verdict'>[]): Verdict {
  if (findings.some(({ verdict }) => verdict === 'FAIL')) return 'FAIL';
  return findings.length > 0 ? 'WARN' : 'OK';
}

/** Of what is about one part. */
export function verdictOn(findings: readonly Finding[], about: string): Verdict {
  return worst(findings.filter((finding) => finding.about === about));
}

/** The worst first; otherwise as they came. */
export function sorted(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => verdicts.indexOf(b.verdict) - verdicts.indexOf(a.verdict));
}
