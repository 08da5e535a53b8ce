/**
 * The history table [0042]–[0047]: which servers have managed a camera, as *tenures*, one per uninterrupted management.
 *
 * Merging is set union, so that servers may tell each other in any order and as often as they like. Per camera and
 * server, tenures whose epochs overlap or follow each other are one tenure: it begins as the one with the lowest first
 * epoch did (of equals the earliest) and ends as the one with the highest last epoch did (of equals the latest; an end
 * beats none). Both rules are maxima of an order, hence commutative, associative and idempotent.
 *
 * Invariants: a camera's tenures are sorted by (first epoch, server); those of one server neither overlap nor touch;
 * at most `tenuresMax`, the oldest go first, an open tenure of this server never. Tenures are not changed in place:
 * whoever got one may keep it. Times are µs UTC.
 */
import { tenuresMax } from './constants.ts';
import { counterMax } from './counters.ts';
import type { Tenure } from './packets.ts';
import type { HistoryView } from './views.ts';

/** In place of a server where an epoch is missing. */
const unknownServer = 'unknown';

function isSound({ firstEpoch, lastEpoch, fromUs, toUs }: Tenure): boolean {
  return firstEpoch >= 1 && firstEpoch <= lastEpoch && lastEpoch <= counterMax && fromUs >= 0 && toUs >= 0;
}

function byEpoch(a: Tenure, b: Tenure): number {
  return a.firstEpoch - b.firstEpoch || (a.server < b.server ? -1 : a.server > b.server ? 1 : 0);
}

/** Both as one; `a` itself when `b` adds nothing to it. */
function coalesce(a: Tenure, b: Tenure): Tenure {
  const firstEpoch = Math.min(a.firstEpoch, b.firstEpoch);
  const lastEpoch = Math.max(a.lastEpoch, b.lastEpoch);
  const fromUs =
    a.firstEpoch === b.firstEpoch
      ? Math.min(a.fromUs, b.fromUs)
      : (a.firstEpoch === firstEpoch ? a : b).fromUs;
  // An open end is 0, less than any other.
  const toUs =
    a.lastEpoch === b.lastEpoch ? Math.max(a.toUs, b.toUs) : (a.lastEpoch === lastEpoch ? a : b).toUs;
  const same =
    firstEpoch === a.firstEpoch && lastEpoch === a.lastEpoch && fromUs === a.fromUs && toUs === a.toUs;
  return same ? a : { ...a, firstEpoch, lastEpoch, fromUs, toUs };
}

/** One camera's tenures with `added` in them; `known` itself when that is no news. */
function union(known: readonly Tenure[], added: Tenure): readonly Tenure[] {
  let one = added;
  let news = true;
  for (const tenure of known) {
    if (!touches(tenure, added)) continue;
    // What is known first, so that nothing new is made of what says nothing new.
    one = coalesce(tenure, one);
    news = one !== tenure;
  }
  if (!news) return known;
  return [...known.filter((tenure) => !touches(tenure, added)), one].sort(byEpoch);
}

function touches(a: Tenure, b: Tenure): boolean {
  return a.server === b.server && a.firstEpoch <= b.lastEpoch + 1 && b.firstEpoch <= a.lastEpoch + 1;
}

/**
 * One camera's tenures, oldest first, with a tenure of the server `unknown` wherever epochs (they begin at 1) are
 * missing. An open tenure before others means that nobody has told its end.
 */
export function ownersOf(tenures: readonly Tenure[]): Tenure[] {
  const owners: Tenure[] = [];
  let nextEpoch = 1;
  let lastToUs = 0;
  for (const tenure of [...tenures].sort(byEpoch)) {
    const { camera, firstEpoch, lastEpoch, fromUs, toUs } = tenure;
    if (firstEpoch > nextEpoch) {
      const missing = { firstEpoch: nextEpoch, lastEpoch: firstEpoch - 1, fromUs: lastToUs, toUs: fromUs };
      owners.push({ camera, server: unknownServer, ...missing });
    }
    owners.push(tenure);
    if (lastEpoch < nextEpoch) continue;
    nextEpoch = lastEpoch + 1;
    lastToUs = toUs;
  }
  return owners;
}

export class HistoryTable {
  private readonly self: string;
  private readonly table = new Map<string, readonly Tenure[]>();
  private readonly changed = new Set<string>();
  private count = 0;

  /** `tenures` as they were remembered by the server `self`. */
  constructor(self: string, tenures: readonly Tenure[]) {
    this.self = self;
    this.merge(tenures);
    this.changed.clear();
  }

  /** This server manages `camera` since `utcUs`, by a connection with this epoch. Older open tenures of it end. */
  began({ camera, epoch, utcUs }: { camera: string; epoch: number; utcUs: number }): void {
    const open = this.ownOpen(camera).some(({ lastEpoch }) => lastEpoch !== epoch && lastEpoch !== epoch - 1);
    if (open) this.ended(camera, utcUs);
    const tenure = {
      camera,
      server: this.self,
      firstEpoch: epoch,
      lastEpoch: epoch,
      fromUs: Math.max(0, utcUs),
      toUs: 0,
    };
    if (isSound(tenure)) this.put(camera, union(this.stored(camera), tenure));
    this.makeRoom();
  }

  /** This server manages `camera` no longer. An epoch that has ended does not begin again. */
  ended(camera: string, utcUs: number): void {
    let tenures = this.stored(camera);
    // 0 would be no end at all, and clocks may start in 1970.
    for (const tenure of this.ownOpen(camera))
      tenures = union(tenures, { ...tenure, toUs: Math.max(1, utcUs) });
    this.put(camera, tenures);
  }

  /** Adds what others (or the disk) tell and returns the cameras for which that was news, by id. */
  merge(tenures: readonly Tenure[]): string[] {
    const before = new Map<string, readonly Tenure[]>();
    for (const tenure of tenures) {
      if (!isSound(tenure)) continue;
      const known = this.stored(tenure.camera);
      const more = union(known, tenure);
      if (more === known) continue;
      if (!before.has(tenure.camera)) before.set(tenure.camera, known);
      this.put(tenure.camera, more);
    }
    if (before.size === 0) return [];
    this.makeRoom();
    return [...before]
      .filter(([camera, known]) => !equal(known, this.stored(camera)))
      .map(([camera]) => camera)
      .sort();
  }

  /** Oldest first. */
  of(camera: string): Tenure[] {
    return this.stored(camera).slice();
  }

  /** The highest epoch with which this server has managed `camera`; 0 = never. */
  lastOwnEpoch(camera: string): number {
    let epoch = 0;
    for (const { server, lastEpoch } of this.stored(camera)) {
      if (server === this.self && lastEpoch > epoch) epoch = lastEpoch;
    }
    return epoch;
  }

  cameras(): string[] {
    return [...this.table.keys()].sort();
  }

  /** Drops a camera's history. Union would bring it back: keep a forgotten camera's tenures out of `merge`. */
  forget(camera: string): void {
    this.put(camera, []);
  }

  /** Cameras whose tenures (none, when forgotten) are to be remembered: those changed since the last call, by id. */
  takeChanged(): string[] {
    if (this.changed.size === 0) return [];
    const cameras = [...this.changed].sort();
    this.changed.clear();
    return cameras;
  }

  /**
   * Table 3: the cameras that this server manages or has managed. `presentManager` names who manages a camera now (or
   * did last, when it is offline); its tenure, if it is the newest here, is not a previous one.
   */
  view(
    stateOf: (camera: string) => HistoryView[number]['state'],
    presentManager: (camera: string) => string | undefined,
  ): HistoryView {
    return this.cameras()
      .filter((camera) => this.lastOwnEpoch(camera) > 0)
      .map((camera) => {
        const tenures = ownersOf(this.stored(camera));
        const newest = tenures.reduce((a, b) => (b.lastEpoch >= a.lastEpoch ? b : a));
        const present = newest.server === presentManager(camera) ? newest : undefined;
        const previous = tenures.filter((tenure) => tenure !== present);
        return {
          camera,
          state: stateOf(camera),
          previousOwners: previous.map(({ server }) => server),
          tenures: tenures.map((tenure) => ({ ...tenure })),
        };
      });
  }

  private stored(camera: string): readonly Tenure[] {
    return this.table.get(camera) ?? [];
  }

  private ownOpen(camera: string): Tenure[] {
    return this.stored(camera).filter((tenure) => this.isOwnOpen(tenure));
  }

  private isOwnOpen({ server, toUs }: Tenure): boolean {
    return server === this.self && toUs === 0;
  }

  private put(camera: string, tenures: readonly Tenure[]): void {
    const known = this.stored(camera);
    if (tenures === known) return;
    const kept = tenures.length > tenuresMax.perCamera ? this.newest(tenures) : tenures;
    if (equal(kept, known)) return;
    this.count += kept.length - known.length;
    if (kept.length === 0) this.table.delete(camera);
    else this.table.set(camera, kept);
    this.changed.add(camera);
  }

  /** As many of one camera's tenures as are kept: those with the highest epochs, and this server's open ones. */
  private newest(tenures: readonly Tenure[]): readonly Tenure[] {
    const order = (a: Tenure, b: Tenure): number =>
      Number(this.isOwnOpen(b)) - Number(this.isOwnOpen(a)) || b.lastEpoch - a.lastEpoch || byEpoch(b, a);
    return [...tenures].sort(order).slice(0, tenuresMax.perCamera).sort(byEpoch);
  }

  /**
   * Drops the tenures that ended (or, when nobody told the end, began) longest ago. A sixteenth at a time, so that a
   * flood of news does not mean a search through the table for each.
   */
  private makeRoom(): void {
    if (this.count <= tenuresMax.all) return;
    const excess = this.count - tenuresMax.all + Math.floor(tenuresMax.all / 16);
    const ages = [...this.table.values()]
      .flat()
      .filter((tenure) => !this.isOwnOpen(tenure))
      .sort((a, b) => (a.toUs || a.fromUs) - (b.toUs || b.fromUs));
    const gone = new Set(ages.slice(0, excess));
    for (const camera of new Set(ages.slice(0, excess).map((tenure) => tenure.camera))) {
      this.put(
        camera,
        this.stored(camera).filter((tenure) => !gone.has(tenure)),
      );
    }
  }
}

function equal(a: readonly Tenure[], b: readonly Tenure[]): boolean {
  return a.length === b.length && a.every((tenure, at) => tenure === b[at]);
}
