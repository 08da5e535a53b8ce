/**
 * The clock mapping of each sample of one camera: that of the unit, made less certain by what the pipeline's start left
 * open.
 *
 * Invariants: UTC of a camera's samples does not go back but where the unit's mapping steps; samples that were captured
 * while nobody knew the date get theirs as soon as somebody does.
 */
import type { UtcMapping } from '../media/sample.ts';
import type { BacklogIntake } from './backlog.ts';
import { type UtcKeeper, unknownUs } from './utc-mapping.ts';

export class SampleDates {
  private readonly utc: UtcKeeper;
  private readonly outbox: BacklogIntake;
  private unit: UtcMapping | undefined;
  private mapping: UtcMapping = { offsetUs: 0, uncertaintyUs: unknownUs };
  private baseUncertaintyUs = 0;
  private steps = 0;
  /** UTC of the latest sample */
  private latestUs = 0;

  constructor(utc: UtcKeeper, outbox: BacklogIntake) {
    this.utc = utc;
    this.outbox = outbox;
  }

  /**
   * `leads`: a picture that can be decoded by itself, or a sound where there are no pictures. `baseUncertaintyUs`: how far
   * the PTS of this capture may be off. The same object until something changed.
   */
  mappingFor(
    { ptsUs, leads }: { readonly ptsUs: number; readonly leads: boolean },
    baseUncertaintyUs: number,
  ): UtcMapping {
    this.baseUncertaintyUs = baseUncertaintyUs;
    this.settle();
    const unit = this.utc.mapping();
    const next = this.withBase(unit);
    const same = this.unit === unit && this.mapping.uncertaintyUs === next.uncertaintyUs;
    const steps = this.steps !== this.utc.steps;
    // A step waits for a keyframe, so that no GOP has two dates; what goes back, for a sample that is further from the
    // one before: pictures are.
    const waits = steps ? !leads : ptsUs + unit.offsetUs < this.latestUs;
    if (!same && (this.unit === undefined || !waits)) this.take(unit, next);
    this.latestUs = Math.max(this.latestUs, ptsUs + this.mapping.offsetUs);
    return this.mapping;
  }

  /** Gives what waits its date, if that was not known and is now. */
  settle(): void {
    const unit = this.utc.mapping();
    if (this.unit === undefined || this.mapping.uncertaintyUs < unknownUs || !this.utc.known) return;
    const shiftUs = unit.offsetUs - this.mapping.offsetUs;
    this.take(unit, this.withBase(unit));
    this.outbox.redate(this.mapping, shiftUs);
  }

  private withBase({ offsetUs, uncertaintyUs }: UtcMapping): UtcMapping {
    const least = this.utc.known ? unknownUs - 1 : unknownUs;
    return { offsetUs, uncertaintyUs: Math.min(uncertaintyUs + this.baseUncertaintyUs, least) };
  }

  private take(unit: UtcMapping, mapping: UtcMapping): void {
    if (this.steps !== this.utc.steps) this.latestUs = 0;
    this.steps = this.utc.steps;
    this.unit = unit;
    this.mapping = mapping;
  }
}
