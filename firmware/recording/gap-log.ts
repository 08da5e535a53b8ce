/**
 * Explained gaps in this server's index: when a camera was not recorded, and why. A gap longer than a day is several
 * rows, so that whoever reads a time finds those that reach into it.
 *
 * Invariants: what a camera tells is bounded in its rate, so that a broken or hostile one does not fill the index; of
 * each camera the newest `rowsMax` rows stay, and a little more between two prunings. Times are µs UTC.
 */
import type { Clock } from '../base/clock.ts';
import type { Gap } from '../media/sample.ts';
import { Allowance } from './allowance.ts';
import { keepLast } from './index-pages.ts';
import { eventRow, eventUsMax, keys, put } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';

/** Of a gap that is longer than so many days only the last of them are stored. */
const gapDaysMax = 1_000;
/** Rows that a camera may tell: so many at once, a gap of years, and so many a second. */
const rate = { burst: 2 * gapDaysMax, perSecond: 1 } as const;
const rowsMaxDefault = 20_000;
/** After so many new rows of a camera the oldest are looked for. */
const pruneEvery = 1_000;

export interface GapLogOptions {
  readonly index: Pick<IndexStore, 'commit' | 'range'>;
  readonly clock: Clock;
  /** told of each gap that was stored */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** a camera tells too many: told once, until it has told one that was stored */
  readonly onRefused?: ((camera: string) => void) | undefined;
  readonly rowsMax?: number;
}

export class GapLog {
  private readonly options: GapLogOptions;
  private readonly allowance: Allowance;
  /** told too many, and nothing that was stored since */
  private readonly refused = new Set<string>();
  /** rows of each camera since its oldest were looked for */
  private readonly added = new Map<string, number>();

  constructor(options: GapLogOptions) {
    this.options = options;
    this.allowance = new Allowance(rate, options.clock);
  }

  /** Stores what this server has found out itself; on the medium when it resolves. */
  async add(gap: Gap): Promise<void> {
    const { index, onGap, rowsMax = rowsMaxDefault } = this.options;
    const pieces = piecesOf(gap);
    await index.commit(pieces.map((piece) => put(keyOf(piece), eventRow, piece)));
    onGap?.(gap);
    const added = (this.added.get(gap.camera) ?? pruneEvery) + pieces.length;
    this.added.set(gap.camera, added);
    if (added < pruneEvery) return;
    this.added.set(gap.camera, 0);
    await keepLast(index, keys.eventsOf(gap.camera), rowsMax);
  }

  /** The same of what a camera tells; leaves out what is too much. */
  async tell(gap: Gap): Promise<void> {
    const { camera } = gap;
    if (this.allowance.take(camera, piecesOf(gap).length)) {
      this.refused.delete(camera);
      return this.add(gap);
    }
    if (!this.refused.has(camera)) this.options.onRefused?.(camera);
    this.refused.add(camera);
  }
}

function keyOf({ camera, fromUs, reason }: Gap): string {
  return keys.event(camera, fromUs, reason);
}

/** A gap in pieces of at most `eventUsMax`. */
function piecesOf(gap: Gap): Gap[] {
  const pieces: Gap[] = [];
  for (let toUs = gap.toUs; pieces.length < gapDaysMax; toUs -= eventUsMax) {
    const fromUs = Math.max(gap.fromUs, toUs - eventUsMax);
    pieces.push({ ...gap, fromUs, toUs });
    if (fromUs === gap.fromUs) break;
  }
  return pieces;
}
