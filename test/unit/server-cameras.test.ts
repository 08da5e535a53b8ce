/** One server and the cameras it manages, event by event in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answerDelayMs, linkSilenceMs, pendingAnswersMax } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import {
  accept,
  answeredMs,
  camJoin,
  exchange,
  meet,
  named,
  nonce,
  rowOf,
  sent,
  serverOf,
  withNeighbor,
} from '../support/server-events.ts';

describe('a server and its cameras', () => {
  test('answers a flood of joins up to a bound', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    for (let number = 0; number < 10_000; number++) node.step(0, camJoin(`cam-${number}`));
    const dials = named(node.step(1_000, { type: 'tick' }), 'dial');
    assert.equal(dials.length, pendingAnswersMax);
  });
  test('answers the later the more of its capacity is used', () => {
    const delayOf = (attached: number): number => {
      const node = serverOf({ camerasMax: 10 });
      node.step(0, { type: 'start' });
      for (let number = 0; number < attached; number++) {
        meet(node, 0, camJoin(`cam-${number}`), number + 1);
        node.step(answeredMs, accept(`cam-${number}`, number + 1, 1));
      }
      node.step(answeredMs, camJoin('cam-late'));
      for (let waited = 0; ; waited++) {
        if (named(node.step(answeredMs + waited, { type: 'tick' }), 'dial').length > 0) return waited;
      }
    };
    const [idle, busy] = [delayOf(0), delayOf(9)];
    const { base, load, jitter } = answerDelayMs;
    assert(idle <= base + jitter + 1, `${idle} ms idle`);
    assert(busy >= base + 0.9 * load && busy <= answeredMs, `${busy} ms busy`);
  });
  test('confirms a camera once, and attaches it once', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    const [offer] = sent(meet(node, 0, camJoin('cam-1', ['cam-1', 'cam-2']), 1));
    assert(offer?.name === 'cam-response' && offer.body.nonce.equals(nonce));
    const effects = node.step(1070, accept('cam-1', 1, 5));
    const [confirm] = sent(effects);
    assert(confirm?.name === 'cam-connection');
    assert.deepEqual([confirm.body.stage, confirm.body.epoch], ['confirm', 5]);
    assert.deepEqual(named(effects, 'attached')[0]?.cameras, ['cam-1', 'cam-2']);
    assert.deepEqual(node.step(1080, accept('cam-1', 1, 6)), [], 'a second acceptance changes nothing');
    assert.deepEqual(
      node.cameras().map(({ epoch }) => epoch),
      [5, 5],
    );
  });
  test('refuses an epoch that does not rise above the one it offered', () => {
    const node = withNeighbor();
    const cameras = [{ camera: 'cam-1', unit: 'cam-1', epoch: 8, online: false }];
    node.step(1070, exchange(1, [rowOf('ss-2', { cameras })]));
    const [offer] = sent(meet(node, 500, camJoin('cam-1'), 2));
    assert(offer?.name === 'cam-response');
    assert.equal(offer.body.epoch, 8);
    const effects = node.step(1170, accept('cam-1', 2, 8));
    assert.deepEqual(named(effects, 'attached'), []);
    assert.equal(named(effects, 'close')[0]?.link, 2);
  });
  test('keeps only the newer of two links of one unit', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    meet(node, 0, camJoin('cam-1'), 1);
    node.step(1070, accept('cam-1', 1, 1));
    meet(node, 500, camJoin('cam-1'), 2);
    const effects = node.step(1170, accept('cam-1', 2, 2));
    assert.equal(named(effects, 'close')[0]?.link, 1);
    assert.equal(named(effects, 'detached')[0]?.link, 1);
    assert.deepEqual(node.step(1171, { type: 'closed', link: 1, reason: 'closed' }), []);
    assert.deepEqual(
      node.cameras().map(({ epoch, online }) => [epoch, online]),
      [[2, true]],
    );
  });
  test('yields a camera to a manager with a higher epoch, and not to one with the same or a lower', () => {
    const node = withNeighbor();
    meet(node, 500, camJoin('cam-1'), 2);
    node.step(1170, accept('cam-1', 2, 5));
    const claimed = (epoch: number, version: number): Effect[] => {
      const cameras = [{ camera: 'cam-1', unit: 'cam-1', epoch, online: true }];
      return node.step(1300 + version, exchange(1, [rowOf('ss-2', { version, cameras })]));
    };
    assert.deepEqual(named(claimed(4, 2), 'close'), []);
    assert.deepEqual(named(claimed(5, 3), 'close'), []);
    const effects = claimed(6, 4);
    assert.equal(named(effects, 'close')[0]?.link, 2);
    assert.equal(named(effects, 'detached')[0]?.unit, 'cam-1');
    assert.deepEqual(
      node.cameras().map(({ server, epoch }) => [server, epoch]),
      [['ss-2', 6]],
    );
  });
  test('keeps a camera whose echoes wait behind its media, or which it holds back itself', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    meet(node, 0, camJoin('cam-1'), 1);
    node.step(1070, accept('cam-1', 1, 1));
    const effects: Effect[] = [];
    for (let now = 1_100; now < 1_100 + 3 * linkSilenceMs; now += 500) {
      node.step(now, { type: 'heard', link: 1 });
      effects.push(...node.step(now, { type: 'tick' }));
    }
    assert.deepEqual(named(effects, 'close'), []);
    assert(node.cameras()[0]?.online);
  });
  test('gives a silent camera and a silent server up', () => {
    const node = withNeighbor();
    meet(node, 500, camJoin('cam-1'), 2);
    node.step(1170, accept('cam-1', 2, 1));
    const effects: Effect[] = [];
    for (let now = 1_200; now < 1_200 + linkSilenceMs + 1_000; now += 50)
      effects.push(...node.step(now, { type: 'tick' }));
    assert.deepEqual(new Set(named(effects, 'close').map(({ link }) => link)), new Set([1, 2]));
    assert.deepEqual(
      node.cameras().map(({ online }) => online),
      [false],
    );
    assert.deepEqual([...node.hops().keys()], ['ss-1']);
    assert(named(effects, 'anycast').length >= 1, 'it asks for neighbors again');
  });
});
