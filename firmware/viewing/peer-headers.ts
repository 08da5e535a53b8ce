/**
 * Headers between servers. (The other one is `x-starling-user`: on whose behalf a server asks; io/peer-client.ts sends it and
 * access/identification.ts reads it.)
 */

/** Asks for an answer from that server alone. */
export const ownHeader = 'x-starling-own';
