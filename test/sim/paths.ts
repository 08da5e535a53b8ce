/**
 * How packets travel: one path per ordered pair of units, with its latency and its cuts, and the weather, which is
 * the same for all. Cuts are counted, so that two faults may cut one path and each heals only its own.
 */
import { draw, keyOf } from './randomness.ts';

/** What happens to datagrams on their way; connections only feel `jitterMs`. Probabilities are 0 to 1. */
export interface Weather {
  loss: number;
  duplicate: number;
  /** a datagram is late by up to this, so that later ones overtake it */
  reorderMs: number;
  /** every packet is late by up to this */
  jitterMs: number;
}

export const fairWeather: Readonly<Weather> = { loss: 0, duplicate: 0, reorderMs: 0, jitterMs: 0 };

/** One way from a unit to another. */
export interface Path {
  readonly from: string;
  readonly to: string;
  readonly key: number;
  cuts: number;
  latencyMs: number;
  /** packets so far: each draws by its number */
  packets: number;
}

export class Paths {
  readonly weather: Weather = { ...fairWeather };
  private readonly paths = new Map<string, Path>();
  private cutCount = 0;
  private readonly seed: number;
  private readonly latencyMs: number;
  private readonly spreadMs: number;

  /** Each path has a latency of its own, from `latencyMs` to `latencyMs + spreadMs`, the same both ways. */
  constructor(seed: number, latencyMs: number, spreadMs: number) {
    this.seed = seed;
    this.latencyMs = latencyMs;
    this.spreadMs = spreadMs;
  }

  between(from: string, to: string): Path {
    const name = `${from}>${to}`;
    const known = this.paths.get(name);
    if (known !== undefined) return known;
    const pair = from < to ? `${from}-${to}` : `${to}-${from}`;
    const latencyMs =
      from === to ? 0 : this.latencyMs + this.spreadMs * draw(keyOf(this.seed, 'latency', pair), 0);
    const path: Path = { from, to, key: keyOf(this.seed, 'path', name), cuts: 0, latencyMs, packets: 0 };
    this.paths.set(name, path);
    return path;
  }

  setLatency(a: string, b: string, ms: number): void {
    this.between(a, b).latencyMs = ms;
    this.between(b, a).latencyMs = ms;
  }

  /** Cuts ordered pairs; the result undoes it, once. */
  cut(pairs: readonly (readonly [string, string])[]): () => void {
    const paths = pairs.map(([from, to]) => this.between(from, to));
    for (const path of paths) path.cuts++;
    this.cutCount += paths.length;
    let healed = false;
    return () => {
      if (healed) return;
      healed = true;
      for (const path of paths) {
        if (path.cuts === 0) continue;
        path.cuts--;
        this.cutCount--;
      }
    };
  }

  /** Undoes all cuts of these ordered pairs. */
  heal(pairs: readonly (readonly [string, string])[]): void {
    for (const [from, to] of pairs) {
      const path = this.between(from, to);
      this.cutCount -= path.cuts;
      path.cuts = 0;
    }
  }

  get anyCut(): boolean {
    return this.cutCount > 0;
  }

  /** How long the next packet takes. */
  delayMs(path: Path): number {
    const { jitterMs } = this.weather;
    const late = jitterMs === 0 ? 0 : jitterMs * draw(path.key, 4 * path.packets);
    path.packets++;
    return path.latencyMs + late;
  }

  /** When the copies of the next datagram arrive, ms from now: none when it is lost, two when it is doubled. */
  datagramDelaysMs(path: Path): number[] {
    const { loss, duplicate, reorderMs } = this.weather;
    const number = 4 * path.packets;
    const delayMs = this.delayMs(path);
    if (path.cuts > 0 || (loss > 0 && draw(path.key, number + 1) < loss)) return [];
    const lateMs = reorderMs === 0 ? 0 : reorderMs * draw(path.key, number + 2);
    const first = delayMs + lateMs;
    if (duplicate === 0 || draw(path.key, number + 3) >= duplicate) return [first];
    return [first, first + 1 + 20 * draw(path.key ^ 0x55, number)];
  }
}
