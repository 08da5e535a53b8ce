/** Suspicion, indirect echoes, refutation and burial of a neighbor, at exact virtual times (ms). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { batchMs, digestMs } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { hashOf } from '../../firmware/overlay/origin-table.ts';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import {
  addressOf,
  echoOf,
  lan,
  named,
  nonceOf,
  rowOf,
  sent,
  ssJoinOf,
  storiesIn,
  TestServer,
} from '../support/server-events.ts';

/** ss-2 over link 2 (with these other neighbors), ss-3 over link 3, ss-4 over link 4; ss-2 is silent from now on. */
function silence(others: readonly string[] = ['ss-3', 'ss-4']): TestServer {
  const server = new TestServer();
  server.neighbor(2, 'ss-2', { others });
  server.neighbor(3, 'ss-3');
  server.neighbor(4, 'ss-4');
  server.run(1_000 - (server.now % 100));
  server.step({ type: 'heard', link: 2 });
  server.alive.delete(2);
  return server;
}

const suspected = (effects: readonly Effect[]): boolean => /suspected/.test(storiesIn(effects).join());
const isDead = (server: TestServer, id = 'ss-2'): boolean =>
  server.node.servers().find((one) => one.server === id)?.dead === true;

/** What this server asks others about ss-2. */
const asked = (effects: readonly Effect[]) =>
  sent(effects, 'ss-echo').filter(({ body }) => body.subject === 'ss-2' && !body.reply);

function verdict(
  server: TestServer,
  ask: { link: number; body: PacketBody<'ss-echo'> },
  says: 'alive' | 'silent',
) {
  const body = echoOf({ request: ask.body.request, reply: true, subject: 'ss-2', verdict: says });
  return server.packet(ask.link, `ss-${ask.link}`, 'ss-echo', body);
}

describe('a silent neighbor', () => {
  test('is suspected after that time, to the ms, and its other neighbors are asked', () => {
    const server = silence();
    assert(!suspected(server.run(lan.suspectMs - 1)));
    const effects = server.run(1);
    assert.deepEqual(storiesIn(effects), ['ss-2 silent for 1500 ms → suspected, asking ss-4, ss-3']);
    assert.deepEqual(
      asked(effects)
        .map(({ link }) => link)
        .sort((a, b) => a - b),
      [3, 4],
    );
    assert.equal(server.node.tables().neighbor.oneHop[0]?.suspected, true);
    assert(server.isDialling('ss-2'), 'and it is dialled, since perhaps only the link is dead');
  });

  test('is not suspected while anything comes from it', () => {
    const server = silence();
    for (let round = 0; round < 5; round++) {
      server.run(lan.suspectMs - 1);
      server.step({ type: 'heard', link: 2 });
    }
    assert.equal(server.node.tables().neighbor.oneHop[0]?.suspected, false);
  });

  test('is dead when two others hear nothing either; its row says so, oddly', () => {
    const server = silence();
    const asks = asked(server.run(lan.suspectMs));
    const [first, second] = asks;
    assert(first !== undefined && second !== undefined);
    assert.deepEqual(storiesIn(verdict(server, first, 'silent')), []);
    const effects = [...verdict(server, second, 'silent'), ...server.run(150)];
    assert.match(storiesIn(effects).join(), /ss-2 suspected → confirmed by ss-4, ss-3 → dead/);
    assert(isDead(server));
    const rows = sent(effects, 'ss-exchange', 3).flatMap(({ body }) => body.rows);
    const row = rows.find(({ origin }) => origin === 'ss-2');
    assert.deepEqual([row?.version, row?.standing, row?.neighbors], [3, 'dead', []]);
    assert.deepEqual(
      named(effects, 'close').map(({ link }) => link),
      [2],
    );
  });

  test('is dead when two hear nothing, whatever a third would say', () => {
    const server = silence(['ss-3', 'ss-4', 'ss-5']);
    server.neighbor(5, 'ss-5');
    server.step({ type: 'heard', link: 2 });
    const [first, second, third] = asked(server.run(lan.suspectMs));
    assert(first !== undefined && second !== undefined && third !== undefined);
    verdict(server, first, 'silent');
    assert(!isDead(server));
    verdict(server, second, 'silent');
    assert(isDead(server));
  });

  test('is dead when one hears nothing and no other answers', () => {
    const server = silence();
    const [ask] = asked(server.run(lan.suspectMs));
    assert(ask !== undefined);
    verdict(server, ask, 'silent');
    assert(!isDead(server));
    server.run(2 * lan.indirectMs - 1);
    assert(!isDead(server), 'the other may still answer');
    server.run(1);
    assert(isDead(server));
  });

  test('is dead after the burial time when nobody can be asked', () => {
    const server = new TestServer();
    server.neighbor(2, 'ss-2');
    server.step({ type: 'heard', link: 2 });
    server.alive.clear();
    server.run(lan.suspectMs + lan.buryMs - 1);
    assert(!isDead(server));
    assert.match(storiesIn(server.run(1)).join(), /nobody hears it → dead/);
    assert(isDead(server));
  });

  test('is dead when its row says that others have buried it, but only if it is suspected here, too', () => {
    const server = silence();
    const buried = rowOf('ss-2', { version: 3, standing: 'dead' });
    server.exchange(3, 'ss-3', { rows: [buried] });
    assert(server.node.inspect().neighbors.includes('ss-2'));
    const other = silence();
    other.run(lan.suspectMs);
    const effects = other.exchange(3, 'ss-3', { rows: [buried] });
    assert.match(storiesIn(effects).join(), /confirmed by its row → dead/);
    assert(!other.node.inspect().neighbors.includes('ss-2'));
  });

  test('refutes the suspicion with whatever comes from it', () => {
    const server = silence();
    const asks = asked(server.run(lan.suspectMs));
    server.run(100);
    assert.deepEqual(storiesIn(server.step({ type: 'heard', link: 2 })), [
      'ss-2 suspected → refuted: heard again',
    ]);
    for (const ask of asks) verdict(server, ask, 'silent');
    server.alive.add(2);
    server.run(10_000);
    assert(!isDead(server));
    assert(!server.node.inspect().timers.some((name) => name.startsWith('bury:')));
  });

  test('is not buried when a third server hears it: then only the link is given up', () => {
    const server = silence();
    const [first, second] = asked(server.run(lan.suspectMs));
    assert(first !== undefined && second !== undefined);
    assert.deepEqual(storiesIn(verdict(server, first, 'alive')), ['ss-2 suspected → ss-4 hears it']);
    verdict(server, second, 'silent');
    const effects = server.run(lan.suspectMs);
    assert.match(storiesIn(effects).join(), /ss-2 lives, but its link is lost/);
    assert(!server.node.inspect().neighbors.includes('ss-2'));
    assert(!isDead(server));
  });

  test('that a third server hears is not buried because a row says so', () => {
    const server = silence();
    const [first] = asked(server.run(lan.suspectMs));
    assert(first !== undefined);
    verdict(server, first, 'alive');
    server.exchange(3, 'ss-3', { rows: [rowOf('ss-2', { version: 3, standing: 'dead' })] });
    assert(server.node.inspect().neighbors.includes('ss-2'));
  });

  test('that answers a direct echo is asked for a new link in place of the old one', () => {
    const server = silence();
    server.run(lan.suspectMs);
    const effects = server.dialed('ss-2', 9, { unit: 'ss-2', role: 'server' });
    const [echo] = sent(effects, 'ss-echo', 9);
    assert(echo !== undefined);
    const reply = echoOf({ request: echo.body.request, reply: true });
    assert.equal(sent(server.packet(9, 'ss-2', 'ss-echo', reply), 'ss-connection', 9).length, 1);
  });

  test('is not judged by somebody who was not asked, or in another’s name', () => {
    const server = silence(['ss-3']);
    const [ask] = asked(server.run(lan.suspectMs)).filter(({ link }) => link === 3);
    assert(ask !== undefined);
    server.accepted(7, 'ss-7');
    const body = echoOf({ request: ask.body.request, reply: true, subject: 'ss-2', verdict: 'silent' });
    server.packet(7, 'ss-7', 'ss-echo', body);
    server.packet(4, 'ss-4', 'ss-echo', { ...body, request: ask.body.request + 7 });
    assert(!isDead(server));
  });
});

describe('a broken link', () => {
  test('is evidence, no proof: the neighbor is suspected at once', () => {
    const server = silence();
    const effects = server.step({ type: 'closed', link: 2, reason: 'reset' });
    assert.match(storiesIn(effects).join(), /ss-2 link broken \(reset\) → suspected/);
    assert(!isDead(server));
    assert(server.node.inspect().neighbors.includes('ss-2'));
  });
});

describe('a server that is slow itself', () => {
  test('does not count the time in which it did not run', () => {
    const server = silence();
    server.run(1_000);
    server.now += 20_000;
    assert(!suspected(server.step({ type: 'tick' })));
    server.step({ type: 'heard', link: 2 });
    assert.equal(server.node.inspect().localHealth, 1, 'and it takes this for a bad sign');
  });

  test('lets those speak who were suspected before it stopped', () => {
    const server = silence(['ss-9']);
    server.run(lan.suspectMs + 100);
    server.now += 20_000;
    server.step({ type: 'tick' });
    assert(!isDead(server));
    assert.match(storiesIn(server.step({ type: 'heard', link: 2 })).join(), /refuted/);
  });

  test('suspects later after it was wrong (Lifeguard), until that is forgiven', () => {
    const server = silence();
    server.run(lan.suspectMs);
    server.step({ type: 'heard', link: 2 });
    assert.equal(server.node.inspect().localHealth, 1);
    assert(!suspected(server.run(2 * lan.suspectMs - 1)));
    assert(suspected(server.run(1)));
  });
});

describe('a server that is asked about a third one', () => {
  const ask = (server: TestServer, subject: string): Effect[] =>
    server.packet(3, 'ss-3', 'ss-echo', echoOf({ request: 77, subject }));
  const answers = (effects: readonly Effect[]): string[] =>
    sent(effects, 'ss-echo', 3)
      .filter(({ body }) => body.reply && body.request === 77)
      .map(({ body }) => `${body.subject} ${body.verdict}`);

  test('says at once that it lives itself, and that a neighbor does that it has just heard', () => {
    const server = silence();
    assert.deepEqual(answers(ask(server, 'ss-1')), ['ss-1 alive']);
    assert.deepEqual(answers(ask(server, 'ss-2')), ['ss-2 alive']);
  });

  test('echoes a neighbor that it has not heard for a moment, and says what came of it', () => {
    const server = silence();
    server.run(lan.echoMs / 4);
    const effects = ask(server, 'ss-2');
    assert.deepEqual(answers(effects), []);
    assert.equal(sent(effects, 'ss-echo', 2).length, 1);
    assert.deepEqual(answers(server.run(lan.indirectMs - 1)), []);
    assert.deepEqual(answers(server.run(1)), ['ss-2 silent']);

    const lucky = silence();
    lucky.run(300);
    ask(lucky, 'ss-2');
    assert.deepEqual(answers(lucky.step({ type: 'heard', link: 2 })), ['ss-2 alive']);
    assert.deepEqual(answers(lucky.run(lan.indirectMs)), [], 'once');
  });

  test('dials a server that is no neighbor', () => {
    for (const [how, expected] of [
      ['answers', 'ss-9 alive'],
      ['refuses', 'ss-9 silent'],
    ] as const) {
      const server = silence();
      server.exchange(3, 'ss-3', { rows: [rowOf('ss-9', { neighbors: [hashOf('ss-3')] })] });
      assert.deepEqual(answers(ask(server, 'ss-9')), []);
      if (how === 'refuses') {
        assert.deepEqual(answers(server.dialFailed('ss-9')), [expected]);
        continue;
      }
      const [echo] = sent(server.dialed('ss-9', 9, { unit: 'ss-9', role: 'server' }), 'ss-echo', 9);
      const reply = echoOf({ request: echo?.body.request ?? 0, reply: true });
      assert.deepEqual(answers(server.packet(9, 'ss-9', 'ss-echo', reply)), [expected]);
    }
  });

  test('says that it hears nothing of a server that it does not know', () => {
    assert.deepEqual(answers(ask(silence(), 'ss-77')), ['ss-77 silent']);
  });
});

describe('echoes', () => {
  /** ss-1 has dialled ss-2, so it is the one that echoes. */
  function dialler(): TestServer {
    const server = new TestServer();
    server.datagram('ss-2', 'ss-join', ssJoinOf({ nonce: nonceOf(3), link: addressOf('ss-2') }));
    server.run(50);
    server.dialed('ss-2', 2, { unit: 'ss-2', role: 'server' });
    server.packet(2, 'ss-2', 'ss-connection', { link: addressOf('ss-2'), joinTime: undefined });
    server.alive.add(2);
    return server;
  }
  const costMs = (server: TestServer): number | undefined =>
    server.node.tables().neighbor.oneHop[0]?.linkCostMs;
  /** The next echo is answered after so many ms. */
  function answeredAfter(server: TestServer, ms: number): Effect[] {
    const effects = server.run(0);
    let [echo] = sent(effects, 'ss-echo', 2);
    while (echo === undefined) {
      const next = server.run(1);
      effects.push(...next);
      [echo] = sent(next, 'ss-echo', 2);
    }
    effects.push(...server.run(ms));
    const reply = echoOf({ request: echo.body.request, reply: true });
    return [...effects, ...server.packet(2, 'ss-2', 'ss-echo', reply)];
  }

  test('are sent by the dialler only, once each period', () => {
    const count = (server: TestServer, link: number): number =>
      sent(server.run(7 * lan.echoMs), 'ss-echo', link).length;
    assert.equal(count(dialler(), 2), 7);
    const accepting = new TestServer();
    accepting.neighbor(2, 'ss-2');
    assert.equal(count(accepting, 2), 0);
  });

  test('measure the cost of the link, smoothed, and tell it to the other end', () => {
    const server = dialler();
    answeredAfter(server, 20);
    assert.equal(costMs(server), 20);
    answeredAfter(server, 120);
    assert.equal(costMs(server), 40);
    const [next] = sent(server.run(lan.echoMs), 'ss-echo', 2);
    assert.equal(next?.body.costUs, 40_000);
  });

  test('tell the end that did not dial what the link costs', () => {
    const server = new TestServer();
    server.neighbor(2, 'ss-2');
    const [answer] = sent(
      server.packet(2, 'ss-2', 'ss-echo', echoOf({ request: 9, costUs: 7_000 })),
      'ss-echo',
      2,
    );
    assert.deepEqual([answer?.body.request, answer?.body.reply], [9, true]);
    assert.equal(costMs(server), 7);
  });

  test('through a busy machine, where no two take the same time, are told with the digests only', () => {
    const server = dialler();
    answeredAfter(server, 20);
    server.run(2 * batchMs);
    let cards = 0;
    const beganAt = server.now;
    for (let echo = 0; server.now - beganAt < 3 * digestMs; echo++) {
      cards += sent(answeredAfter(server, echo % 8 < 4 ? 400 : 2), 'ss-exchange', 2).filter(
        ({ body }) => body.card !== undefined,
      ).length;
    }
    assert(cards >= 2 && cards <= 4, `${cards} cards in three times ${digestMs} ms`);
  });

  test('are not measured by a reply to another one', () => {
    const server = dialler();
    const effects = server.run(lan.echoMs);
    const [echo] = sent(effects, 'ss-echo', 2);
    const before = costMs(server);
    server.packet(2, 'ss-2', 'ss-echo', echoOf({ request: (echo?.body.request ?? 0) + 1, reply: true }));
    assert.equal(costMs(server), before);
  });
});
