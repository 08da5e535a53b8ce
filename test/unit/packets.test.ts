/** Every overlay packet on both carriers: round trip, truncations, flipped bits, strangers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  camerasPerServerMax,
  camerasPerUnitMax,
  decodeDatagram,
  decodePacketBody,
  encodeDatagram,
  encodePacketBody,
  linksPerServerMax,
  nonceBytes,
  type OriginRow,
  type Packet,
  type PacketName,
  packetNumber,
  protocolVersion,
  rowsPerExchangeMax,
} from '../../firmware/overlay/packets.ts';
import { datagramBodyBytesMax } from '../../firmware/site/seal.ts';

/** What one frame on a link may carry of an overlay packet. */
const linkPacketBytesMax = 64 * 1024;

const plain = { noNullPrototype: true };
const number = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const u32 = number(0xffff_ffff);
const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
const header = fc.record(
  { version: fc.constant(protocolVersion), network: id, sender: id, incarnation: u32 },
  plain,
);
const link = fc
  .record({ host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), port: number(0xffff) }, plain)
  .filter(({ host }) => Buffer.byteLength(host) <= 64);
const nonce = fc
  .uint8Array({ minLength: nonceBytes, maxLength: nonceBytes })
  .map((array) => Buffer.from(array));
const camera = fc.record({ camera: id, unit: id, epoch: u32, online: fc.boolean() }, plain);
const row: fc.Arbitrary<OriginRow> = fc.record(
  {
    origin: id,
    incarnation: u32,
    version: u32,
    link,
    pageUrl: fc.webUrl().filter((url) => Buffer.byteLength(url) <= 200),
    neighbors: fc.array(id, { maxLength: linksPerServerMax }),
    cameras: fc.array(camera, { maxLength: 6 }),
  },
  plain,
);

const bodies: { readonly [K in PacketName]: fc.Arbitrary<Extract<Packet, { name: K }>['body']> } = {
  'ss-join': fc.record({ nonce, link }, plain),
  'ss-response': fc.record({ nonce: fc.option(nonce, { nil: undefined }), link }, plain),
  'ss-connection': fc.record({ link }, plain),
  'ss-echo': fc.record({ reply: fc.boolean() }, plain),
  'ss-exchange': fc.record({ rows: fc.array(row, { maxLength: rowsPerExchangeMax }) }, plain),
  'cam-join': fc.record(
    { nonce, link, cameras: fc.array(id, { maxLength: camerasPerUnitMax }), epoch: u32 },
    plain,
  ),
  'cam-response': fc.record({ nonce, epoch: u32 }, plain),
  'cam-connection': fc.record(
    {
      stage: fc.constantFrom('accept', 'confirm'),
      epoch: u32,
      leaseMs: u32,
      utcUs: fc.maxSafeInteger(),
    },
    plain,
  ),
  'cam-echo': fc.record({ reply: fc.boolean(), utcUs: fc.maxSafeInteger() }, plain),
};
const names = Object.keys(bodies) as PacketName[];

function packetsNamed(name: PacketName): fc.Arbitrary<Packet> {
  return fc.record(
    { name: fc.constant(name), header, body: bodies[name] as fc.Arbitrary<unknown> },
    plain,
  ) as fc.Arbitrary<Packet>;
}

/** The two ways a packet travels. */
const carriers = [
  {
    carrier: 'a datagram',
    encode: encodeDatagram,
    decode: (_: Packet, bytes: Buffer) => decodeDatagram(bytes),
  },
  {
    carrier: 'a link',
    encode: encodePacketBody,
    decode: (packet: Packet, bytes: Buffer) => decodePacketBody(packetNumber(packet), bytes),
  },
];

for (const name of names) {
  for (const { carrier, encode, decode } of carriers) {
    describe(`${name} on ${carrier}`, () => {
      test('is decoded as it was encoded', () => {
        fc.assert(
          fc.property(packetsNamed(name), (packet) => {
            assert.deepEqual(decode(packet, encode(packet)), { ok: true, value: packet });
          }),
          { numRuns: 50 },
        );
      });

      test('is refused when it is cut anywhere or goes on', () => {
        fc.assert(
          fc.property(packetsNamed(name), (packet) => {
            const whole = encode(packet);
            for (let length = 0; length < whole.length; length++) {
              assert(!decode(packet, whole.subarray(0, length)).ok, `${length} of ${whole.length} bytes`);
            }
            assert(!decode(packet, Buffer.concat([whole, Buffer.of(0)])).ok);
          }),
          { numRuns: 10 },
        );
      });

      test('with a flipped bit is another packet, refused or skipped, never an error', () => {
        fc.assert(
          fc.property(packetsNamed(name), (packet) => {
            const whole = encode(packet);
            for (let bit = 0; bit < whole.length * 8; bit++) {
              const bent = Buffer.from(whole);
              bent.writeUInt8((bent[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
              const decoded = decode(packet, bent);
              // What is accepted is in bounds: it can be sent on unchanged.
              if (decoded.ok && decoded.value !== undefined) assert.deepEqual(encode(decoded.value), bent);
            }
          }),
          { numRuns: 5 },
        );
      });
    });
  }
}

const echo: Packet = {
  name: 'ss-echo',
  header: { version: protocolVersion, network: 'home', sender: 'ss-1', incarnation: 1 },
  body: { reply: false },
};

test('packet numbers are distinct, below the media frames, and never change', () => {
  const numbers = Object.fromEntries(names.map((name) => [name, packetNumber({ ...echo, name } as Packet)]));
  assert.deepEqual(numbers, {
    'ss-join': 1,
    'ss-response': 2,
    'ss-connection': 3,
    'ss-echo': 5,
    'ss-exchange': 6,
    'cam-join': 10,
    'cam-response': 11,
    'cam-connection': 12,
    'cam-echo': 13,
  });
});

test('a packet whose number is unknown is skipped, whatever it holds', () => {
  fc.assert(
    fc.property(number(0xffff), fc.uint8Array({ maxLength: 64 }), (unknown, body) => {
      fc.pre(![1, 2, 3, 5, 6, 10, 11, 12, 13].includes(unknown));
      assert.deepEqual(decodePacketBody(unknown, body), { ok: true, value: undefined });
      const prefix = Buffer.of(unknown >> 8, unknown & 0xff);
      assert.deepEqual(decodeDatagram(Buffer.concat([prefix, body])), { ok: true, value: undefined });
    }),
  );
});

test('a datagram without a whole number is refused', () => {
  for (const length of [0, 1]) {
    assert.deepEqual(decodeDatagram(Buffer.alloc(length)), { ok: false, reason: 'datagram: truncated' });
  }
});

test('another version is refused by its number, even when nothing else of it can be read', () => {
  for (const rest of [
    encodePacketBody(echo).subarray(1),
    Buffer.from('what version 2 may say'),
    Buffer.alloc(0),
  ]) {
    const body = Buffer.concat([Buffer.of(2), rest]);
    assert.deepEqual(decodePacketBody(packetNumber(echo), body), {
      ok: false,
      reason: 'ss-echo: protocol version 2, expected 1',
    });
  }
});

test('a packet of a sender with a malformed name is refused', () => {
  const whole = encodePacketBody({ ...echo, header: { ...echo.header, sender: 'abcd' } });
  const at = whole.indexOf('abcd');
  for (const bad of ['ABCD', 'a/..', '../x']) {
    whole.write(bad, at);
    const decoded = decodePacketBody(packetNumber(echo), whole);
    assert.deepEqual(decoded, { ok: false, reason: 'ss-echo: malformed id' });
  }
});

const longId = 'z'.repeat(32);
const longLink = { host: 'h'.repeat(64), port: 65_535 };
const longHeader = { version: protocolVersion, network: longId, sender: longId, incarnation: 0xffff_ffff };

test('the longest join fits into a sealed datagram', () => {
  const body = {
    nonce: Buffer.alloc(nonceBytes),
    link: longLink,
    epoch: 1,
    cameras: Array(camerasPerUnitMax).fill(longId),
  };
  const join: Packet = { name: 'cam-join', header: longHeader, body };
  assert(encodeDatagram(join).length <= datagramBodyBytesMax);
});

test('the longest exchange fits into a frame', () => {
  const full: OriginRow = {
    origin: longId,
    incarnation: 1,
    version: 1,
    link: longLink,
    pageUrl: 'u'.repeat(200),
    neighbors: Array(linksPerServerMax).fill(longId),
    cameras: Array(camerasPerServerMax).fill({ camera: longId, unit: longId, epoch: 1, online: true }),
  };
  const packet: Packet = {
    name: 'ss-exchange',
    header: longHeader,
    body: { rows: Array(rowsPerExchangeMax).fill(full) },
  };
  assert(encodePacketBody(packet).length <= linkPacketBytesMax);
});
