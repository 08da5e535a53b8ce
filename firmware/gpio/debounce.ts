/**
 * From the level of a line, which bounces, to something that has begun or ended. It has begun once the line was active
 * for `beginMs` without a break, and ended once it was inactive for `endMs`. Both are told with the moment at which the
 * line changed, not the later one at which that became certain.
 */
import type { Clock } from '../base/clock.ts';

export interface DebounceOptions {
  readonly clock: Clock;
  /** 0: at once */
  readonly beginMs: number;
  readonly endMs: number;
  /** `sinceMs` is monotonic */
  readonly onChange: (active: boolean, sinceMs: number) => void;
}

export class Debounce implements Disposable {
  private readonly options: DebounceOptions;
  private told = false;
  private level = false;
  private cancel = (): void => undefined;

  constructor(options: DebounceOptions) {
    this.options = options;
  }

  /** What has been told last. */
  get active(): boolean {
    return this.told;
  }

  /** The line's level, at first or after a change; the same level again changes nothing. */
  take(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    this.cancel();
    if (level === this.told) return;
    const { clock, beginMs, endMs } = this.options;
    const sinceMs = clock.monotonicMs();
    const waitMs = level ? beginMs : endMs;
    if (waitMs === 0) this.tell(sinceMs);
    else this.cancel = clock.after(waitMs, () => this.tell(sinceMs));
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  private tell(sinceMs: number): void {
    this.told = this.level;
    this.options.onChange(this.told, sinceMs);
  }
}
