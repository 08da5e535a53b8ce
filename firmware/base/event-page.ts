/** Lists of events, the newest first, that are told page by page: of one server, and of several as one. */

/** Times of events are whole ms, µs. */
export const eventStepUs = 1_000;

/** What is known down to some time. */
export interface EventPage<E extends { readonly fromUs: number }> {
  /** the newest first */
  readonly events: E[];
  /** all that begin here or later were told, so older ones are asked for with it as `toUs`; undefined: there are none */
  readonly nextUs: number | undefined;
}

/**
 * Where to go on when something that begins at `leftUs` was not told: its ms is told again as a whole, unless it is
 * the newest one that was asked for, which would never end.
 */
export function goOnUs(leftUs: number, newestUs: number): number {
  return leftUs < newestUs ? leftUs + eventStepUs : leftUs;
}

/** The first `limit` of all events there are, the newest first; what begins in one ms is not parted if it fits. */
export function cutEvents<E extends { readonly fromUs: number }>(
  events: readonly E[],
  limit: number,
): EventPage<E> {
  const [newest, left] = [events[0], events[limit]];
  if (newest === undefined || left === undefined) return { events: [...events], nextUs: undefined };
  const nextUs = goOnUs(left.fromUs, newest.fromUs);
  return { events: events.slice(0, limit).filter(({ fromUs }) => fromUs >= nextUs), nextUs };
}
