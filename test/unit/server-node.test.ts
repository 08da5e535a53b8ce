/** One server among servers, event by event in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answerDelayMs, counterMax, degree } from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import { camerasPerServerMax, type OriginRow } from '../../firmware/overlay/packets.ts';
import {
  accept,
  camJoin,
  exchange,
  headerOf,
  meet,
  named,
  nonce,
  rowOf,
  sent,
  serverOf,
  ssJoin,
  withNeighbor,
} from '../support/server-events.ts';

describe('a server', () => {
  test('refuses a camera certificate on a link it accepts', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    const effects = node.step(0, { type: 'accepted', link: 1, peer: { unit: 'cam-1', role: 'camera' } });
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['refused', 'close'],
    );
    assert.deepEqual(node.step(0, exchange(1, [rowOf('ss-9')], 'cam-1')), []);
    assert.equal(node.origins().length, 1);
  });
  test('refuses whoever is not the joiner it has dialled', () => {
    for (const peer of [
      { unit: 'ss-3', role: 'server' },
      { unit: 'ss-2', role: 'camera' },
    ] as const) {
      const node = serverOf();
      node.step(0, { type: 'start' });
      node.step(0, ssJoin('ss-2'));
      const [dial] = named(node.step(60, { type: 'tick' }), 'dial');
      assert(dial !== undefined);
      const effects = node.step(60, { type: 'dialed', dial: dial.dial, link: 1, peer });
      assert.deepEqual(
        effects.map(({ type }) => type),
        ['refused', 'close'],
      );
    }
  });
  test('closes a link that speaks in another unit’s name, a server’s and a camera’s alike', () => {
    const node = withNeighbor();
    meet(node, 500, camJoin('cam-1'), 2);
    for (const [link, effects] of [
      [1, node.step(1200, exchange(1, [rowOf('ss-9')], 'ss-9'))],
      [2, node.step(1200, accept('cam-2', 2, 1))],
    ] as const) {
      assert.equal(named(effects, 'refused')[0]?.reason, 'a packet in another unit’s name');
      assert.equal(named(effects, 'close')[0]?.link, link);
    }
    assert.equal(node.cameras().length, 0);
    assert.equal(
      node.origins().some(({ origin }) => origin === 'ss-9'),
      false,
    );
  });
  test('refuses an offer that answers none of its joins, and takes one that answers the join before', () => {
    const node = serverOf();
    const [first] = named(node.step(0, { type: 'start' }), 'anycast');
    const [second] = named(node.step(node.wakeAt() < 700 ? 700 : 1_000, { type: 'tick' }), 'anycast');
    assert(first?.packet.name === 'ss-join' && second?.packet.name === 'ss-join');
    assert(!first.packet.body.nonce.equals(second.packet.body.nonce), 'each join has its own');
    const offer = (link: number, sender: string, answered: Buffer): Effect[] => {
      node.step(800, { type: 'accepted', link, peer: { unit: sender, role: 'server' } });
      const body = { nonce: answered, link: { host: sender, port: 1 } };
      return node.step(800, {
        type: 'packet',
        link,
        packet: { name: 'ss-response', header: headerOf(sender), body },
      });
    };
    const stale = offer(1, 'ss-2', nonce);
    assert.deepEqual(
      stale.map(({ type }) => type),
      ['refused', 'close'],
    );
    assert.equal(sent(offer(2, 'ss-3', first.packet.body.nonce))[0]?.name, 'ss-connection');
  });
  test('does not become the neighbor of a server it never agreed with', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    node.step(0, { type: 'accepted', link: 1, peer: { unit: 'ss-2', role: 'server' } });
    const header = headerOf('ss-2');
    const link = { host: 'ss-2', port: 1 };
    node.step(1, {
      type: 'packet',
      link: 1,
      packet: { name: 'ss-response', header, body: { nonce: undefined, link } },
    });
    node.step(1, { type: 'packet', link: 1, packet: { name: 'ss-connection', header, body: { link } } });
    node.step(2, exchange(1, [rowOf('ss-9')]));
    assert.equal(node.origins().length, 1);
    assert.deepEqual(node.origins()[0]?.neighbors, []);
  });
  test('takes no more neighbors than its bound, whoever insists', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    for (let number = 2; number < 30; number++) {
      const unit = `ss-${number}`;
      node.step(number, ssJoin(unit));
    }
    const dials = named(node.step(100, { type: 'tick' }), 'dial');
    for (const [place, { dial }] of dials.entries()) {
      const peer = { unit: `ss-${place + 2}`, role: 'server' } as const;
      node.step(100, { type: 'dialed', dial, link: place + 1, peer });
    }
    let closed = 0;
    for (const [place] of dials.entries()) {
      const sender = `ss-${place + 2}`;
      const body = { link: { host: sender, port: 1 } };
      const event = {
        type: 'packet',
        link: place + 1,
        packet: { name: 'ss-connection', header: headerOf(sender), body },
      } as const;
      closed += named(node.step(100, event), 'close').length;
    }
    assert.equal(node.origins()[0]?.neighbors.length, degree.max);
    assert.equal(closed, dials.length - degree.max);
  });
  test('answers one joiner once, however often it asks', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    for (let number = 0; number < 100; number++) node.step(0, ssJoin('ss-2'));
    assert.equal(named(node.step(60, { type: 'tick' }), 'dial').length, 1);
    node.step(61, ssJoin('ss-2'));
    assert.equal(named(node.step(200, { type: 'tick' }), 'dial').length, 0, 'it is being dialled already');
  });
  test('answers a joiner that asks again no later for that', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    const dueAt: number[] = [];
    for (let now = 0; now < 1_000 && dueAt.length === 0; now++) {
      node.step(now, camJoin('cam-1'));
      if (named(node.step(now, { type: 'tick' }), 'dial').length > 0) dueAt.push(now);
    }
    assert((dueAt[0] ?? 1_000) <= answerDelayMs.base + answerDelayMs.jitter + 1);
  });
  test('ignores its own join', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    node.step(0, ssJoin('ss-1'));
    assert.equal(named(node.step(60, { type: 'tick' }), 'dial').length, 0);
  });
  const dialled = (host: string, from: string): string | undefined => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    node.step(0, ssJoin('ss-2', host, from));
    return named(node.step(60, { type: 'tick' }), 'dial')[0]?.address.host;
  };
  test('dials a joiner where it says, or where its join came from when it listens everywhere', () => {
    assert.equal(dialled('10.0.0.2', '10.9.9.9'), '10.0.0.2');
    for (const everywhere of ['::', '0.0.0.0', '']) assert.equal(dialled(everywhere, '10.9.9.9'), '10.9.9.9');
    assert.equal(dialled('::', 'fe80::2%eth0'), 'fe80::2%eth0');
  });
  test('reaches a link-local address by the interface its join came by, never by the joiner’s', () => {
    assert.equal(dialled('fe80::2', 'fe80::2%eth0'), 'fe80::2%eth0');
    assert.equal(dialled('fe80::2%wlan7', 'fe80::2%eth0'), 'fe80::2%eth0');
    assert.equal(dialled('fe80::2', '10.0.0.2'), 'fe80::2');
    assert.equal(dialled('2001:db8::2', 'fe80::2%eth0'), '2001:db8::2');
  });
  test('answers a server’s echo, and does not answer the answer', () => {
    const node = withNeighbor();
    const echo = (reply: boolean): OverlayEvent => ({
      type: 'packet',
      link: 1,
      packet: { name: 'ss-echo', header: headerOf('ss-2'), body: { reply } },
    });
    assert.deepEqual(
      sent(node.step(1070, echo(false))).map(({ body }) => body),
      [{ reply: true }],
    );
    assert.deepEqual(node.step(71, echo(true)), []);
  });
  test('passes news on to everyone but its source, and old news to no one', () => {
    const node = withNeighbor();
    meet(node, 500, ssJoin('ss-3'), 2);
    const body = { link: { host: 'ss-3', port: 1 } };
    node.step(1170, {
      type: 'packet',
      link: 2,
      packet: { name: 'ss-connection', header: headerOf('ss-3'), body },
    });
    node.step(1400, { type: 'tick' });
    const news = named(node.step(1500, exchange(1, [rowOf('ss-9', { version: 2 })])), 'send');
    assert.deepEqual(
      news.map(({ link }) => link),
      [2],
    );
    assert.deepEqual(node.step(1501, exchange(1, [rowOf('ss-9', { version: 2 })])), []);
    assert.deepEqual(node.step(1502, exchange(1, [rowOf('ss-9', { version: 1 })])), []);
  });
  test('outlives whatever its peers remember of it, but not numbers that cannot be', () => {
    const before = { incarnation: 3, version: 1 };
    const cases: [string, Partial<OriginRow>, number][] = [
      ['a later life', { incarnation: 9 }, 10],
      ['a later version of the same life', { ...before, version: 1_000 }, 4],
      ['the same number with another content', { ...before, neighbors: ['ss-7'] }, 4],
      ['an earlier life', { incarnation: 2, version: 1_000 }, 3],
      ['nonsense', { incarnation: counterMax + 1 }, 3],
    ];
    for (const [what, fields, incarnation] of cases) {
      const node = withNeighbor({ incarnation: 3 });
      const own = node.origins().find(({ origin }) => origin === 'ss-1');
      const version = fields.version ?? own?.version ?? 0;
      const row = {
        ...rowOf('ss-1'),
        ...fields,
        version: fields.version === 1 ? (own?.version ?? 0) : version,
      };
      const effects = node.step(1200, exchange(1, [row]));
      const now = node.origins().find(({ origin }) => origin === 'ss-1');
      assert.equal(now?.incarnation, incarnation, what);
      assert.equal(
        named(effects, 'persist')[0]?.state['incarnation'],
        incarnation === 3 ? undefined : incarnation,
        what,
      );
    }
  });
  test('keeps a bounded number of rows and of cameras in them, however many a peer claims', () => {
    const node = withNeighbor();
    const cameras = Array.from({ length: camerasPerServerMax }, (_, place) => {
      return { camera: `cam-${place}`, unit: `cam-${place}`, epoch: 1, online: true };
    });
    for (let number = 0; number < 5_000; number++) {
      const hostile =
        number < 1_000 ? cameras.map((claim) => ({ ...claim, camera: `x${number}-${claim.camera}` })) : [];
      node.step(1100, exchange(1, [rowOf(`z-${number}`, { cameras: hostile })]));
    }
    assert.equal(node.origins().length, 4_096);
    assert(node.cameras().length <= 16_384);
    // What is known may still change, and shrink.
    node.step(1101, exchange(1, [rowOf('z-0', { version: 2, cameras: [] })]));
    assert.equal(
      node.cameras().some(({ server }) => server === 'z-0'),
      false,
    );
  });
});

test('a server’s row names an address of its machine, also when it listens on every address', () => {
  assert.deepEqual(serverOf().origins()[0]?.link, { host: '10.0.0.1', port: 8383 });
});
