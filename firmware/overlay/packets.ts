/**
 * Every packet of the overlay [0048][0049], declared once. Two are anycast datagrams (ss-join, cam-join), all others
 * are frames on TCP links; on both carriers a packet is `u16 number | header | body`.
 *
 * Invariants: numbers are append-only; a packet whose number is unknown here is skipped, not fatal, so that old and
 * new firmware can share a site; every list is bounded. Costs are microseconds of round trip, `utcUs` is µs since 1970.
 */
import {
  appended,
  bytes,
  fixedBytes,
  flag,
  i64,
  list,
  oneOf,
  optional,
  shortText,
  struct,
  u8,
  u16,
  u32,
  u64,
  type ValueOf,
} from '../base/codec.ts';
import { shortId as id } from '../base/ids.ts';
import { interned } from '../base/interned.ts';
import { eventPacket } from './event-packet.ts';
import { steerPacket } from './steer-packet.ts';

/** Raised when a packet changes in a way that old firmware cannot read. */
export const protocolVersion = 2;

/** Bytes of the number that makes each join unique and that every offer repeats. */
export const nonceBytes = 16;
/** Bytes of the number of a reconfiguration: a hash of the dead. */
export const incidentBytes = 8;
/** Bytes of a digest of tables. */
export const digestBytes = 16;

/** Most cameras one unit may carry. */
export const camerasPerUnitMax = 8;
/** Most camera units one server may list. */
export const unitsPerServerMax = 256;
/** Most neighbors of its neighbors that a card tells of, altogether: it must fit a frame. */
export const toldNeighborsMax = 1_024;
/** Most links one server may have, repair allowance included. */
export const linksPerServerMax = 64;
/** Most entries of each kind in one ss-exchange. */
export const exchangeMax = { rows: 256, versions: 1_500, tenures: 512, documentRows: 256 } as const;
/** Longest value in a row of the site document, in bytes. */
export const documentValueBytesMax = 4_096;

/** A reading of a hybrid logical clock: ms since 1970, and a count for what happens within one ms. */
const hlc = struct({ ms: u64, count: u16 });
export type HlcTime = ValueOf<typeof hlc>;

/** What a network is called: its founder and when it was founded. See network-id.ts for the order. */
const networkId = struct({
  /** a lone server's network is provisional until it has met another */
  standing: oneOf(['established', 'provisional']),
  /** whether the founder's clock was set */
  trusted: flag,
  founded: hlc,
  founder: id,
});
export type NetworkId = ValueOf<typeof networkId>;

/** What every packet says of its sender. */
const header = struct({
  /** the first byte of every packet, for ever */
  version: u8,
  /** the site the sender belongs to */
  site: id,
  sender: id,
  /** raised at every start of the sender */
  incarnation: u32,
  /** the network it is in, or (a camera, a server that joins) was in last */
  network: optional(networkId),
});
export type PacketHeader = ValueOf<typeof header>;
export { header as headerCodec };

/** Where a unit can be dialled. */
const address = struct({ host: shortText(64), port: u16 });
export type Address = ValueOf<typeof address>;

const nonce = fixedBytes(nonceBytes);

/** A camera unit as its manager describes it to everybody. */
const unitRow = struct({
  unit: id,
  epoch: u32,
  online: flag,
  link: address,
  cameras: list(id, camerasPerUnitMax),
});
export type UnitRow = ValueOf<typeof unitRow>;

/**
 * What one server says of itself; everyone else only passes it on. Newer = higher (incarnation, version). Even
 * versions are the owner's; an odd one is said by those who buried it, or by itself when it leaves.
 */
const originRow = interned(
  struct({
    origin: id,
    incarnation: u32,
    version: u32,
    /** why an odd version was said */
    standing: oneOf(['alive', 'dead', 'left']),
    link: address,
    pageUrl: shortText(200),
    /** `hashOf` each neighbor's id, sorted: enough to see whether there is a path, and nothing else */
    neighbors: list(u32, linksPerServerMax),
    units: list(unitRow, unitsPerServerMax),
  }),
  // its origin, incarnation and version
  (bytes, offset) => 1 + (bytes[offset] ?? 0) + 8,
);
export type OriginRow = ValueOf<typeof originRow>;

/** A neighbor as its neighbor describes it: to the receiver a 2-hop neighbor. */
const cardNeighbor = struct({
  server: id,
  incarnation: u32,
  link: address,
  joinTime: hlc,
  costUs: u32,
  neighbors: list(id, linksPerServerMax),
});
export type CardNeighbor = ValueOf<typeof cardNeighbor>;

/** A server's configuration, told to its 1-hop neighbors only. */
const card = struct({
  version: u32,
  link: address,
  joinTime: hlc,
  /** share of its capacity in use, per mille */
  load: u16,
  neighbors: list(cardNeighbor, linksPerServerMax),
});
export type Card = ValueOf<typeof card>;

/** One server's uninterrupted management of one camera; `toUs` is 0 while it lasts. */
const tenure = struct({
  camera: id,
  server: id,
  firstEpoch: u32,
  lastEpoch: u32,
  fromUs: i64,
  toUs: i64,
});
export type Tenure = ValueOf<typeof tenure>;

/** A row of the site document: the last writer wins; without a value it is a deletion. */
const documentRow = struct({
  kind: shortText(32),
  id: shortText(96),
  time: hlc,
  author: id,
  value: optional(bytes(documentValueBytesMax)),
});
export type DocumentRow = ValueOf<typeof documentRow>;

/** Which row of an origin a server has. */
const rowVersion = struct({ origin: id, incarnation: u32, version: u32 });
export type RowVersion = ValueOf<typeof rowVersion>;

/** Part of a server's rows, sorted by origin: those above `after`, up to the last one named or, without `more`, all. */
const versionList = struct({
  after: shortText(32),
  more: flag,
  rows: list(rowVersion, exchangeMax.versions),
});
export type VersionList = ValueOf<typeof versionList>;

const knownServer = struct({ server: id, link: address });
export type KnownServer = ValueOf<typeof knownServer>;

export const bodies = {
  /** anycast, server → network: I am here, dial me */
  'ss-join': struct({
    nonce,
    link: address,
    /** how many hops the entry forwards it */
    ring: u8,
    /** how often it was asked before without an answer */
    attempt: u8,
    /** neighbors it has already */
    degree: u8,
  }),
  /** answers a join (with its nonce), or ends a handshake (without): then the server may become a neighbor */
  'ss-response': struct({
    nonce: optional(nonce),
    link: address,
    /** given to a server that had none, or that is the later of two networks */
    joinTime: optional(hlc),
  }),
  /** new server → the server that answered, or that it has chosen: be my neighbor */
  'ss-connection': struct({ link: address, joinTime: optional(hlc) }),
  /** who has a new neighbor → its 1-hop neighbors, and theirs */
  'ss-arriving': struct({ server: id, link: address, joinTime: hlc, hops: u8 }),
  /** liveness and cost; with a subject: is that server alive? */
  'ss-echo': struct({
    request: u32,
    reply: flag,
    /** the dialler's smoothed round trip, so that both ends know the same cost; 0 = not known yet */
    costUs: u32,
    subject: optional(id),
    verdict: oneOf(['none', 'alive', 'silent']),
  }),
  /** what has changed: rows, the sender's card, tenures, the site document; or digests to find out */
  'ss-exchange': struct({
    card: optional(card),
    rows: list(originRow, exchangeMax.rows),
    /** of all rows and the document; a receiver that differs answers with `versions` */
    digest: optional(fixedBytes(digestBytes)),
    /** rows the sender has: send what is newer, and your own list if this one has more */
    versions: optional(versionList),
    tenures: list(tenure, exchangeMax.tenures),
    /** not 0: the tenures are handed over and the receiver answers with the same number in `received` */
    request: u32,
    received: u32,
    document: list(documentRow, exchangeMax.documentRows),
  }),
  /** former neighbor of a dead server → another: be my neighbor in its place; or two parts come together (no dead) */
  'ss-reconnection': struct({ link: address, joinTime: hlc, dead: optional(id) }),
  /** removes a redundant link under the exchange lock, refuses a connection, or says that the sender leaves */
  'ss-disconnection': struct({
    stage: oneOf(['lock', 'locked', 'busy', 'commit', 'done', 'refused', 'leave', 'left', 'release']),
    fence: u32,
    /** the common neighbor that keeps the two connected */
    witness: optional(id),
    neighbors: list(id, linksPerServerMax),
    reason: shortText(100),
  }),
  /** adjacent servers died together and nothing beyond them answers: leave and join again */
  'ss-reconfiguration': struct({ incident: fixedBytes(incidentBytes), dead: list(id, 16) }),
  /** anycast, camera unit → network: manage me, dial me */
  'cam-join': struct({
    nonce,
    link: address,
    cameras: list(id, camerasPerUnitMax),
    epoch: u32,
    /** bit rate of all its cameras */
    kbps: u32,
    ring: u8,
    attempt: u8,
    /** the manager it had; that one answers at once */
    lastManager: optional(id),
  }),
  /** server → camera: willing; `epoch` is the highest known for it */
  'cam-response': struct({ nonce, epoch: u32 }),
  /** camera accepts with the new epoch, the server confirms with lease and clock */
  'cam-connection': struct({
    stage: oneOf(['accept', 'confirm']),
    epoch: u32,
    leaseMs: u32,
    utcUs: i64,
    /** how many units its manager has: they would all rejoin together */
    herd: u16,
    /** servers to try when nobody answers */
    known: list(knownServer, 8),
  }),
  /** server → camera and back: alive; `utcUs` is the server's clock, which the reply repeats */
  'cam-echo': struct({ reply: flag, utcUs: i64, herd: u16 }),
  /** server → camera: your manager `server` is dead (or I, your manager, leave): join again */
  'cam-rejoin': struct({ server: id, epoch: u32 }),
  /** hands the control of a camera over; see transfer.ts for the stages */
  'cam-transfer': struct({
    stage: oneOf(['ask', 'grant', 'tell', 'told', 'offer', 'refused']),
    request: u32,
    /** units that the granting server takes */
    tokens: u16,
    /** share of the sender's capacity in use, per mille */
    load: u16,
    unit: optional(id),
    link: optional(address),
    cameras: list(id, camerasPerUnitMax),
    epoch: u32,
    kbps: u32,
    /** the new manager */
    server: optional(id),
    nonce: optional(nonce),
  }),
  /** server → camera: move, zoom, sample fewer frames [0023]; the camera answers with `reply` */
  'cam-control': struct({
    request: u32,
    reply: flag,
    camera: id,
    /** thousandths of a degree */
    panMilli: optional(i64),
    tiltMilli: optional(i64),
    /** per cent */
    zoom: optional(u16),
    framesPerSecond: optional(u8),
    /** in the reply: why it was not done; empty when it was */
    refusal: shortText(100),
    /** how it streams; in the reply all that is in force, and whether the capture had to be restarted for it */
    stream: appended(
      struct({
        bitrateKbps: optional(u32),
        frameRate: optional(u8),
        keyframeIntervalMs: optional(u32),
        /** back to the settings of its unit, before the others are changed */
        reset: flag,
        restarted: flag,
      }),
    ),
  }),
  /** server → camera: turn, zoom, remember; camera → manager: where it looks, as the reply and by itself as it moves */
  'cam-steer': steerPacket,
  /** camera → manager: what its sensors saw; the manager answers once it is kept */
  'cam-event': eventPacket,
  /** server → server: who manages this camera, and who did */
  'cam-query': struct({
    request: u32,
    reply: flag,
    camera: id,
    manager: optional(id),
    link: optional(address),
    epoch: u32,
    state: oneOf(['unknown', 'online', 'offline', 'elsewhere']),
    tenures: list(tenure, exchangeMax.tenures),
  }),
  /** a packet for somebody further away: a join on its ring, or anything for a 2-hop neighbor */
  'ss-relay': struct({
    hops: u8,
    target: optional(id),
    /** who sent the packet inside first, and from where if it was a join */
    from: id,
    host: shortText(64),
    number: u16,
    packet: bytes(48 * 1024),
  }),
} as const;

export const numbers: { readonly [K in PacketName]: number } = {
  'ss-join': 1,
  'ss-response': 2,
  'ss-connection': 3,
  'ss-arriving': 4,
  'ss-echo': 5,
  'ss-exchange': 6,
  'ss-reconnection': 7,
  'ss-disconnection': 8,
  'ss-reconfiguration': 9,
  'cam-join': 10,
  'cam-response': 11,
  'cam-connection': 12,
  'cam-echo': 13,
  'cam-rejoin': 14,
  'cam-transfer': 15,
  'cam-control': 16,
  'cam-query': 17,
  'ss-relay': 18,
  'cam-steer': 19,
  'cam-event': 20,
};

export type PacketName = keyof typeof bodies;
export type PacketBody<K extends PacketName> = ValueOf<(typeof bodies)[K]>;

/** One packet of any name. */
export type Packet = {
  [K in PacketName]: { name: K; header: PacketHeader; body: PacketBody<K> };
}[PacketName];

/** The packet of one name. */
export type PacketOf<K extends PacketName> = Extract<Packet, { name: K }>;
