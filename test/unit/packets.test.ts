/** Every overlay packet: round trip on both carriers, its bytes, truncations, mutations, strangers, sizes. */
import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import fc from 'fast-check';
import { frameBodyBytesMax } from '../../firmware/base/frames.ts';
import {
  decodeDatagram,
  decodePacketBody,
  encodeDatagram,
  encodePacketBody,
  packetNumber,
} from '../../firmware/overlay/packet-codec.ts';
import * as wire from '../../firmware/overlay/packets.ts';
import { datagramBodyBytesMax } from '../../firmware/site/seal.ts';
import {
  anyPacket,
  bytes,
  packetNames as names,
  packetsNamed,
  record,
  upTo,
} from '../support/packet-arbitraries.ts';

/** What is accepted is in bounds: it can be sent on unchanged. */
function acceptedOnlyIfSound(number: number, input: Buffer): void {
  const decoded = decodePacketBody(number, input);
  if (decoded.ok && decoded.value !== undefined) assert.deepEqual(encodePacketBody(decoded.value), input);
}

/** A field that was appended to a packet may be absent. */
function isWithoutAppended(cut: wire.Packet | undefined, whole: wire.Packet): boolean {
  if (cut?.name !== 'cam-control' || whole.name !== 'cam-control') return false;
  return cut.body.stream === undefined && whole.body.stream !== undefined;
}

for (const name of names) {
  describe(name, () => {
    test('is decoded as it was encoded, on a link and in a datagram', () => {
      fc.assert(
        fc.property(packetsNamed(name), (packet) => {
          const body = encodePacketBody(packet);
          assert.deepEqual(decodePacketBody(packetNumber(packet), body), { ok: true, value: packet });
          assert.deepEqual(decodeDatagram(encodeDatagram(packet)), { ok: true, value: packet });
        }),
      );
    });

    test('is refused when it is cut anywhere or goes on', () => {
      fc.assert(
        fc.property(packetsNamed(name), (packet) => {
          const whole = encodePacketBody(packet);
          const number = packetNumber(packet);
          const step = Math.max(1, Math.floor(whole.length / 200));
          for (let length = 0; length < whole.length; length += step) {
            const cut = decodePacketBody(number, whole.subarray(0, length));
            assert(!cut.ok || isWithoutAppended(cut.value, packet), `${length} of ${whole.length} bytes`);
          }
          assert(!decodePacketBody(number, Buffer.concat([whole, Buffer.of(0)])).ok);
        }),
        { numRuns: 10 },
      );
    });

    test('with a flipped bit is another packet or refused, never an error', () => {
      fc.assert(
        fc.property(packetsNamed(name), fc.nat(), (packet, start) => {
          const whole = encodePacketBody(packet);
          const bits = whole.length * 8;
          for (let i = 0; i < Math.min(bits, 600); i++) {
            const bit = (start + i) % bits;
            const bent = Buffer.from(whole);
            bent.writeUInt8((bent[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
            acceptedOnlyIfSound(packetNumber(packet), bent);
          }
        }),
        { numRuns: 10 },
      );
    });
  });
}

/** What `run` copies and zeroes in buffers, in bytes; views of bytes that are there already cost nothing. */
function bufferBytesOf(run: () => unknown): number {
  let count = 0;
  const whole = { alloc: Buffer.alloc.bind(Buffer), allocUnsafe: Buffer.allocUnsafe.bind(Buffer) };
  const from = Buffer.from.bind(Buffer) as unknown as (...args: readonly unknown[]) => Buffer;
  const counted = (make: (size: number) => Buffer) => (size: number) => {
    count += size;
    return make(size);
  };
  const mocks = [
    mock.method(Buffer, 'alloc', counted(whole.alloc)),
    mock.method(Buffer, 'allocUnsafe', counted(whole.allocUnsafe)),
    mock.method(Buffer, 'from', (...args: readonly unknown[]) => {
      const made = from(...args);
      if (!(args[0] instanceof ArrayBuffer)) count += made.length;
      return made;
    }),
  ];
  try {
    run();
  } finally {
    for (const one of mocks) one.mock.restore();
  }
  return count;
}

describe('hostile bytes', () => {
  const number = fc.integer({ min: 0, max: names.length + 2 });
  /** Fixed-size fields read as zeroes after a refusal: less than this in any packet. */
  const zeroesMax = 64;

  test('of any kind are refused, skipped, or sound', () => {
    fc.assert(
      fc.property(number, bytes(0, 300), (which, garbage) => {
        acceptedOnlyIfSound(which, garbage);
        decodeDatagram(garbage);
        const dressed = Buffer.concat([Buffer.of(wire.protocolVersion), garbage]);
        acceptedOnlyIfSound(which, dressed);
      }),
      { numRuns: 3_000 },
    );
  });

  test('made of a packet by overwriting, cutting out and repeating never cost more memory than they are long', () => {
    const wound = record({
      at: fc.nat(),
      cut: upTo(8),
      put: fc.oneof(bytes(0, 8), fc.constant(Buffer.alloc(4, 0xff))),
    });
    fc.assert(
      fc.property(anyPacket, fc.array(wound, { minLength: 1, maxLength: 4 }), (packet, wounds) => {
        let bent = encodePacketBody(packet);
        for (const { at, cut, put } of wounds) {
          const place = at % (bent.length + 1);
          bent = Buffer.concat([bent.subarray(0, place), put, bent.subarray(place + cut)]);
        }
        acceptedOnlyIfSound(packetNumber(packet), bent);
        const cost = bufferBytesOf(() => decodePacketBody(packetNumber(packet), bent));
        assert(cost <= bent.length + zeroesMax, `${cost} bytes for ${bent.length}`);
      }),
      { numRuns: 3_000 },
    );
  });

  test('that are a packet of another kind are refused, skipped, or sound', () => {
    fc.assert(
      fc.property(anyPacket, number, (packet, which) => acceptedOnlyIfSound(which, encodePacketBody(packet))),
      { numRuns: 1_000 },
    );
  });
});

const founded = { ms: 0x0192_0000_0001, count: 2 };
const echo: wire.PacketOf<'ss-echo'> = {
  name: 'ss-echo',
  header: {
    version: wire.protocolVersion,
    site: 'home',
    sender: 'ss-1',
    incarnation: 7,
    network: { standing: 'provisional', trusted: true, founded, founder: 'ss-2' },
  },
  body: { request: 42, reply: true, costUs: 1_000, subject: undefined, verdict: 'alive' },
};

describe('on the wire', () => {
  test('an ss-echo has these bytes', () => {
    const header = ['02', '04686f6d65', '0473732d31', '00000007'];
    const network = ['01', '01', '01', '0000019200000001', '0002', '0473732d32'];
    const body = ['0000002a', '01', '000003e8', '00', '01'];
    assert.equal(encodePacketBody(echo).toString('hex'), [...header, ...network, ...body].join(''));
  });

  test('a cam-join has these bytes', () => {
    const join: wire.Packet = {
      name: 'cam-join',
      header: { ...echo.header, sender: 'cu-1', network: undefined },
      body: {
        nonce: Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'),
        link: { host: '10.0.0.1', port: 8_445 },
        cameras: ['cam-1', 'cam-2'],
        epoch: 3,
        kbps: 2_000,
        ring: 4,
        attempt: 1,
        lastManager: 'ss-1',
      },
    };
    const header = ['000a', '02', '04686f6d65', '0463752d31', '00000007', '00'];
    const place = ['000102030405060708090a0b0c0d0e0f', '0831302e302e302e31', '20fd'];
    const unit = ['0002', '0563616d2d31', '0563616d2d32', '00000003', '000007d0'];
    const rest = ['04', '01', '01', '0473732d31'];
    assert.equal(encodeDatagram(join).toString('hex'), [...header, ...place, ...unit, ...rest].join(''));
  });

  test('packet numbers never change: 1 to 20, in this order', () => {
    const servers = 'ss-join ss-response ss-connection ss-arriving ss-echo ss-exchange ss-reconnection';
    const more = 'ss-disconnection ss-reconfiguration cam-join cam-response cam-connection cam-echo';
    const rest = 'cam-rejoin cam-transfer cam-control cam-query ss-relay cam-steer cam-event';
    const inOrder = `${servers} ${more} ${rest}`.split(' ');
    assert.deepEqual(wire.numbers, Object.fromEntries(inOrder.map((name, at) => [name, at + 1])));
    assert.deepEqual(names.toSorted(), inOrder.toSorted());
  });

  test('a packet whose number is unknown is skipped, whatever it holds', () => {
    const unknown = fc.constantFrom(0, names.length + 1, 255, 256, 0xffff);
    fc.assert(
      fc.property(unknown, bytes(0, 64), (number, body) => {
        assert.deepEqual(decodePacketBody(number, body), { ok: true, value: undefined });
        const datagram = Buffer.concat([Buffer.of(number >> 8, number & 0xff), body]);
        assert.deepEqual(decodeDatagram(datagram), { ok: true, value: undefined });
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
      Buffer.from('what it may say'),
      Buffer.alloc(0),
    ]) {
      for (const version of [1, wire.protocolVersion + 1]) {
        assert.deepEqual(decodePacketBody(packetNumber(echo), Buffer.concat([Buffer.of(version), rest])), {
          ok: false,
          reason: `ss-echo: protocol version ${version}, expected ${wire.protocolVersion}`,
        });
      }
    }
  });

  test('a packet of a sender with a malformed name is refused', () => {
    const whole = encodePacketBody(echo);
    const at = whole.indexOf('ss-1');
    for (const bad of ['SS-1', 'a/..', '../x']) {
      whole.write(bad, at);
      assert.deepEqual(decodePacketBody(packetNumber(echo), whole), {
        ok: false,
        reason: 'ss-echo: malformed id',
      });
    }
  });
});

describe('the longest', () => {
  const longId = 'z'.repeat(32);
  const longLink = { host: 'h'.repeat(64), port: 0xffff };
  const longHeader: wire.PacketHeader = {
    version: wire.protocolVersion,
    site: longId,
    sender: longId,
    incarnation: 0xffff_ffff,
    network: { standing: 'established', trusted: true, founded, founder: longId },
  };
  const nonce = Buffer.alloc(wire.nonceBytes);
  const cameras = Array<string>(wire.camerasPerUnitMax).fill(longId);
  const tenure = { camera: longId, server: longId, firstEpoch: 1, lastEpoch: 2, fromUs: 0, toUs: 0 };
  const sizeOf = <K extends wire.PacketName>(name: K, body: wire.PacketBody<K>): number =>
    encodePacketBody({ name, header: longHeader, body } as unknown as wire.Packet).length;

  test('joins fit into a sealed datagram', () => {
    const ring = { ring: 32, attempt: 255 };
    const camera = { nonce, link: longLink, cameras, epoch: 1, kbps: 1, lastManager: longId, ...ring };
    assert.equal(2 + sizeOf('cam-join', camera), 512);
    assert.equal(2 + sizeOf('ss-join', { nonce, link: longLink, degree: 8, ...ring }), 205);
    assert(512 <= datagramBodyBytesMax);
  });

  test('lists of tenures, and a packet for somebody further away, fit into a frame', () => {
    const tenures = Array<wire.Tenure>(wire.exchangeMax.tenures).fill(tenure);
    const nothing = { card: undefined, rows: [], digest: undefined, versions: undefined, document: [] };
    const answer = { request: 1, reply: true, camera: longId, manager: longId, link: longLink, epoch: 1 };
    const relay = { hops: 1, target: longId, from: longId, host: longLink.host, number: 1 };
    const sizes = [
      sizeOf('ss-exchange', { ...nothing, tenures, request: 1, received: 1 }),
      sizeOf('cam-query', { ...answer, state: 'online', tenures }),
      sizeOf('ss-relay', { ...relay, packet: Buffer.alloc(48 * 1024) }),
    ];
    for (const size of sizes) assert(size <= frameBodyBytesMax, `${size} bytes`);
  });
});
