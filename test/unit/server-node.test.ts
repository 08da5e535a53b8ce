/** One server among servers: handshakes, whose network stays, and packets that nobody should believe. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { degreeDefault } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { compareHlc } from '../../firmware/overlay/hlc.ts';
import { hashOf } from '../../firmware/overlay/origin-table.ts';
import { encodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import type { Address, HlcTime, NetworkId, Packet } from '../../firmware/overlay/packets.ts';
import { type ServerLink, ServerLinks } from '../../firmware/overlay/server-links.ts';
import { anyPacket } from '../support/packet-arbitraries.ts';
import {
  addressOf,
  cardOf,
  disconnectionOf,
  echoOf,
  epochUs,
  home,
  kinds,
  named,
  noMemory,
  nonceOf,
  rowOf,
  sent,
  storiesIn,
  TestServer,
} from '../support/server-events.ts';

const asking = (server: string, joinTime?: HlcTime): { link: Address; joinTime: HlcTime | undefined } => ({
  link: addressOf(server),
  joinTime,
});

const stages = (effects: readonly Effect[], link?: number): string[] =>
  sent(effects, 'ss-disconnection', link).map(({ body }) => body.stage);

describe('a server that is asked to be a neighbor', () => {
  test('agrees, gives a join time, and tells its card, its row, its versions and its document', () => {
    const server = new TestServer();
    server.step({ type: 'write', kind: 'user', id: 'ann', value: Buffer.from('x') });
    server.accepted(2, 'ss-2');
    const effects = server.packet(2, 'ss-2', 'ss-connection', asking('ss-2'));
    const [response] = sent(effects, 'ss-response', 2);
    assert.equal(response?.body.nonce, undefined);
    assert.deepEqual(response?.body.link, addressOf('ss-1'));
    assert.equal(response?.body.joinTime?.ms, epochUs / 1_000);
    const told = sent(effects, 'ss-exchange', 2).map(({ body }) => body);
    assert(told.some(({ card }) => card !== undefined));
    assert(told.some(({ rows }) => rows.some(({ origin }) => origin === 'ss-1')));
    assert(told.some(({ versions }) => versions !== undefined));
    assert(told.some(({ document }) => document.length === 1));
    assert.deepEqual(storiesIn(effects).slice(-1), ['ss-2 is a neighbor now']);
  });

  test('leaves a join time that the other has, and gives each newcomer a later one', () => {
    const server = new TestServer();
    const given = ['ss-2', 'ss-3', 'ss-4'].map((unit, at) => {
      server.accepted(at + 2, unit);
      const own = unit === 'ss-3' ? { ms: 77, count: 1 } : undefined;
      const [response] = sent(server.packet(at + 2, unit, 'ss-connection', asking(unit, own)), 'ss-response');
      return response?.body.joinTime ?? { ms: 0, count: 0 };
    });
    const [first, kept, last] = given;
    assert.deepEqual(kept, { ms: 77, count: 1 });
    assert(first !== undefined && last !== undefined && compareHlc(first, last) < 0);
  });

  test('tells its other neighbors of the newcomer, those tell theirs, and nobody is told further', () => {
    const server = new TestServer();
    server.neighbor(2, 'ss-2');
    server.accepted(3, 'ss-3');
    const effects = server.packet(3, 'ss-3', 'ss-connection', asking('ss-3'));
    const arrivals = sent(effects, 'ss-arriving');
    assert.deepEqual(
      arrivals.map(({ link, body }) => [link, body.server, body.hops]),
      [[2, 'ss-3', 2]],
    );
    const body = { server: 'ss-9', link: addressOf('ss-9'), joinTime: { ms: 9, count: 0 }, hops: 2 };
    const passedOn = (hops: number) =>
      sent(server.packet(2, 'ss-2', 'ss-arriving', { ...body, hops }), 'ss-arriving');
    assert.deepEqual(
      passedOn(2).map((one) => [one.link, one.body.hops]),
      [[3, 1]],
    );
    assert.deepEqual(passedOn(1), []);
  });

  test('refuses when it has as many links as it takes, but not in place of a dead one', () => {
    const server = new TestServer();
    for (let link = 2; link < 2 + degreeDefault.max; link++) server.neighbor(link, `ss-${link}`);
    server.accepted(90, 'ss-90');
    assert.deepEqual(stages(server.packet(90, 'ss-90', 'ss-connection', asking('ss-90')), 90), ['refused']);
    const joinTime = { ms: 9, count: 0 };
    const repair = { link: addressOf('ss-90'), joinTime, dead: 'ss-99' };
    const effects = server.packet(90, 'ss-90', 'ss-reconnection', repair);
    assert.equal(sent(effects, 'ss-response', 90).length, 1);
    assert(server.node.inspect().neighbors.includes('ss-90'));
  });

  test('never has more neighbors than a row can name, whatever the repairs', () => {
    const server = new TestServer();
    let refused = 0;
    for (let number = 2; number < 102; number++) {
      const unit = `ss-${number}`;
      server.accepted(number, unit);
      const repair = { link: addressOf(unit), joinTime: { ms: 9, count: 0 }, dead: 'ss-dead' };
      refused += stages(server.packet(number, unit, 'ss-reconnection', repair)).length;
    }
    assert.equal(server.node.inspect().neighbors.length, 56);
    assert.equal(refused, 44);
  });

  test('says so when it leaves a former neighbor’s place to nobody', () => {
    const server = new TestServer();
    server.neighbor(2, 'ss-2');
    server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('leave'));
    assert.deepEqual(server.node.inspect().neighbors, []);
  });
});

describe('of two connections between the same two servers', () => {
  const linkOf = (fields: Partial<ServerLink>): ServerLink => ({
    id: 1,
    peer: 'ss-2',
    dialler: 'ss-1',
    openedAt: 0,
    neighbor: true,
    heardAt: 0,
    usedAt: 0,
    incarnation: 1,
    told: false,
    echo: undefined,
    ...fields,
  });
  const stays = (a: ServerLink, b: ServerLink, now = 0): number => {
    const times = { deafMs: 1_000, crossMs: 500 };
    const survivor = ServerLinks.survivor(a, b, now, times);
    assert.equal(ServerLinks.survivor(b, a, now, times), survivor, 'in whatever order');
    return survivor.id;
  };

  test('the one dialled by the lower id stays, at both ends', () => {
    // The same two connections have other numbers, and another order, at the other end.
    const here = [linkOf({ id: 1, dialler: 'ss-1' }), linkOf({ id: 2, dialler: 'ss-2' })] as const;
    const there = [linkOf({ id: 8, dialler: 'ss-1' }), linkOf({ id: 7, dialler: 'ss-2' })] as const;
    assert.equal(stays(...here), 1);
    assert.equal(stays(...there), 8);
  });

  test('the newer stays when both were dialled by the same, or the older belongs to an earlier life or is silent', () => {
    const older = linkOf({ id: 1 });
    assert.equal(stays(older, linkOf({ id: 2 })), 2);
    assert.equal(stays(older, linkOf({ id: 2, dialler: 'ss-2', incarnation: 2 })), 2);
    assert.equal(stays(older, linkOf({ id: 2, dialler: 'ss-2', heardAt: 1_001 }), 1_001), 2);
    assert.equal(stays(older, linkOf({ id: 2, dialler: 'ss-2', heardAt: 1_000 }), 1_000), 1);
    assert.equal(
      stays(older, linkOf({ id: 2, dialler: 'ss-2', openedAt: 501 })),
      2,
      'the other end gave it up',
    );
    assert.equal(stays(older, linkOf({ id: 2, dialler: 'ss-2', openedAt: 500 })), 1);
  });

  test('the other is closed, and the neighbor stays one', () => {
    const server = new TestServer();
    server.neighbor(2, 'ss-2');
    server.accepted(3, 'ss-2');
    const effects = server.packet(3, 'ss-2', 'ss-connection', asking('ss-2'));
    assert.deepEqual(
      named(effects, 'close').map(({ link, reason }) => [link, reason]),
      [[2, 'crossed dials']],
    );
    server.alive.delete(2);
    assert.deepEqual(storiesIn(server.step({ type: 'closed', link: 2, reason: 'closed' })), []);
    assert.deepEqual(server.node.inspect().neighbors, ['ss-2']);
  });
});

describe('two networks that meet', () => {
  const own: NetworkId = { ...home, founded: { ms: 5_000, count: 0 }, founder: 'ss-1' };
  const meets = (
    memory: NetworkId | undefined,
    other: NetworkId,
  ): { server: TestServer; effects: Effect[] } => {
    const server = new TestServer({
      memory: memory === undefined ? noMemory : { ...noMemory, network: memory, joinTime: own.founded },
    });
    server.accepted(2, 'ss-2');
    const effects = server.packet(2, 'ss-2', 'ss-connection', asking('ss-2'), { network: other });
    return { server, effects };
  };

  test('take the name of the one founded earlier, which is remembered and told at once', () => {
    const { server, effects } = meets(own, home);
    assert.deepEqual(server.node.inspect().network, home);
    assert.deepEqual(
      named(effects, 'remember').find(({ record }) => record.kind === 'network')?.record,
      { kind: 'network', network: home, joinTime: own.founded },
      'its join time stays',
    );
    const [told] = sent(effects, 'ss-exchange', 2);
    assert.deepEqual(told?.header.network, home);
  });

  test('keep the own name when that was founded earlier', () => {
    const later = { ...home, founded: { ms: 9_000, count: 0 } };
    assert.deepEqual(meets(own, later).server.node.inspect().network, own);
  });

  test('of which one has no members yet: it yields, however early it was founded', () => {
    const early: NetworkId = { ...home, standing: 'provisional', founded: { ms: 1, count: 0 } };
    assert.deepEqual(meets(own, early).server.node.inspect().network, own);
    const { server } = meets({ ...early, founder: 'ss-1' }, own);
    assert.equal(server.node.inspect().network.founder, own.founder);
  });

  test('of two lone servers establish the earlier one’s', () => {
    const lone: NetworkId = { ...home, standing: 'provisional', founded: { ms: 1_000, count: 0 } };
    const { server } = meets(undefined, lone);
    assert.deepEqual(server.node.inspect().network, { ...lone, standing: 'established' });
  });

  test('hear of it over any link of a neighbor, later on, and pass it on', () => {
    const server = new TestServer({ memory: { ...noMemory, network: own, joinTime: own.founded } });
    for (const [link, unit] of [
      [2, 'ss-2'],
      [3, 'ss-3'],
    ] as const) {
      server.accepted(link, unit);
      server.packet(link, unit, 'ss-connection', asking(unit), { network: own });
      server.alive.add(link);
    }
    server.run(500);
    const effects = server.packet(2, 'ss-2', 'ss-echo', echoOf({}), { network: home });
    assert.match(storiesIn(effects).join(), /joins the network of ss-0/);
    const told = sent(server.run(200), 'ss-exchange', 3);
    assert.deepEqual(
      told.map(({ header }) => header.network?.founder),
      ['ss-0'],
    );
  });

  test('do not hear of it from a mere contact', () => {
    const server = new TestServer({ memory: { ...noMemory, network: own, joinTime: own.founded } });
    server.accepted(2, 'ss-2');
    server.packet(2, 'ss-2', 'ss-echo', echoOf({}), { network: home });
    assert.deepEqual(server.node.inspect().network, own);
  });

  test('a lone server’s provisional name is not remembered', () => {
    const server = new TestServer();
    const records = named(server.run(5_000), 'remember').filter(({ record }) => record.kind === 'network');
    assert.deepEqual(records, []);
    assert.equal(server.node.inspect().network.standing, 'provisional');
  });
});

describe('a packet that nobody should believe', () => {
  function member(): TestServer {
    const server = new TestServer();
    server.neighbor(2, 'ss-2');
    server.neighbor(3, 'ss-3');
    server.run(500);
    return server;
  }

  test('over a link that nobody told of is not heard', () => {
    const server = member();
    assert.deepEqual(kinds(server.exchange(99, 'ss-9', { rows: [rowOf('ss-9')] })), []);
    assert.deepEqual(kinds(server.step({ type: 'closed', link: 99, reason: 'reset' })), []);
    assert.deepEqual(kinds(server.step({ type: 'heard', link: 99 })), []);
  });

  test('over a link with a camera’s certificate is not heard: cameras listen, they do not dial', () => {
    const server = member();
    const effects = server.step({ type: 'accepted', link: 9, peer: { unit: 'cam-1', role: 'camera' } });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
    assert.deepEqual(kinds(server.exchange(9, 'cam-1', { rows: [rowOf('ss-9')] })), []);
  });

  test('in another’s name closes the link, and changes nothing else', () => {
    const server = member();
    const effects = server.exchange(2, 'ss-3', { rows: [rowOf('ss-9')], card: cardOf('ss-3', ['ss-9']) });
    assert.deepEqual(
      named(effects, 'refused').map(({ reason, peer }) => [reason, peer]),
      [['a packet in another unit’s name', 'ss-2']],
    );
    assert.deepEqual(
      named(effects, 'close').map(({ link }) => link),
      [2],
    );
    assert(!server.node.servers().some((one) => one.server === 'ss-9'));
    assert.match(storiesIn(effects).join(), /ss-2 link broken .* → suspected/);
  });

  test('that says a lower incarnation than is known does not make the sender’s row older', () => {
    const server = member();
    server.exchange(2, 'ss-2', { rows: [rowOf('ss-2', { incarnation: 5, neighbors: [hashOf('ss-1')] })] });
    server.exchange(2, 'ss-2', { rows: [rowOf('ss-2', { incarnation: 4 })] });
    assert.equal(server.node.servers().find((one) => one.server === 'ss-2')?.hops, 1);
  });

  for (const [what, send] of [
    ['grants a neighborship', (one) => one.packet(9, 'ss-9', 'ss-response', responseOf(undefined))],
    ['refuses one', (one) => one.packet(9, 'ss-9', 'ss-disconnection', disconnectionOf('refused'))],
    ['answers an echo', (one) => one.packet(9, 'ss-9', 'ss-echo', echoOf({ request: 5, reply: true }))],
    [
      'answers a question about a third',
      (one) =>
        one.packet(
          9,
          'ss-9',
          'ss-echo',
          echoOf({ request: 5, reply: true, subject: 'ss-2', verdict: 'silent' }),
        ),
    ],
    ['has taken a history', (one) => one.exchange(9, 'ss-9', { received: 7 })],
    ['answers a query', (one) => one.packet(9, 'ss-9', 'cam-query', queryReply)],
    ['grants room for cameras', (one) => one.packet(9, 'ss-9', 'cam-transfer', transferOf('grant'))],
    ['refuses a camera', (one) => one.packet(9, 'ss-9', 'cam-transfer', transferOf('refused'))],
    ...(['locked', 'busy', 'commit', 'done', 'release', 'left'] as const).map(
      (stage) =>
        [
          `says ${stage} of a lock`,
          (one: TestServer) => one.packet(9, 'ss-9', 'ss-disconnection', disconnectionOf(stage)),
        ] as const,
    ),
  ] satisfies readonly (readonly [string, (server: TestServer) => Effect[]])[]) {
    test(`${what}, for which nobody has asked, does nothing`, () => {
      const server = member();
      server.accepted(9, 'ss-9');
      const before = JSON.stringify([server.node.tables(), server.node.inspect()]);
      assert.deepEqual(kinds(send(server)), []);
      assert.equal(JSON.stringify([server.node.tables(), server.node.inspect()]), before);
    });
  }

  test('that offers for a join of long ago is refused', () => {
    const server = member();
    server.accepted(9, 'ss-9');
    const effects = server.packet(9, 'ss-9', 'ss-response', responseOf(nonceOf(0x55)));
    assert.deepEqual(kinds(effects), ['refused', 'close']);
  });

  test('whatever it says, does no harm', () => {
    const tested = new TestServer();
    tested.neighbor(2, 'ss-2');
    tested.neighbor(3, 'ss-3', { others: ['ss-4'] });
    tested.manage(7, 'cam-7');
    fc.assert(
      fc.property(fc.constantFrom('ss-2', 'cam-7', 'stranger'), anyPacket, (from, packet) => {
        const link = { 'ss-2': 2, 'cam-7': 7, stranger: 99 }[from];
        const header = { ...packet.header, sender: from, incarnation: 1, network: home };
        const event = { ...packet, header } as Packet;
        const effects = [
          ...tested.step({ type: 'packet', link, packet: event }),
          ...tested.step({ type: 'datagram', packet: event, from: '10.0.0.9', multicast: true }),
          ...tested.run(50),
        ];
        for (const sending of named(effects, 'send')) encodePacketBody(sending.packet);
        assert(tested.node.tables().server === 'ss-1');
      }),
      { numRuns: 2_000 },
    );
    assert.deepEqual(
      kinds(tested.packet(3, 'ss-3', 'ss-echo', echoOf({ request: 3 }))).filter((kind) => kind === 'send'),
      ['send'],
      'it still answers an echo of an honest neighbor',
    );
  });
});

function responseOf(nonce: Buffer | undefined) {
  return { nonce, link: addressOf('ss-9'), joinTime: { ms: 1, count: 0 } };
}

const queryReply = {
  request: 5,
  reply: true,
  camera: 'cam-1',
  manager: 'ss-9',
  link: addressOf('ss-9'),
  epoch: 5,
  state: 'online' as const,
  tenures: [],
};

function transferOf(stage: 'grant' | 'refused') {
  const none = { unit: 'cam-1', link: undefined, cameras: [], server: undefined, nonce: undefined };
  return { stage, request: 5, tokens: 9, load: 0, epoch: 0, kbps: 0, ...none };
}

test('a server’s row names an address of its machine, also when it listens on every address', () => {
  const [own] = new TestServer().node.servers();
  assert.deepEqual([own?.address, own?.hops], [addressOf('ss-1'), 0]);
});
