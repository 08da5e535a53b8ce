/** Times and limits of the overlay, in one place. All times in milliseconds. */

/** A camera rejoins when its manager was silent for this long. */
export const leaseMs = 3_000;
/** A manager echoes its cameras this often: six chances within a lease. */
export const cameraEchoMs = 500;
/** Servers echo each neighbor this often. */
export const serverEchoMs = 700;
/** A link is closed when its other end was silent for this long: four echoes. */
export const linkSilenceMs = 3_000;
/** An answered join must turn into a connection within this time. */
export const offerMs = 5_000;
/** A lease outside these bounds is cut to them, whatever a server says. */
export const leaseBoundsMs = { min: 500, max: 60_000 } as const;
/** An offer may answer one of so many joins: a slow handshake outlives the next join. */
export const outstandingJoinsMax = 3;
/** Epochs and incarnations travel in 32 bits; a peer that claims one so near the end is refused. */
export const counterMax = 0xffff_0000;
/** Changes of a server's own row are spread at most this often. */
export const spreadMs = 100;
/** A camera waits this long for its chosen manager's confirmation, then takes the next offer. */
export const confirmMs = 1_000;
/** Back-off of joins and probes. */
export const joinBackoffMs = { first: 500, max: 30_000 } as const;
/** How soon a server with fewer links than its target asks again, and one with enough. */
export const probeMs = { belowTarget: 10_000, atTarget: 30_000 } as const;
/** Links a server wants, and the most it takes. */
export const degree = { target: 3, max: 8 } as const;
/** A willing server dials after base + load × (its share of capacity used) + a random part. */
export const answerDelayMs = { base: 2, load: 400, jitter: 4 } as const;
/** Offers a camera keeps as fallback while it waits for the confirmation. */
export const fallbackOffersMax = 3;
/** Most servers whose rows are kept, and most cameras in all of them. */
export const originRowsMax = 4_096;
export const originCamerasMax = 16_384;
/** Joins waiting to be answered at one time; a flood beyond it is dropped. */
export const pendingAnswersMax = 256;
