/**
 * The one clock of several players: a wall-clock that runs at a speed, stands still while somebody pauses it or while a
 * player has nothing to show yet. Pure: it is told how to read a monotonic clock. Times in ms.
 */

export class PlaybackClock {
  private readonly monotonicMs: () => number;
  private baseMs: number;
  private sinceMs: number;
  private rate = 1;
  private moving = false;

  constructor(atMs: number, monotonicMs: () => number) {
    this.monotonicMs = monotonicMs;
    this.baseMs = atMs;
    this.sinceMs = monotonicMs();
  }

  /** What time it plays, UTC. */
  get atMs(): number {
    return this.moving ? this.baseMs + (this.monotonicMs() - this.sinceMs) * this.rate : this.baseMs;
  }

  get running(): boolean {
    return this.moving;
  }

  get speed(): number {
    return this.rate;
  }

  set(atMs: number): void {
    this.baseMs = atMs;
    this.sinceMs = this.monotonicMs();
  }

  setSpeed(speed: number): void {
    this.set(this.atMs);
    this.rate = speed;
  }

  run(): void {
    if (this.moving) return;
    this.set(this.baseMs);
    this.moving = true;
  }

  hold(): void {
    if (!this.moving) return;
    this.set(this.atMs);
    this.moving = false;
  }
}

/** What brings a player to where the clock is. */
export type Correction = { readonly kind: 'rate'; readonly rate: number } | { readonly kind: 'seek' };

/** Ahead by more than this many seconds of media is too far for a rate nobody notices. */
const seekSeconds = 0.4;
/** A player so near is left alone. */
const nearSeconds = 0.012;

/**
 * How to correct a player that is `aheadSeconds` of media before the clock (negative: behind) and plays at `speed`: by at
 * most a fifth of the speed, so that most of the difference is gone in a second, or by a seek.
 */
export function correctionOf(aheadSeconds: number, speed: number): Correction {
  if (Math.abs(aheadSeconds) > seekSeconds * Math.max(1, speed)) return { kind: 'seek' };
  if (Math.abs(aheadSeconds) < nearSeconds * Math.max(1, speed)) return { kind: 'rate', rate: speed };
  const share = Math.max(-0.2, Math.min(0.2, (-2 * aheadSeconds) / Math.max(0.25, speed)));
  return { kind: 'rate', rate: Math.round(speed * (1 + share) * 200) / 200 };
}
