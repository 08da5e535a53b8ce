/** How a server finds others: joins, probes, the anycast address, and how many links it wants. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { joinBackoffMs, moreLinksMs, rings } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { hashOf } from '../../firmware/overlay/origin-table.ts';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import {
  addressOf,
  disconnectionOf,
  home,
  kinds,
  lan,
  named,
  noMemory,
  rowOf,
  sent,
  storiesIn,
  TestServer,
} from '../support/server-events.ts';

/** The joins among these effects. */
function joinsIn(effects: readonly Effect[]): PacketBody<'ss-join'>[] {
  return named(effects, 'anycast').map(({ packet }) => {
    assert(packet.name === 'ss-join');
    return packet.body;
  });
}

const addressIs = (effects: readonly Effect[]): boolean[] =>
  named(effects, 'anycast-address').map(({ up }) => up);

/** A server dials and offers, with the number of a join. */
function offer(server: TestServer, link: number, unit: string, nonce: Buffer | undefined): Effect[] {
  server.accepted(link, unit);
  return server.packet(link, unit, 'ss-response', { nonce, link: addressOf(unit), joinTime: undefined });
}

function grant(server: TestServer, link: number, unit: string): Effect[] {
  const body = { nonce: undefined, link: addressOf(unit), joinTime: { ms: 9_000, count: 3 } };
  return server.packet(link, unit, 'ss-response', body);
}

describe('a server that starts', () => {
  test('asks at once, with wider rings while nobody answers, and is then alone with its address up', () => {
    const server = new TestServer({ start: false });
    const effects = [...server.step({ type: 'start' }), ...server.run((rings.length + 1) * lan.ringMs)];
    const joins = joinsIn(effects);
    assert.deepEqual(
      joins.map(({ ring, degree, attempt }) => [ring, degree, attempt]),
      rings.map((ring) => [ring, 0, 0]),
    );
    assert.deepEqual(joins[0]?.link, { host: '::', port: 7400 });
    assert(joins.every(({ nonce }) => nonce.equals(joins[0]?.nonce ?? Buffer.alloc(0))));
    assert.match(storiesIn(effects).join(), /alone for now/);
    assert.deepEqual(addressIs(effects), [true]);
    assert.notEqual(server.node.inspect().joinTime, undefined);
  });

  test('goes on asking, less and less often, with its address down so that it does not reach itself', () => {
    const server = new TestServer();
    server.run((rings.length + 1) * lan.ringMs);
    const again = server.run(joinBackoffMs.first);
    assert.deepEqual(addressIs(again), [false]);
    assert.equal(joinsIn(again)[0]?.attempt, 1);
    let ups = 0;
    const effects = server.run(120_000);
    for (const up of addressIs(effects)) ups += up ? 1 : 0;
    assert(ups > 3 && ups < 12, `${ups} times in two minutes`);
  });

  test('asks two of those it knew before', () => {
    const known = ['ss-5', 'ss-6', 'ss-7', 'ss-1'].map((unit) => ({ server: unit, link: addressOf(unit) }));
    const server = new TestServer({ memory: { ...noMemory, known } });
    assert.equal(server.dials.length, 2);
    assert(!server.isDialling('ss-1'), 'not itself');
    const [{ address } = { address: addressOf('?') }] = server.dials;
    const effects = server.dialed(address.host, 4, { unit: address.host, role: 'server' });
    assert.equal(sent(effects, 'ss-connection', 4).length, 1);
  });

  test('connects to whoever answers, takes the join time it is given, and puts its address up', () => {
    const server = new TestServer({ start: false });
    const [join] = joinsIn(server.step({ type: 'start' }));
    const effects = offer(server, 2, 'ss-2', join?.nonce);
    const [asked] = sent(effects, 'ss-connection', 2);
    assert.deepEqual(asked?.body, { link: addressOf('ss-1'), joinTime: undefined });
    const granted = grant(server, 2, 'ss-2');
    assert.match(storiesIn(granted).join(), /ss-2 is a neighbor now/);
    assert.deepEqual(server.node.inspect().joinTime, { ms: 9_000, count: 3 });
    assert.deepEqual(server.node.inspect().network, home);
    server.alive.add(2);
    assert.deepEqual(addressIs(server.run(2_000)), [true]);
  });

  test('takes an offer for one of its last three joins, not for one before those', () => {
    for (const [joins, kind] of [
      [2, 'send'],
      [3, 'refused'],
    ] as const) {
      const server = new TestServer({ start: false });
      const nonces = joinsIn(server.step({ type: 'start' })).map(({ nonce }) => nonce.toString('hex'));
      const first = nonces[0] ?? '';
      while (new Set(nonces).size <= joins)
        nonces.push(...joinsIn(server.run(10)).map(({ nonce }) => nonce.toString('hex')));
      assert.equal(kinds(offer(server, 2, 'ss-2', Buffer.from(first, 'hex')))[0], kind);
    }
  });

  test('asks the earliest that answers, and keeps a few others until it can see where they lead', () => {
    const server = new TestServer({ start: false });
    const [join] = joinsIn(server.step({ type: 'start' }));
    const outcomes = [2, 3, 4, 5, 6].map((link) => {
      const effects = offer(server, link, `ss-${link}`, join?.nonce);
      return kinds(effects).filter((kind) => kind === 'send' || kind === 'close');
    });
    assert.deepEqual(outcomes, [['send'], [], [], [], ['close']]);
    grant(server, 2, 'ss-2');
    server.alive.add(2);
    // ss-3 can be reached through ss-2; of ss-4 and ss-5 nothing is known.
    const near = rowOf('ss-2', { neighbors: [hashOf('ss-1'), hashOf('ss-3')] });
    server.exchange(2, 'ss-2', { rows: [near, rowOf('ss-3', { neighbors: [hashOf('ss-2')] })] });
    const effects = server.run(lan.ringMs);
    assert.deepEqual(
      named(effects, 'close').map(({ link, reason }) => [link, reason]),
      [[3, 'it can be reached already']],
    );
    assert.deepEqual(
      sent(effects, 'ss-connection').map(({ link }) => link),
      [4],
      'one at a time, as each may reach the others',
    );
  });
});

describe('a server that was refused, or gets no answer', () => {
  function asked(): TestServer {
    const server = new TestServer({ start: false });
    const [join] = joinsIn(server.step({ type: 'start' }));
    assert.equal(sent(offer(server, 2, 'ss-2', join?.nonce), 'ss-connection').length, 1);
    return server;
  }

  test('is no neighbor, and closes the link when the time is over', () => {
    const server = asked();
    const effects = server.run(2 * lan.replyMs);
    assert.deepEqual(
      named(effects, 'close').map(({ link, reason }) => [link, reason]),
      [[2, 'no answer in time']],
    );
    assert.deepEqual(kinds(grant(server, 2, 'ss-2')), [], 'an answer after that is not wanted');
  });

  test('insists when it has settled and there is no other way to that part of the network', () => {
    const server = asked();
    const early = server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('refused'));
    assert.deepEqual(sent(early, 'ss-reconnection'), [], 'not while it has just started');
    const later = new TestServer({ start: false });
    later.step({ type: 'start' });
    later.run(3_000);
    const [join] = joinsIn(later.run(3_000)).slice(-1);
    offer(later, 2, 'ss-2', join?.nonce);
    const effects = later.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('refused'));
    assert.equal(sent(effects, 'ss-reconnection', 2).length, 1);
  });
});

describe('a server with fewer links than it wants', () => {
  /** ss-1–ss-2–ss-9, and ss-9 has room. */
  function thin(ninth: { neighbors: number[] } = { neighbors: [hashOf('ss-2')] }): TestServer {
    const server = new TestServer();
    const row = rowOf('ss-2', { neighbors: [hashOf('ss-1'), hashOf('ss-9')] });
    server.neighbor(2, 'ss-2', { row });
    server.exchange(2, 'ss-2', { rows: [rowOf('ss-9', ninth)] });
    return server;
  }

  test('asks another that it can reach after a while', () => {
    const server = thin();
    server.run(moreLinksMs - 200);
    assert(!server.isDialling('ss-9'));
    server.run(200);
    const effects = server.dialed('ss-9', 9, { unit: 'ss-9', role: 'server' });
    assert.equal(sent(effects, 'ss-connection', 9).length, 1);
  });

  test('does not ask one that has all the links it takes', () => {
    const full = [hashOf('ss-2'), 1, 2, 3, 4, 5, 6, 7];
    const server = thin({ neighbors: full });
    server.run(5 * moreLinksMs);
    assert(!server.isDialling('ss-9'));
  });

  test('does not ask one again soon that it could not reach', () => {
    const server = thin();
    server.run(moreLinksMs);
    server.dialFailed('ss-9');
    server.run(5 * moreLinksMs);
    assert(!server.isDialling('ss-9'));
  });
});

describe('a server that loses its last neighbor', () => {
  for (const probing of [false, true]) {
    test(`asks again at once ${probing ? 'although its address is down for a probe' : ''}`, () => {
      const server = new TestServer();
      server.neighbor(2, 'ss-2');
      const isProbing = (): boolean => server.node.inspect().timers.includes('join');
      server.run(5_000);
      while (isProbing() !== probing) server.run(100);
      server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('leave'));
      const effects = server.run(10_000);
      assert(joinsIn(effects).filter(({ degree, ring }) => degree === 0 && ring === rings[0]).length > 2);
    });
  }
});
