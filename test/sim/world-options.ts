/** What a simulated world is made with, and who may watch it. */
import { type Profile, profiles } from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import type { Endpoint } from './anycast-carrier.ts';
import type { Weather } from './paths.ts';
import type { SimUnit } from './sim-unit.ts';

export interface WorldOptions {
  readonly seed?: number;
  readonly profile?: Profile;
  /** one way, default 1 */
  readonly latencyMs?: number;
  /** each path has a latency of its own, up to this much more; default 0 */
  readonly spreadMs?: number;
  readonly weather?: Partial<Weather>;
  readonly endpoints?: readonly Endpoint[];
  /** keep packets and stories; default true */
  readonly record?: boolean;
}

/** How much more patient than in `lan` units of this profile are: a time that rests on theirs is so much longer. */
export function patience({ suspectMs }: Profile): number {
  return suspectMs / profiles.lan.suspectMs;
}

/** Sees everything; for invariants. */
export interface Watcher {
  started?(unit: SimUnit): void;
  ended?(unit: SimUnit): void;
  /** before the node sees it */
  event?(unit: SimUnit, event: OverlayEvent): void;
  /** what the node answered to an event, before it is performed */
  effects?(unit: SimUnit, event: OverlayEvent, effects: readonly Effect[]): void;
}
