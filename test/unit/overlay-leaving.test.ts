/** A server that leaves: which stage comes when, and that it ends. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { hashOf } from '../../firmware/overlay/origin-table.ts';
import {
  addressOf,
  disconnectionOf,
  kinds,
  lan,
  named,
  rowOf,
  sent,
  storiesIn,
  TestServer,
  unitOf,
} from '../support/server-events.ts';

/** ss-1 with the neighbors ss-2 and ss-3 over links 2 and 3; its address is up. */
function member(): TestServer {
  const server = new TestServer();
  server.neighbor(2, 'ss-2');
  server.neighbor(3, 'ss-3');
  server.run(3_000);
  return server;
}

const told = (effects: readonly Effect[]): number[] =>
  sent(effects, 'ss-disconnection')
    .filter(({ body }) => body.stage === 'leave')
    .map(({ link }) => link);

const hasLeft = (effects: readonly Effect[]): boolean => named(effects, 'left').length > 0;

describe('a server that leaves', () => {
  test('without neighbors and cameras has left at once', () => {
    const server = new TestServer();
    server.run(1_500);
    const effects = server.step({ type: 'leave' });
    assert(hasLeft(effects));
    assert.equal(named(effects, 'anycast-address')[0]?.up, false);
    assert.equal(server.node.wakeAt(), Number.POSITIVE_INFINITY);
  });

  test('takes its address down first, then says its last row, then tells its neighbors', () => {
    const server = member();
    const effects = server.step({ type: 'leave' });
    const address = effects.findIndex(({ type }) => type === 'anycast-address');
    const row = effects.findIndex(
      (effect) => effect.type === 'send' && effect.packet.name === 'ss-exchange' && effect.link === 2,
    );
    const leave = effects.findIndex(
      (effect) => effect.type === 'send' && effect.packet.name === 'ss-disconnection',
    );
    assert(address >= 0 && address < row && row < leave, kinds(effects).join());
    const [own] = sent(effects, 'ss-exchange', 2).flatMap(({ body }) => body.rows);
    assert.deepEqual([own?.standing, own?.neighbors, (own?.version ?? 0) % 2], ['left', [], 1]);
    assert.deepEqual(told(effects), [2, 3]);
    assert(!hasLeft(effects));
  });

  test('has left when the last neighbor has heard it, or is gone', () => {
    const server = member();
    server.step({ type: 'leave' });
    assert(!hasLeft(server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('left'))));
    assert(!hasLeft(server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('left'))), 'twice is once');
    assert(hasLeft(server.step({ type: 'closed', link: 3, reason: 'reset' })));
    assert.equal(server.node.wakeAt(), Number.POSITIVE_INFINITY);
  });

  test('stays for its cameras: they are told to look for a place, and it leaves in time all the same', () => {
    const server = member();
    server.manage(9, 'cam-1');
    const effects = server.step({ type: 'leave' });
    assert.equal(sent(effects, 'cam-transfer').filter(({ body }) => body.stage === 'ask').length, 2);
    assert.deepEqual(sent(server.run(lan.leaveMs / 2 - 1), 'cam-rejoin'), []);
    const [rejoin] = sent(server.run(1), 'cam-rejoin', 9);
    assert.deepEqual(rejoin?.body, { server: 'ss-1', epoch: 1 });
    assert.deepEqual(told(server.run(lan.leaveMs / 4 - 1)), []);
    assert.deepEqual(told(server.run(1)), [2, 3]);
    assert(!hasLeft(server.run(lan.leaveMs / 4 - 1)));
    assert(hasLeft(server.run(1)));
  });

  test('waits until the new manager of its camera has the history', () => {
    const server = member();
    server.manage(9, 'cam-1');
    server.step({ type: 'leave' });
    server.alive.delete(9);
    const units = [unitOf('cam-1', { epoch: 2 })];
    const row = rowOf('ss-2', { version: 4, neighbors: [hashOf('ss-1')], units });
    const seen = [...server.exchange(2, 'ss-2', { rows: [row] }), ...server.run(150)];
    assert.equal(named(seen, 'detached').length, 1);
    assert.deepEqual(told(seen), []);
    const [history] = sent(seen, 'ss-exchange', 2).filter(({ body }) => body.request !== 0);
    assert.deepEqual(
      history?.body.tenures.map(({ camera, server: owner, toUs }) => [camera, owner, toUs > 0]),
      [['cam-1', 'ss-1', true]],
    );
    server.exchange(2, 'ss-2', { received: history?.body.request ?? 0 });
    assert.deepEqual(told(server.run(100)), [2, 3]);
  });

  test('accepts nobody any more, and does not say that it lives', () => {
    const server = member();
    server.manage(9, 'cam-1');
    server.step({ type: 'leave' });
    server.accepted(4, 'ss-4');
    const asking = { link: addressOf('ss-4'), joinTime: undefined };
    const [refusal] = sent(server.packet(4, 'ss-4', 'ss-connection', asking), 'ss-disconnection', 4);
    assert.deepEqual([refusal?.body.stage, refusal?.body.reason], ['refused', 'it leaves']);
    const version = server.ownVersion();
    server.exchange(2, 'ss-2', { rows: [rowOf('ss-1', { version: version + 3, standing: 'dead' })] });
    assert.equal(server.ownVersion(), version);
    assert.deepEqual(named(server.run(lan.leaveMs), 'anycast'), []);
  });

  test('leaves once, whoever asks again', () => {
    const server = member();
    server.manage(9, 'cam-1');
    server.step({ type: 'leave' });
    assert.deepEqual(kinds(server.step({ type: 'leave' })), []);
    const effects = server.run(2 * lan.leaveMs);
    assert.equal(named(effects, 'left').length, 1);
  });
});

describe('a neighbor that leaves', () => {
  test('is answered, is no neighbor any more, and nobody suspects it', () => {
    const server = member();
    const effects = server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('leave'));
    assert.deepEqual(
      sent(effects, 'ss-disconnection', 2).map(({ body }) => body.stage),
      ['left'],
    );
    assert.deepEqual(server.node.inspect().neighbors, ['ss-3']);
    server.alive.delete(2);
    effects.push(
      ...server.step({ type: 'closed', link: 2, reason: 'closed by the peer' }),
      ...server.run(5_000),
    );
    assert(!/suspected|is dead/.test(storiesIn(effects).join()));
  });

  test('has its place taken by its other neighbors', () => {
    const server = new TestServer();
    server.neighbor(2, 'ss-2', { others: ['ss-8'] });
    server.exchange(2, 'ss-2', { rows: [rowOf('ss-2', { version: 3, standing: 'left' })] });
    server.packet(2, 'ss-2', 'ss-disconnection', disconnectionOf('leave'));
    const effects = server.dialed('ss-8', 8, { unit: 'ss-8', role: 'server' });
    assert.deepEqual(
      sent(effects, 'ss-reconnection', 8).map(({ body }) => body.dead),
      ['ss-2'],
    );
  });
});
