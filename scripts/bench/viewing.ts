/**
 * `npm run bench -- viewing [--small]`: what people who watch wait for, and what 100 of them cost. The page's times are
 * measured in Chromium on a running network (viewing-page.ts); the cost is set against a plain `ws` server
 * (viewing-fanout.ts). A figure that was measured while the machine was busy, or frames were missing, is measured
 * again, three times at most; then it is marked NOT VALID with the reason, and fails the run.
 */
import type { Figure } from '../bench.ts';
import { benchFanout, type FanoutPlan } from './viewing-fanout.ts';
import { benchPage, type PagePlan } from './viewing-page.ts';

interface Plan {
  readonly page: PagePlan;
  readonly fanout: FanoutPlan;
}

const whole: Plan = {
  page: { displayedFrames: 250, openings: 12, scrubSteps: 40, recordedMs: 90_000, kills: 3, attempts: 3 },
  fanout: { viewers: 100, warmUpMs: 5_000, measuredMs: 15_000, rounds: 3, attempts: 3 },
};
const small: Plan = {
  page: { displayedFrames: 20, openings: 2, scrubSteps: 6, recordedMs: 15_000, kills: 1, attempts: 1 },
  fanout: { viewers: 5, warmUpMs: 500, measuredMs: 2_000, rounds: 1, attempts: 1 },
};

/** What the figures are to stay below. */
const reach: Readonly<Record<string, number>> = {
  'capture to display, p50': 100,
  'capture to display, p95': 150,
  'first picture after opening a camera, p50': 300,
  'scrub step to picture, not cached, p50': 60,
  'page script, gzip': 60,
};

/** Runs it: about six minutes. `STARLING_BENCH_ONLY=page` or `fanout` runs a part. */
export async function benchViewing(isSmall: boolean): Promise<Figure[]> {
  const plan = isSmall ? small : whole;
  const only = process.env['STARLING_BENCH_ONLY'];
  const figures: Figure[] = [];
  if (only !== 'fanout') figures.push(...(await benchPage(plan.page)));
  if (only !== 'page') figures.push(...(await benchFanout(plan.fanout)));
  return figures.map((figure) => {
    const limit = reach[figure.figure] ?? (figure.figure.startsWith('picture back') ? 2_000 : undefined);
    return limit === undefined
      ? figure
      : { ...figure, peer: { name: 'what is to be reached', value: limit } };
  });
}
