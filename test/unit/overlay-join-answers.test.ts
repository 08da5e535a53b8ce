/** Who answers a join, when, and to whom it is forwarded. Times are virtual ms; see server-events.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  answerDelayMs,
  answersWanted,
  callersMax,
  callersMs,
  callingMs,
  degreeDefault,
  pendingAnswersMax,
} from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { decodePacketBody, encodePacketBody, packetNumber } from '../../firmware/overlay/packet-codec.ts';
import { nonceBytes, type PacketBody } from '../../firmware/overlay/packets.ts';
import {
  addressOf,
  camJoinOf,
  cardNeighborOf,
  headerOf,
  home,
  lan,
  named,
  nonceOf,
  packetOf,
  rowOf,
  sent,
  ssJoinOf,
  TestServer,
} from '../support/server-events.ts';

/** The random part is always half of it. */
const jitterMs = answerDelayMs.jitter / 2;

/** How long a join waits for its answer; undefined when it gets none. */
function waitOf(server: TestServer, unit: string): number | undefined {
  const startedAt = server.now;
  server.run(1_000);
  const dial = server.dials.find(({ address }) => address.host === unit);
  return dial === undefined ? undefined : dial.at - startedAt;
}

function near(actual: number | undefined, expected: number): void {
  assert(actual !== undefined && Math.abs(actual - expected) < 1e-6, `${actual} ms, expected ${expected}`);
}

/** A join that a neighbor passes on. */
function relayOf(name: 'ss-join' | 'cam-join', from: string, hops: number, ring: number) {
  const nonce = nonceOf(from.charCodeAt(from.length - 1));
  const packet =
    name === 'ss-join'
      ? packetOf(headerOf(from), name, ssJoinOf({ ring, nonce, link: addressOf(from) }))
      : packetOf(headerOf(from), name, camJoinOf(from, { ring, nonce }));
  const wrapped = { hops, target: undefined, from, host: '10.0.0.9', number: packetNumber(packet) };
  return { ...wrapped, packet: encodePacketBody(packet) } satisfies PacketBody<'ss-relay'>;
}

describe('a server that hears a join', () => {
  test('answers the later the more of its capacity the camera would leave in use', () => {
    const { base, load } = answerDelayMs;
    for (const [managed, share] of [
      [0, 0.1],
      [5, 0.6],
      [9, 1],
    ] as const) {
      const server = new TestServer({ camerasMax: 10 });
      for (let number = 0; number < managed; number++) server.manage(number + 1, `cam-${number}`);
      server.datagram('cam-late', 'cam-join', camJoinOf('cam-late', { nonce: nonceOf(200) }));
      near(waitOf(server, 'cam-late'), base + share * load + jitterMs);
    }
  });

  test('counts the bit rate, too: whichever share is the larger', () => {
    const server = new TestServer({ camerasMax: 10, kbpsMax: 10_000 });
    server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { kbps: 8_000 }));
    near(waitOf(server, 'cam-1'), answerDelayMs.base + 0.8 * answerDelayMs.load + jitterMs);
    server.datagram('cam-2', 'cam-join', camJoinOf('cam-2', { nonce: nonceOf(2), kbps: 10_001 }));
    assert.equal(waitOf(server, 'cam-2'), undefined);
  });

  test('answers at once when it was the camera’s last manager', () => {
    const server = new TestServer({ camerasMax: 2 });
    server.manage(1, 'cam-1');
    server.datagram('cam-2', 'cam-join', camJoinOf('cam-2', { lastManager: 'ss-1', nonce: nonceOf(7) }));
    assert.equal(waitOf(server, 'cam-2'), 0);
  });

  test('answers another server the later the more links it has', () => {
    const server = new TestServer();
    server.datagram('ss-2', 'ss-join', ssJoinOf());
    near(waitOf(server, 'ss-2'), answerDelayMs.base + jitterMs);
    server.neighbor(1, 'ss-3');
    server.neighbor(2, 'ss-4');
    server.datagram('ss-5', 'ss-join', ssJoinOf({ nonce: nonceOf(2) }));
    const share = 2 / degreeDefault.max;
    near(waitOf(server, 'ss-5'), answerDelayMs.base + share * answerDelayMs.load + jitterMs);
  });

  test('answers a joiner once, however often it hears the join', () => {
    const server = new TestServer();
    for (let times = 0; times < 100; times++) server.datagram('cam-1', 'cam-join', camJoinOf('cam-1'));
    server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { ring: 4 }));
    server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { nonce: nonceOf(2) }));
    server.run(1_000);
    assert.equal(server.dials.length, 1);
    server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { nonce: nonceOf(3) }));
    server.run(1_000);
    assert.equal(server.dials.length, 1, 'it is being dialled already');
    server.dialFailed('cam-1');
    server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { nonce: nonceOf(4) }));
    assert.notEqual(waitOf(server, 'cam-1'), undefined, 'it asks again');
  });

  test('answers a flood of joins up to a bound', () => {
    const server = new TestServer({ camerasMax: 10_000, kbpsMax: 100_000_000 });
    for (let number = 0; number < 2_000; number++) {
      const nonce = Buffer.alloc(nonceBytes);
      nonce.writeUInt32BE(number);
      server.datagram(`cam-${number}`, 'cam-join', camJoinOf(`cam-${number}`, { nonce }));
    }
    server.run(1_000);
    assert.equal(server.dials.length, pendingAnswersMax);
  });

  test('ignores its own join, and every join once it leaves', () => {
    const server = new TestServer();
    server.datagram('ss-1', 'ss-join', ssJoinOf());
    assert.equal(waitOf(server, 'ss-1'), undefined);
    server.manage(1, 'cam-1');
    server.step({ type: 'leave' });
    server.datagram('cam-2', 'cam-join', camJoinOf('cam-2', { nonce: nonceOf(3) }));
    assert.equal(waitOf(server, 'cam-2'), undefined);
  });

  test('dials a joiner where it says, or where its join came from when it listens everywhere', () => {
    for (const [host, from, expected] of [
      ['10.0.0.2', '10.9.9.9', '10.0.0.2'],
      ['::', '10.9.9.9', '10.9.9.9'],
      ['0.0.0.0', '10.9.9.9', '10.9.9.9'],
      ['', '10.9.9.9', '10.9.9.9'],
      ['::', 'fe80::2%eth0', 'fe80::2%eth0'],
      ['fe80::2', 'fe80::2%eth0', 'fe80::2%eth0'],
      ['fe80::2%wlan7', 'fe80::2%eth0', 'fe80::2%eth0'],
      ['fe80::2', '10.0.0.2', 'fe80::2'],
      ['2001:db8::2', 'fe80::2%eth0', '2001:db8::2'],
    ] as const) {
      const server = new TestServer();
      server.datagram('ss-2', 'ss-join', ssJoinOf({ link: { host, port: 7_000 } }), { from });
      server.run(100);
      assert.deepEqual(server.dials[0]?.address, { host: expected, port: 7_000 });
    }
  });

  test('makes its offer with the join’s number, over the link that it has dialled', () => {
    const server = new TestServer();
    server.datagram('ss-2', 'ss-join', ssJoinOf({ nonce: nonceOf(9), link: addressOf('ss-2') }));
    server.run(100);
    const effects = server.dialed('ss-2', 5, { unit: 'ss-2', role: 'server' });
    const [offer] = sent(effects, 'ss-response', 5);
    assert.deepEqual(offer?.body.nonce, nonceOf(9));
    assert.deepEqual(offer.body.link, addressOf('ss-1'));
  });
});

describe('a neighbor that joins', () => {
  function neighbor(): TestServer {
    const server = new TestServer();
    server.neighbor(1, 'ss-2');
    return server;
  }

  test('is not answered while it can be heard', () => {
    const server = neighbor();
    server.datagram('ss-2', 'ss-join', ssJoinOf());
    assert.equal(waitOf(server, 'ss-2'), undefined);
  });

  test('is answered when it has restarted, and its old link is still there', () => {
    const server = neighbor();
    server.datagram('ss-2', 'ss-join', ssJoinOf({ link: addressOf('ss-2') }), { incarnation: 2 });
    assert.notEqual(waitOf(server, 'ss-2'), undefined);
  });

  test('is answered when it was silent for two echoes', () => {
    const server = neighbor();
    server.alive.clear();
    server.run(2 * lan.echoMs);
    server.datagram('ss-2', 'ss-join', ssJoinOf({ link: addressOf('ss-2') }));
    assert.notEqual(waitOf(server, 'ss-2'), undefined);
  });
});

describe('a server with all the links it takes', () => {
  function full(): TestServer {
    const server = new TestServer({ degree: { target: 1, max: 2 } });
    server.neighbor(1, 'ss-2');
    server.neighbor(2, 'ss-3');
    return server;
  }
  const foreign = { ...home, founder: 'ss-7', founded: { ms: 9_000, count: 0 } };

  test('does not answer a joiner of its own network', () => {
    const server = full();
    const row = rowOf('ss-9', { neighbors: rowOf('ss-9').neighbors });
    server.exchange(1, 'ss-2', { rows: [row] });
    server.datagram('ss-9', 'ss-join', ssJoinOf({ link: addressOf('ss-9') }));
    assert.equal(waitOf(server, 'ss-9'), undefined);
  });

  test('answers one of another network, but not before its own has settled', () => {
    const server = full();
    server.datagram('ss-9', 'ss-join', ssJoinOf({ link: addressOf('ss-9') }), { network: foreign });
    assert.equal(waitOf(server, 'ss-9'), undefined);
    server.run(2_000);
    const later = ssJoinOf({ link: addressOf('ss-9'), nonce: nonceOf(2), degree: 3 });
    server.datagram('ss-9', 'ss-join', later, { network: foreign });
    assert.notEqual(waitOf(server, 'ss-9'), undefined);
  });
});

describe('a join', () => {
  function entry(): TestServer {
    const server = new TestServer();
    server.neighbor(1, 'ss-2');
    server.neighbor(2, 'ss-3');
    return server;
  }
  /** Links it was forwarded over, and how many hops it may still go. */
  const forwarded = (effects: readonly Effect[]): (readonly [number, number])[] =>
    sent(effects, 'ss-relay').map(({ link, body }) => [link, body.hops]);

  test('that came by anycast is forwarded over all links, as many hops as its ring has', () => {
    const server = entry();
    const join = camJoinOf('cam-1', { ring: 4 });
    const effects = server.datagram('cam-1', 'cam-join', join, { from: '10.0.0.9', multicast: false });
    assert.deepEqual(forwarded(effects), [
      [1, 4],
      [2, 4],
    ]);
    const [relay] = sent(effects, 'ss-relay');
    assert.deepEqual([relay?.body.from, relay?.body.host], ['cam-1', '10.0.0.9']);
    const inner = decodePacketBody(relay?.body.number ?? 0, relay?.body.packet ?? Buffer.alloc(0));
    assert(inner.ok && inner.value?.name === 'cam-join');
    assert.deepEqual(inner.value.body.nonce, join.nonce);
    assert(server.isDialling('cam-1') || server.node.inspect().timers.includes('answer:cam-1'));
  });

  test('that goes on for ever goes at most as far as the widest ring', () => {
    const server = entry();
    const effects = server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { ring: 255 }), {
      multicast: false,
    });
    assert.deepEqual(forwarded(effects)[0], [1, 32]);
  });

  test('that all on the segment have heard is forwarded only when nobody there was willing', () => {
    for (const [ring, attempt, hops] of [
      [2, 0, undefined],
      [4, 0, 4],
      [2, 1, 2],
    ] as const) {
      const effects = entry().datagram('cam-1', 'cam-join', camJoinOf('cam-1', { ring, attempt }));
      assert.deepEqual(forwarded(effects)[0]?.[1], hops);
    }
  });

  test('is forwarded and answered once for each of its rings', () => {
    const server = entry();
    const send = (ring: number): number =>
      forwarded(server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { ring }), { multicast: false }))
        .length;
    assert.deepEqual([send(2), send(2), send(4), send(4)], [2, 0, 2, 0]);
    const join = packetOf(headerOf('cam-1'), 'cam-join', camJoinOf('cam-1', { ring: 4 }));
    const relay = { ...relayOf('cam-join', 'cam-1', 2, 4), packet: encodePacketBody(join) };
    const again = server.packet(1, 'ss-2', 'ss-relay', relay);
    assert.deepEqual(forwarded(again), [], 'nor when it comes back around');
  });

  test('on its ring goes one hop less, not back, and ends with its last hop', () => {
    const server = entry();
    const passOn = (unit: string, hops: number) =>
      forwarded(server.packet(1, 'ss-2', 'ss-relay', relayOf('cam-join', unit, hops, 2)));
    assert.deepEqual(passOn('cam-1', 2), [[2, 1]]);
    assert.deepEqual(passOn('cam-2', 1), []);
    server.run(100);
    assert(server.isDialling('cam-1') && server.isDialling('cam-2'));
  });

  test('on its ring is dialled where it was sent from when it names no host', () => {
    const server = entry();
    const relay = relayOf('ss-join', 'ss-9', 2, 2);
    const packet = encodePacketBody(packetOf(headerOf('ss-9'), 'ss-join', ssJoinOf()));
    server.packet(1, 'ss-2', 'ss-relay', { ...relay, packet });
    server.run(200);
    assert.deepEqual(server.dials[0]?.address, { host: '10.0.0.9', port: 7400 });
  });

  test('in another’s name than the relay says, or broken, does nothing', () => {
    const server = entry();
    const relay = relayOf('cam-join', 'cam-1', 2, 2);
    for (const wrong of [{ from: 'cam-2' }, { packet: relay.packet.subarray(0, 20) }, { number: 999 }]) {
      const effects = server.packet(1, 'ss-2', 'ss-relay', { ...relay, ...wrong });
      assert.deepEqual(named(effects, 'send'), []);
    }
    server.run(200);
    assert.equal(server.dials.length, 0);
  });

  test('that reaches thousands is answered by a few; by more each time it is asked again', () => {
    const answersAt = (attempt: number, value: number, fields = {}): boolean => {
      const server = new TestServer();
      server.neighbor(1, 'ss-2');
      for (let at = 0; at < 1_200; at += 200) {
        const rows = Array.from({ length: 200 }, (_, place) => rowOf(`far-${at + place}`));
        server.exchange(1, 'ss-2', { rows });
      }
      server.random.value = value;
      server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { attempt, ...fields }));
      server.run(2_000);
      return server.isDialling('cam-1');
    };
    // About 12 of 1,200 answer at first, 48 the next time.
    assert.deepEqual([answersAt(0, 0.009), answersAt(0, 0.011)], [true, false]);
    assert.deepEqual([answersAt(1, 0.038), answersAt(1, 0.042)], [true, false]);
    assert.equal(answersAt(4, 0.999), true, 'all, in the end');
    assert.equal(answersAt(0, 0.999, { lastManager: 'ss-1' }), true, 'the last manager, always');
  });

  test('is answered by a few, too, when all servers of the segment have just started, and know nobody', () => {
    const answers = (heard: number, value: number, waitMs: number, listenedMs = callingMs): boolean => {
      const server = new TestServer();
      server.run(listenedMs);
      for (let place = 0; place < heard; place++) {
        const nonce = Buffer.alloc(nonceBytes, 255);
        nonce.writeUInt32BE(place);
        server.datagram(`ss-${place + 2}`, 'ss-join', ssJoinOf({ nonce }), { multicast: true });
      }
      server.run(waitMs);
      server.random.value = value;
      server.datagram('cam-1', 'cam-join', camJoinOf('cam-1'), { multicast: true });
      server.run(2_000);
      return server.isDialling('cam-1');
    };
    assert.deepEqual([answers(1_200, 0.009, 0), answers(1_200, 0.011, 0)], [true, false]);
    assert.equal(answers(1_200, 0.011, callersMs + 1), true, 'they are not there any more');
    assert.equal(answers(10_000, (0.9 * answersWanted) / callersMax, 0), true, 'bounded');
    // 24 in 20 ms: about 1,200 in a second.
    assert.deepEqual(
      [answers(24, 0.009, 0, 20), answers(24, 0.011, 0, 20)],
      [true, false],
      'it has just begun',
    );
    assert.equal(answers(answersWanted - 1, 0.999, 0, 1), true, 'so few may be all');
  });

  test('that thousands hear and nobody has answered is forwarded by a few of them', () => {
    const forwardedAt = (value: number): boolean => {
      const server = entry();
      const rows = Array.from({ length: 240 }, (_, place) => rowOf(`far-${place}`));
      server.exchange(1, 'ss-2', { rows });
      server.random.value = value;
      return forwarded(server.datagram('cam-1', 'cam-join', camJoinOf('cam-1', { ring: 4 }))).length > 0;
    };
    assert.deepEqual([forwardedAt(0.045), forwardedAt(0.055)], [true, false]);
  });
});

describe('a probe of its own network that came by the anycast address', () => {
  function probed(fields: { multicast?: boolean; network?: typeof home; degree?: number }): Effect[] {
    const server = new TestServer();
    server.neighbor(1, 'ss-2', { others: [cardNeighborOf('ss-3')] });
    server.run(1_500);
    const { degree = 1, multicast = false, network = home } = fields;
    return server.datagram('ss-2', 'ss-join', ssJoinOf({ degree }), { multicast, network });
  }
  const down = (effects: readonly Effect[]): boolean =>
    named(effects, 'anycast-address').some(({ up }) => !up);

  test('makes the server step aside, so that the next one goes further', () => {
    const effects = probed({});
    assert(down(effects));
    assert.deepEqual(sent(effects, 'ss-relay'), []);
  });

  test('is none when all heard it, when it is of another network, or from a server without links', () => {
    assert(!down(probed({ multicast: true })));
    assert(!down(probed({ network: { ...home, founder: 'ss-8' } })));
    assert(!down(probed({ degree: 0 })));
  });
});
