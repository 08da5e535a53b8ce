/**
 * Times and limits of the overlay, in one place. All times in milliseconds. Times that depend on the network are in a
 * profile: `lan` is the default, `wifi` is four times and `wan` eight times as patient.
 */

export interface Profile {
  /** the dialler of a link between servers echoes this often; the reply shows the other way */
  readonly echoMs: number;
  /** a neighbor is suspected after this silence: two echoes missed, and what a busy machine needs */
  readonly suspectMs: number;
  /** a neighbor that is asked about a third server tries it for this long */
  readonly indirectMs: number;
  /** a suspected neighbor is dead after this time without refutation */
  readonly buryMs: number;
  /** a manager echoes its cameras this often: three chances within a lease */
  readonly cameraEchoMs: number;
  /** a camera joins again when its manager was silent for this long */
  readonly leaseMs: number;
  /** a camera is offline after this silence */
  readonly cameraSilenceMs: number;
  /** an unanswered join is asked again with a wider ring after this time */
  readonly ringMs: number;
  /** how much longer a camera that rejoins waits for its last manager's offer */
  readonly lastManagerMs: number;
  /** an answer to a request, or a confirmation, must come within this time */
  readonly replyMs: number;
  /** a leaving server stays this long at most for its cameras and its neighbors */
  readonly leaveMs: number;
}

const lan: Profile = {
  echoMs: 700,
  suspectMs: 1_500,
  indirectMs: 500,
  buryMs: 2_000,
  cameraEchoMs: 500,
  leaseMs: 1_500,
  cameraSilenceMs: 2_000,
  ringMs: 300,
  lastManagerMs: 200,
  replyMs: 1_000,
  leaveMs: 4_000,
};

/** Every time of a profile, `factor` times as long. */
function slower(profile: Profile, factor: number): Profile {
  return Object.fromEntries(
    Object.entries(profile).map(([name, ms]) => [name, (ms as number) * factor]),
  ) as unknown as Profile;
}

export const profiles = { lan, wifi: slower(lan, 4), wan: slower(lan, 8) } as const;
export type ProfileName = keyof typeof profiles;

/** Changes are gathered for this long before they are spread. */
export const batchMs = 100;
/** Neighbors compare their tables this often. */
export const digestMs = 10_000;
/** An offer that is not taken within this time is withdrawn. */
export const offerMs = 5_000;
/** A connection to a server that is not a neighbor is closed after this time without use. */
export const contactIdleMs = 5_000;
/** A lease outside these bounds is cut to them, whatever a server says. */
export const leaseBoundsMs = { min: 500, max: 60_000 } as const;
/** An offer may answer one of so many joins: a slow handshake outlives the next join. */
export const outstandingJoinsMax = 3;
/** Back-off of joins and probes. */
export const joinBackoffMs = { first: 500, max: 30_000 } as const;
/** Hops a join is forwarded by its entry: two first, then four, then everywhere. */
export const rings = [2, 4, 32] as const;
/** Links a server wants, and the most it takes; a repair may exceed it. */
export const degreeDefault = { target: 3, max: 8 } as const;
/** A willing server dials after base + load × (its share of capacity used) + a random part. */
export const answerDelayMs = { base: 2, load: 200, jitter: 4 } as const;
/** Of a join that all servers hear, about so many answer at the first time. */
export const answersWanted = 12;
/** Offers a joiner holds at one time. */
export const pendingOffersMax = 3;
/** Joins waiting to be answered at one time; a flood beyond it is dropped. */
export const pendingAnswersMax = 256;
/** Servers heard to join count as present on the segment for so long, and at most so many of them. */
export const callersMs = 10_000;
export const callersMax = 4_096;
/** After a power cut of all, servers call within about so long of each other. */
export const callingMs = 1_000;
/** Joins remembered so that none is forwarded or answered twice. */
export const joinsSeenMax = 16_384;
/** A server with links, but fewer than its target, looks for more after this time. */
export const moreLinksMs = 2_000;
/** A whole network probes for others about this often, whoever of it does. */
export const mergeProbeMs = 10_000;
/** A dead server is tried again this often. */
export const deadRetryMs = 30_000;
/** How many third servers are asked about a suspect. */
export const indirectEchoes = 3;
/** Lifeguard: the most by which a slow server lengthens its own times (1 + this). */
export const healthMax = 7;
/** A tick so much too late means that this server itself was not running. */
export const lateMs = 250;
/** A lock of the exchange expires after this time. */
export const lockLeaseMs = 2_000;
/** How often a server above its target looks for a redundant link; random, up to twice as long. */
export const pruneMs = 2_000;
/** At most one reconfiguration in this time. */
export const reconfigurationMs = 60_000;
/** A join in a reconfiguration waits this long per server that joined earlier. */
export const reconfigurationSlotMs = 100;
/** Repair looks again after this time while somebody is out of reach. */
export const repairMs = 1_000;
/** How long a repair goes on before it is left to the merge probes. */
export const repairGiveUpMs = 20_000;
/** Share of the capacity above which a server hands cameras over. */
export const overload = 0.8;
/** Between two transfers that a server begins because of its load. */
export const transferCooldownMs = 10_000;
/** Units of a dead server that rejoin in one second. */
export const admissionsPerSecond = 50;
/** HLC readings further ahead are not believed. */
export const clockAheadMs = 60_000;
/** Most servers whose rows are kept, and most units in all of them. */
export const originRowsMax = 20_000;
export const originUnitsMax = 65_536;
/** Tenures kept in memory per camera, and altogether. */
export const tenuresMax = { perCamera: 256, all: 65_536 } as const;
/** Rows of the site document. */
export const documentRowsMax = 4_096;
/** Known servers kept over a restart. */
export const knownServersMax = 16;
