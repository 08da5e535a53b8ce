/**
 * The recordings of the page's stand-in server: `gate` has three segments on two servers with a gap, `yard` a whole
 * day, `stairs` a segment that is still being written. Three files serve them all. Times in ms UTC.
 */
import type { RecordingsAnswer, SegmentAnswer } from '../../firmware/viewing/api.ts';
import { fragmentEnds, makeRecording } from './page-fixture-video.ts';

const segmentsMax = 1_000;
const minuteMs = 60_000;

/** What a test may count on of the recordings of `gate`. */
export interface RecordedFacts {
  /** start of the first segment, on `north` */
  readonly fromMs: number;
  /** its end */
  readonly gapFromMs: number;
  /** start of the second segment, on `south` */
  readonly gapToMs: number;
  /** start of the third, without a break */
  readonly thirdFromMs: number;
  readonly toMs: number;
}

interface SegmentPlan {
  readonly server: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** the letter that its name ends in */
  readonly file: string;
}

/** See the top of this file; made by `makePageArchive`. */
export class PageArchive {
  readonly facts: RecordedFacts;
  /** by letter; may be changed */
  readonly files: Map<string, Buffer>;
  /** when the segment of `stairs` was begun; 0: it was not */
  openSinceMs = 0;
  /** up to when it is written, if that is before now */
  openUntilMs = Number.POSITIVE_INFINITY;

  constructor(files: Map<string, Buffer>, facts: RecordedFacts) {
    this.files = files;
    this.facts = facts;
  }

  /** The file at a segment's path; `o` is the one that is being written. */
  file(path: string): Buffer | undefined {
    const letter = /-(\w)\.mp4$/.exec(path)?.[1] ?? '';
    return letter === 'o' ? this.openFile() : this.files.get(letter);
  }

  /** The answer to a question for recordings. */
  recordings(camera: string, query: URLSearchParams): RecordingsAnswer {
    const [from, to] = [query.get('from') ?? '', query.get('to') ?? ''];
    const all = this.plansOf(camera).map((plan) => this.segment(camera, plan));
    const reason = camera === 'gate' ? 'server-unreachable' : 'camera-off';
    const gaps = all.flatMap((segment, place) => {
      const next = all[place + 1];
      const gapless = next === undefined || next.from <= segment.to;
      return gapless ? [] : [{ from: segment.to, to: next.from, reason }];
    });
    const overlaps = (one: { from: string; to: string }) => one.from < to && one.to > from;
    const segments = all.filter(overlaps);
    return {
      camera,
      segments: segments.slice(0, segmentsMax),
      gaps: gaps.filter(overlaps),
      unreachable: ['west'],
      truncated: segments.length > segmentsMax,
    };
  }

  private plansOf(camera: string): SegmentPlan[] {
    const { fromMs, gapFromMs, gapToMs, thirdFromMs, toMs } = this.facts;
    if (camera === 'gate') {
      return [
        { server: 'north', fromMs, toMs: gapFromMs, file: 'a' },
        { server: 'south', fromMs: gapToMs, toMs: thirdFromMs, file: 'b' },
        { server: 'south', fromMs: thirdFromMs, toMs, file: 'c' },
      ];
    }
    if (camera === 'stairs') {
      const fromMs = this.openSinceMs;
      const toMs = fromMs + this.openSeconds * 1_000;
      return fromMs > 0 && toMs > fromMs ? [{ server: 'south', fromMs, toMs, file: 'o' }] : [];
    }
    const now = Date.now();
    const firstMs = now - (now % minuteMs) - 23 * 60 * minuteMs;
    const minutes = Array.from({ length: 23 * 60 }, (_, minute) => minute);
    return minutes
      .filter((minute) => minute < 610 || minute > 655)
      .map((minute) => {
        const startMs = firstMs + minute * minuteMs;
        const server = minute < 400 || minute >= 900 ? 'north' : 'south';
        return { server, fromMs: startMs, toMs: startMs + minuteMs, file: 'a' };
      });
  }

  private segment(camera: string, plan: SegmentPlan): SegmentAnswer {
    const [from, to] = [new Date(plan.fromMs).toISOString(), new Date(plan.toMs).toISOString()];
    const name = `${from.slice(0, 10)}/${from.slice(11, 23).replaceAll(':', '')}Z-1-${plan.file}`;
    const url = `/api/cameras/${camera}/segments/${plan.server}/${name}.mp4`;
    return {
      server: plan.server,
      name,
      from,
      to,
      bytes: this.file(url)?.length ?? 0,
      captureId: plan.file === 'a' ? 'boot.1' : 'boot.2',
      epoch: 1,
      open: plan.file === 'o',
      url,
    };
  }

  private openFile(): Buffer {
    const whole = this.files.get('a') ?? Buffer.alloc(0);
    const ends = fragmentEnds(whole);
    return whole.subarray(0, ends[Math.min(this.openSeconds, ends.length) - 1] ?? 0);
  }

  /** Whole seconds written of the segment of `stairs`. */
  private get openSeconds(): number {
    return Math.floor((Math.min(Date.now(), this.openUntilMs) - this.openSinceMs) / 1_000);
  }
}

/** Films the recordings: they began two hours ago, when the camera's clock stood at `clockSeconds`. */
export async function makePageArchive(clockSeconds: number): Promise<PageArchive> {
  const begun = Date.now() - 120 * minuteMs;
  const fromMs = begun - (begun % 1_000);
  const at = (seconds: number) => fromMs + seconds * 1_000;
  const make = (number: number, from: number, seconds: number) =>
    makeRecording({ number, seconds, fromMs: at(from), clockSeconds: clockSeconds + from });
  const [a, b, c] = await Promise.all([make(1, 0, 40), make(2, 65, 10), make(3, 75, 10)]);
  const facts = { fromMs, gapFromMs: at(40), gapToMs: at(65), thirdFromMs: at(75), toMs: at(85) };
  return new PageArchive(new Map(Object.entries({ a, b, c })), facts);
}
