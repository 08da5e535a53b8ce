/**
 * Segments that may be deleted, oldest first: of some volumes together, or of one camera.
 *
 * Protected recordings pile up where the oldest are, so how far they reach is remembered; now and then it is looked at
 * again, for a clock that was set back records before that.
 */
import type { SegmentRef } from './index-rows.ts';
import type { Ledger } from './ledger.ts';

const segmentsPerRead = 128;
/** How long it is remembered which of the oldest are protected. */
const memoryMs = 3_600_000;
/** Sources that are remembered; beyond them all is forgotten. */
const memoryMax = 4_096;

/** Reads on while it is asked. */
export type SegmentSource = AsyncIterable<SegmentRef>;

interface Protections {
  version(): number;
  isProtected(camera: string, range: { fromUs: number; toUs: number }): boolean;
}

type Read = (limit: number, after: SegmentRef | undefined) => Promise<SegmentRef[]>;

export class SegmentSources {
  private readonly ledger: Ledger;
  private readonly protections: Protections;
  private readonly nowMs: () => number;
  /** the last of the protected ones with which a source begins */
  private readonly heads = new Map<string, SegmentRef>();
  private known = { version: -1, atMs: Number.NEGATIVE_INFINITY };

  constructor(ledger: Ledger, protections: Protections, nowMs: () => number) {
    this.ledger = ledger;
    this.protections = protections;
    this.nowMs = nowMs;
  }

  /** All cameras on these volumes. */
  ofVolumes(volumes: readonly number[]): SegmentSource {
    return merged(
      volumes.map((volume) =>
        this.unprotected(`volume ${volume}`, (limit, after) => this.ledger.oldest(volume, limit, after)),
      ),
    );
  }

  /** One camera, on the volumes that count. */
  async *ofCamera(
    camera: string,
    counts: (volume: number) => boolean,
  ): AsyncGenerator<SegmentRef, void, void> {
    const source = this.unprotected(`camera ${camera}`, (limit, after) =>
      this.ledger.oldestOf(camera, limit, after),
    );
    for await (const ref of source) if (counts(ref.volume)) yield ref;
  }

  private async *unprotected(name: string, read: Read): AsyncGenerator<SegmentRef, void, void> {
    this.forgetOld();
    let after = this.heads.get(name);
    let first = true;
    for (;;) {
      const page = await read(segmentsPerRead, after);
      for (const ref of page) {
        if (this.protections.isProtected(ref.camera, ref)) {
          if (first) this.heads.set(name, ref);
          continue;
        }
        first = false;
        yield ref;
      }
      after = page.at(-1);
      if (after === undefined || page.length < segmentsPerRead) return;
    }
  }

  private forgetOld(): void {
    const version = this.protections.version();
    const atMs = this.nowMs();
    const isOld = version !== this.known.version || atMs >= this.known.atMs + memoryMs;
    if (!isOld && this.heads.size < memoryMax) return;
    this.heads.clear();
    this.known = { version, atMs };
  }
}

/** Several sorted sources as one. */
async function* merged(
  sources: readonly AsyncGenerator<SegmentRef, void, void>[],
): AsyncGenerator<SegmentRef, void, void> {
  const heads: { ref: SegmentRef; rest: AsyncGenerator<SegmentRef, void, void> }[] = [];
  const next = async (rest: AsyncGenerator<SegmentRef, void, void>): Promise<void> => {
    const { value } = await rest.next();
    if (value !== undefined) heads.push({ ref: value, rest });
  };
  try {
    for (const source of sources) await next(source);
    while (heads.length > 0) {
      heads.sort((a, b) => a.ref.fromUs - b.ref.fromUs);
      const head = heads.shift();
      if (head === undefined) return;
      yield head.ref;
      await next(head.rest);
    }
  } finally {
    for (const { rest } of heads) await rest.return();
  }
}
