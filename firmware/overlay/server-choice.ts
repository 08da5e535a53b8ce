/** Why a camera unit has the manager it has, for whoever asks at its console. Ids of servers, monotonic ms. */

export interface ServerChoice {
  readonly server: string;
  readonly epoch: number;
  readonly why:
    | 'it answered first'
    | 'it was the manager before'
    | 'the manager before handed the cameras over';
  /** who else had offered by then, the earliest first */
  readonly others: readonly string[];
  readonly leaseMs: number;
  readonly atMs: number;
}

interface Chosen {
  readonly server: string;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly heardAt: number;
}

/** `before` is the manager before, `moved` whether that one named the server. */
export function serverChoice(
  { server, epoch, leaseMs, heardAt }: Chosen,
  given: {
    readonly offers: readonly { readonly server: string }[];
    readonly before: string | undefined;
    readonly moved: boolean;
  },
): ServerChoice {
  const again = given.before === server ? 'it was the manager before' : 'it answered first';
  const why = given.moved ? 'the manager before handed the cameras over' : again;
  const others = [...new Set(given.offers.map((offer) => offer.server))].filter((other) => other !== server);
  return { server, epoch, why, others, leaseMs, atMs: heardAt };
}
