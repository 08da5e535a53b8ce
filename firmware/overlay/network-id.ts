/**
 * What a network is called, and which of two networks stays when they meet: the other joins it. So simultaneous cold
 * starts and healed partitions become one network, whoever meets whom first.
 *
 * Invariants: the order is total; the name is (founded, founder), the standing may rise from provisional to
 * established while the name stays.
 */
import { compareHlc } from './hlc.ts';
import type { HlcTime, NetworkId } from './packets.ts';

/**
 * Negative when `a` stays and `b` yields. A lone founder yields to a network that has members, a founder whose clock
 * was not set yields to one whose clock was, and then the later yields to the earlier.
 */
export function compareNetworks(a: NetworkId, b: NetworkId): number {
  if (a.standing !== b.standing) return a.standing === 'established' ? -1 : 1;
  if (a.trusted !== b.trusted) return a.trusted ? -1 : 1;
  const order = compareHlc(a.founded, b.founded);
  if (order !== 0) return order;
  if (a.founder === b.founder) return 0;
  return a.founder < b.founder ? -1 : 1;
}

/** Whether both are the same network, whatever its standing was when they were told. */
export function sameNetwork(a: NetworkId, b: NetworkId): boolean {
  return a.founder === b.founder && compareHlc(a.founded, b.founded) === 0;
}

/** The same network once it has more than one server. */
export function establish(network: NetworkId): NetworkId {
  return network.standing === 'established' ? network : { ...network, standing: 'established' };
}

/** The network of a server that nobody answered [0052]; `trusted` tells whether its clock was set. */
export function foundNetwork(founding: {
  readonly founder: string;
  readonly time: HlcTime;
  readonly trusted: boolean;
}): NetworkId {
  const { founder, time, trusted } = founding;
  return { standing: 'provisional', trusted, founded: time, founder };
}
