/** Where recordings may lie, for a request: here alone when another server asks, everywhere for a person. */
import type { Context } from 'hono';
import type { Clock } from '../base/clock.ts';
import type { Archive } from '../recording/archive.ts';
import type { Directory, PeerClient } from './directory.ts';
import { peersFor } from './forwarding.ts';
import { type Holder, holdersOf, ownHolder } from './holders.ts';
import { type Env, own, Refusal } from './routing.ts';
import { parseRange, type RangeDefaults, type TimeRange } from './time-query.ts';

export interface RecordingSources {
  readonly directory: Directory;
  readonly archive: Archive;
  readonly peers: PeerClient;
  readonly clock: Clock;
}

/** Who is to be asked, on behalf of whoever sent this request. */
export function sourcesFor(
  c: Context<Env>,
  options: RecordingSources,
): { holders: Holder[]; unreachable: string[] } {
  return holdersFor(own(c), { ...options, peers: peersFor(c, options.peers) });
}

/** Who is to be asked: this server alone when `alone`, on behalf of whom `peers` ask. */
export function holdersFor(
  alone: boolean,
  { directory, archive, ...rest }: RecordingSources,
): { holders: Holder[]; unreachable: string[] } {
  if (alone) return { holders: [ownHolder(directory.self, archive)], unreachable: [] };
  return holdersOf(directory, { archive, ...rest });
}

/** The range of a query; refuses with 400 what is none. */
export function rangeOf(
  query: { readonly from?: string | undefined; readonly to?: string | undefined },
  defaults?: RangeDefaults,
): TimeRange {
  const range = parseRange(query, defaults);
  if (range.ok) return range.value;
  const advice = 'Ask for ?from=2026-11-22T12:00:00Z&to=2026-11-22T12:10:00Z, or Unix seconds.';
  throw new Refusal(400, range.reason, advice);
}
