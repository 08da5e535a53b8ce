/** Arbitrary packets of the overlay: any value that its declaration allows, with short lists. */
import fc from 'fast-check';
import { isPresetName } from '../../firmware/base/given-name.ts';
import * as wire from '../../firmware/overlay/packets.ts';
import type { SteerWish } from '../../firmware/overlay/steer-packet.ts';

const plain = { noNullPrototype: true };
const few = { maxLength: 3 };
/** Integers from 0 to `max`, the ends often. */
export const upTo = (max: number): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(0, max));
const u8 = upTo(0xff);
const u16 = upTo(0xffff);
const u32 = upTo(0xffff_ffff);
const i64 = fc.maxSafeInteger();
export const bytes = (minLength: number, maxLength = minLength): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const text = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength: max }).filter((value) => Buffer.byteLength(value) <= max);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const listOf = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, few);
/** A plain object of these fields. */
export const record = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, plain) as fc.Arbitrary<T>;

const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
const nonce = bytes(wire.nonceBytes);
const hlc = record<wire.HlcTime>({ ms: fc.maxSafeNat(), count: u16 });
const link = record<wire.Address>({ host: fc.oneof(fc.ipV4(), fc.ipV6(), text(64)), port: u16 });
const network = record<wire.NetworkId>({
  standing: fc.constantFrom('established', 'provisional'),
  trusted: fc.boolean(),
  founded: hlc,
  founder: id,
});
const header = record<wire.PacketHeader>({
  version: fc.constant(wire.protocolVersion),
  site: id,
  sender: id,
  incarnation: u32,
  network: maybe(network),
});
const unitRow = record<wire.UnitRow>({
  unit: id,
  epoch: u32,
  online: fc.boolean(),
  link,
  cameras: listOf(id),
});
const originRow = record<wire.OriginRow>({
  origin: id,
  incarnation: u32,
  version: u32,
  standing: fc.constantFrom('alive', 'dead', 'left'),
  link,
  pageUrl: text(200),
  neighbors: listOf(u32),
  units: listOf(unitRow),
});
const cardNeighbor = record<wire.CardNeighbor>({
  server: id,
  incarnation: u32,
  link,
  joinTime: hlc,
  costUs: u32,
  neighbors: listOf(id),
});
const card = record<wire.Card>({
  version: u32,
  link,
  joinTime: hlc,
  load: u16,
  neighbors: listOf(cardNeighbor),
});
const tenure = record<wire.Tenure>({
  camera: id,
  server: id,
  firstEpoch: u32,
  lastEpoch: u32,
  fromUs: i64,
  toUs: i64,
});
const documentRow = record<wire.DocumentRow>({
  kind: text(32),
  id: text(96),
  time: hlc,
  author: id,
  value: maybe(bytes(0, 40)),
});
const rowVersion = record<wire.RowVersion>({ origin: id, incarnation: u32, version: u32 });
const known = record<wire.KnownServer>({ server: id, link });

const thousandths = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((value) => value / 1000);
const degrees = thousandths(-360, 360);
const share = thousandths(-1, 1);
const range = record({ min: degrees, max: degrees });
const place = record({ pan: degrees, tilt: degrees, zoom: thousandths(1, 64) });
const presetName = fc.string({ unit: 'grapheme', maxLength: 32 }).filter(isPresetName);
const steerWish = record<SteerWish>({
  verb: fc.constantFrom('ask', 'stop', 'to', 'by', 'run', 'recall', 'save', 'drop'),
  pan: maybe(thousandths(-720, 720)),
  tilt: maybe(thousandths(-720, 720)),
  zoom: maybe(thousandths(-100, 100)),
  velocity: maybe(record({ pan: share, tilt: share, zoom: share })),
  preset: maybe(presetName),
});

/** A body of each packet; the compiler sees to it that none is missing and no field is. */
const bodies: { readonly [K in wire.PacketName]: fc.Arbitrary<wire.PacketBody<K>> } = {
  'ss-join': record({ nonce, link, ring: u8, attempt: u8, degree: u8 }),
  'ss-response': record({ nonce: maybe(nonce), link, joinTime: maybe(hlc) }),
  'ss-connection': record({ link, joinTime: maybe(hlc) }),
  'ss-arriving': record({ server: id, link, joinTime: hlc, hops: u8 }),
  'ss-echo': record<wire.PacketBody<'ss-echo'>>({
    request: u32,
    reply: fc.boolean(),
    costUs: u32,
    subject: maybe(id),
    verdict: fc.constantFrom('none', 'alive', 'silent'),
  }),
  'ss-exchange': record({
    card: maybe(card),
    rows: listOf(originRow),
    digest: maybe(bytes(wire.digestBytes)),
    versions: maybe(
      record({ after: fc.oneof(fc.constant(''), id), more: fc.boolean(), rows: listOf(rowVersion) }),
    ),
    tenures: listOf(tenure),
    request: u32,
    received: u32,
    document: listOf(documentRow),
  }),
  'ss-reconnection': record({ link, joinTime: hlc, dead: maybe(id) }),
  'ss-disconnection': record<wire.PacketBody<'ss-disconnection'>>({
    stage: fc.constantFrom('lock', 'locked', 'busy', 'commit', 'done', 'refused', 'leave', 'left', 'release'),
    fence: u32,
    witness: maybe(id),
    neighbors: listOf(id),
    reason: text(100),
  }),
  'ss-reconfiguration': record({ incident: bytes(wire.incidentBytes), dead: listOf(id) }),
  'cam-join': record({
    nonce,
    link,
    cameras: listOf(id),
    epoch: u32,
    kbps: u32,
    ring: u8,
    attempt: u8,
    lastManager: maybe(id),
  }),
  'cam-response': record({ nonce, epoch: u32 }),
  'cam-connection': record<wire.PacketBody<'cam-connection'>>({
    stage: fc.constantFrom('accept', 'confirm'),
    epoch: u32,
    leaseMs: u32,
    utcUs: i64,
    herd: u16,
    known: listOf(known),
  }),
  'cam-echo': record({ reply: fc.boolean(), utcUs: i64, herd: u16 }),
  'cam-rejoin': record({ server: id, epoch: u32 }),
  'cam-transfer': record<wire.PacketBody<'cam-transfer'>>({
    stage: fc.constantFrom('ask', 'grant', 'tell', 'told', 'offer', 'refused'),
    request: u32,
    tokens: u16,
    load: u16,
    unit: maybe(id),
    link: maybe(link),
    cameras: listOf(id),
    epoch: u32,
    kbps: u32,
    server: maybe(id),
    nonce: maybe(nonce),
  }),
  'cam-control': record({
    request: u32,
    reply: fc.boolean(),
    camera: id,
    panMilli: maybe(i64),
    tiltMilli: maybe(i64),
    zoom: maybe(u16),
    framesPerSecond: maybe(u8),
    refusal: text(100),
    stream: maybe(
      record({
        bitrateKbps: maybe(u32),
        frameRate: maybe(u8),
        keyframeIntervalMs: maybe(u32),
        reset: fc.boolean(),
        restarted: fc.boolean(),
      }),
    ),
  }),
  'cam-steer': record<wire.PacketBody<'cam-steer'>>({
    request: u32,
    camera: id,
    wish: maybe(steerWish),
    refusal: text(100),
    position: maybe(place),
    moving: fc.boolean(),
    mount: maybe(
      record({
        pan: maybe(range),
        tilt: maybe(range),
        zoomMax: thousandths(1, 64),
        fieldOfView: degrees,
        presets: fc.array(record({ name: presetName, place }), few),
      }),
    ),
  }),
  'cam-event': record<wire.PacketBody<'cam-event'>>({
    camera: id,
    batch: u32,
    reply: fc.boolean(),
    kinds: fc.array(id, { maxLength: 8 }),
    events: fc.array(
      record({ kind: id, sensor: fc.oneof(id, fc.constant('')), fromUs: i64, toUs: i64 }),
      few,
    ),
  }),
  'cam-query': record<wire.PacketBody<'cam-query'>>({
    request: u32,
    reply: fc.boolean(),
    camera: id,
    manager: maybe(id),
    link: maybe(link),
    epoch: u32,
    state: fc.constantFrom('unknown', 'online', 'offline', 'elsewhere'),
    tenures: listOf(tenure),
  }),
  'ss-relay': record({
    hops: u8,
    target: maybe(id),
    from: id,
    host: text(64),
    number: u16,
    packet: bytes(0, 60),
  }),
};
/** Every packet there is. */
export const packetNames = Object.keys(bodies) as wire.PacketName[];

/** Packets of one name. */
export function packetsNamed(name: wire.PacketName): fc.Arbitrary<wire.Packet> {
  return record({
    name: fc.constant(name),
    header,
    body: bodies[name] as fc.Arbitrary<object>,
  }) as fc.Arbitrary<wire.Packet>;
}
export const anyPacket = fc.constantFrom(...packetNames).chain(packetsNamed);
