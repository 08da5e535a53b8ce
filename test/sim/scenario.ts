/**
 * A scenario of the simulator as data: what is there, what goes wrong and when, and from when on all is well. It is
 * generated from a seed or read from a file; whatever in it names a unit that is not there is passed over, so that a
 * scenario may be made smaller by leaving things out. Times are ms of virtual time.
 */
import { readFileSync } from 'node:fs';
import type { ProfileName } from '../../firmware/overlay/constants.ts';
import type { PacketName } from '../../firmware/overlay/packets.ts';
import type { Weather } from './paths.ts';

export interface ClockPlan {
  readonly rate?: number;
  readonly monotonicStartMs?: number;
  /** a clock that begins in 1970, and is not trusted */
  readonly is1970?: boolean;
  /** a clock that is set, but wrong */
  readonly utcOffMs?: number;
}

export interface ServerPlan {
  readonly id: string;
  readonly startMs: number;
  readonly camerasMax?: number;
  readonly clock?: ClockPlan;
  /** older firmware: knows no packet from this number on */
  readonly skipsFrom?: number;
  /** newer firmware: says something that nobody here knows */
  readonly speaksUnknown?: boolean;
}

export interface CameraPlan {
  readonly id: string;
  readonly startMs: number;
  readonly cameras?: readonly string[];
  readonly clock?: ClockPlan;
}

/** Which units: named, or found in the network when the time comes. */
export type Target =
  | readonly string[]
  /** the server with the most links; two servers with a link; three in a row */
  | { readonly pick: 'hub' | 'pair' | 'chain' }
  /** this share of the live servers, but never all */
  | { readonly percent: number };

export interface Restart {
  readonly afterMs: number;
  readonly disk: 'kept' | 'stale' | 'lost';
  readonly staleMs?: number;
}

export type Fault = { readonly at: number } & (
  | { readonly kind: 'weather'; readonly weather: Partial<Weather>; readonly forMs: number }
  | {
      readonly kind: 'cut';
      readonly pairs: readonly (readonly [string, string])[];
      readonly oneWay: boolean;
      readonly forMs: number;
    }
  | { readonly kind: 'partition'; readonly groups: readonly (readonly string[])[]; readonly forMs: number }
  | { readonly kind: 'links'; readonly a: string; readonly b: string; readonly how: 'silent' | 'reset' }
  | {
      readonly kind: 'crash';
      readonly units: Target;
      readonly machine: 'on' | 'off';
      readonly lostShare: number;
      readonly routeStays?: boolean;
      readonly restart?: Restart;
    }
  | {
      readonly kind: 'fuse';
      readonly unit: string;
      readonly packet: PacketName;
      readonly way: 'sent' | 'received';
      readonly count: number;
      readonly machineToo: boolean;
      readonly restart?: Restart;
    }
  | { readonly kind: 'leave'; readonly unit: string; readonly restart?: Restart }
  | { readonly kind: 'pause'; readonly unit: string; readonly forMs: number; readonly timersFirst: boolean }
  | { readonly kind: 'clock-step'; readonly unit: string; readonly byMs: number }
  /** the network has told the unit the time */
  | { readonly kind: 'clock-set'; readonly unit: string }
  | { readonly kind: 'disk-refuses'; readonly unit: string; readonly forMs: number }
  /** other servers are the nearest now */
  | { readonly kind: 'reroute' }
  /** an attacker sends what it overheard, perhaps after the nonces are forgotten */
  | { readonly kind: 'replay'; readonly count: number; readonly forgotten: boolean }
  /** an attacker without the key claims to be this unit */
  | { readonly kind: 'forge'; readonly unit: string }
  | {
      readonly kind: 'write';
      readonly server: string;
      readonly id: string;
      readonly value: string | undefined;
    }
  | { readonly kind: 'query'; readonly server: string; readonly camera: string }
);

export type EndpointKind = 'multicast' | 'anycast' | 'seeds';

export interface Scenario {
  /** of all randomness in the run */
  readonly seed: number;
  /** why a scenario in a file is kept */
  readonly about?: string;
  readonly profile: ProfileName;
  readonly latencyMs: number;
  readonly spreadMs: number;
  readonly endpoints: readonly EndpointKind[];
  readonly degree: { readonly target: number; readonly max: number };
  readonly servers: readonly ServerPlan[];
  readonly cameras: readonly CameraPlan[];
  readonly faults: readonly Fault[];
  /** everything heals and nothing goes wrong any more */
  readonly healMs: number;
}

/** Reads a scenario file. The files are ours: a wrong one fails loudly, not gracefully. */
export function readScenario(file: string): Scenario {
  const scenario = JSON.parse(readFileSync(file, 'utf8')) as Scenario;
  for (const key of ['seed', 'profile', 'servers', 'cameras', 'faults', 'healMs'] as const) {
    if (scenario[key] === undefined) throw new Error(`${file}: no ${key}`);
  }
  return scenario;
}
