/** Servers and cameras as a network, in virtual time over a wire in memory (test/support/overlay-wire.ts). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { degree } from '../../firmware/overlay/constants.ts';
import { camerasPerServerMax } from '../../firmware/overlay/packets.ts';
import { OverlayWire } from '../support/overlay-wire.ts';

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

describe('servers on a wire', () => {
  for (const seed of seeds) {
    test(`two that join at once keep exactly one link (seed ${seed})`, () => {
      const wire = new OverlayWire({ seed });
      const [a, b] = [wire.addServer('ss-1'), wire.addServer('ss-2')];
      wire.until('they know each other', () => a.node.hops().has('ss-2') && b.node.hops().has('ss-1'));
      wire.run(60_000);
      assert.equal(wire.linksBetween(a, b), 1);
      assert.equal(wire.linksBetween(b, a), 1);
      for (const { node } of [a, b]) assert.equal(node.hops().size, 2);
    });

    for (const count of seed <= 2 ? [3, 6, 24] : [3, 6]) {
      test(`${count} that start together become one network within their degree (seed ${seed})`, () => {
        const wire = new OverlayWire({ seed });
        const servers = Array.from({ length: count }, (_, place) => wire.addServer(`ss-${place + 1}`));
        wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === count));
        wire.run(40_000);
        for (const server of servers) {
          assert.equal(server.node.hops().size, count);
          const links = servers.filter((other) => wire.linksBetween(server, other) > 0).length;
          assert(links >= 1 && links <= degree.max, `${server.id} has ${links} links`);
          assert.equal(server.ends.size, links, 'no link is left over from a handshake');
          const row = server.node.origins().find(({ origin }) => origin === server.id);
          assert.equal(row?.neighbors.length, links);
        }
      });
    }
  }

  test('of two links whose dials have crossed both ends keep the same one', () => {
    for (let seed = 100; seed < 160; seed++) {
      const wire = new OverlayWire({ seed });
      const [a, b] = [wire.addServer('ss-1'), wire.addServer('ss-2')];
      wire.run(0.1);
      // No further join can mend what this handshake breaks.
      wire.anycast = false;
      wire.run(2_000);
      assert.equal(wire.linksBetween(a, b), 1, `seed ${seed}`);
      assert.deepEqual([a.node.hops().size, b.node.hops().size], [2, 2], `seed ${seed}`);
    }
  });

  test('two networks whose servers have all the links they want still become one', () => {
    const wire = new OverlayWire({ seed: 10 });
    wire.reaches = (from, to) => from.slice(0, 4) === to.slice(0, 4);
    const ids = ['west', 'east'].flatMap((side) => [1, 2, 3, 4, 5].map((number) => `${side}-${number}`));
    const servers = ids.map((id) => wire.addServer(id));
    wire.until('both are whole', () => servers.every(({ node }) => node.hops().size === 5));
    wire.run(40_000);
    wire.reaches = () => true;
    wire.until('they are one', () => servers.every(({ node }) => node.hops().size === 10), 60_000);
    wire.run(60_000);
    for (const { node } of servers) assert.equal(node.hops().size, 10);
  });

  test('every server knows the manager of every camera', () => {
    const wire = new OverlayWire({ seed: 11 });
    const servers = Array.from({ length: 6 }, (_, place) => wire.addServer(`ss-${place + 1}`));
    wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === 6));
    const cameras = Array.from({ length: 12 }, (_, place) => wire.addCamera(`cam-${place + 1}`));
    const known = (): boolean =>
      servers.every(({ node }) =>
        cameras.every((camera) => {
          const claim = node.cameras().find(({ camera: id }) => id === camera.id);
          return claim?.online === true && claim.server === camera.node.manager();
        }),
      );
    wire.until('all know all cameras', known);
    wire.run(20_000);
    assert(known());
  });

  for (const silent of [false, true]) {
    test(`a dead server's cameras are managed elsewhere with a higher epoch (${silent ? 'silent' : 'reset'})`, () => {
      const wire = new OverlayWire({ seed: 12 });
      const servers = ['ss-1', 'ss-2', 'ss-3'].map((id) => wire.addServer(id));
      wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === 3));
      const camera = wire.addCamera('cam-1');
      wire.until('the camera is managed', () => camera.node.manager() !== undefined);
      wire.run(1_000);
      const dead = servers.find(({ id }) => id === camera.node.manager());
      const alive = servers.filter((server) => server !== dead);
      assert(dead !== undefined);
      const [before] = alive[0]?.node.cameras() ?? [];
      assert.equal(before?.server, dead.id);

      wire.anycast = false;
      wire.crash(dead, { silent });
      wire.until('the others see that it cannot be reached', () =>
        alive.every(({ node }) => !node.hops().has(dead.id)),
      );
      // No row says otherwise: whoever asks is told the last manager, which cannot be reached.
      for (const { node } of alive) assert.equal(node.cameras()[0]?.server, dead.id);

      wire.anycast = true;
      const moved = (): boolean =>
        alive.every(({ node }) => {
          const [claim] = node.cameras();
          return claim?.online === true && claim.server !== dead.id && claim.epoch > before.epoch;
        });
      wire.until('another server has it', moved);
    });
  }

  test('a server whose disk was lost continues above what its peers remember', () => {
    const wire = new OverlayWire({ seed: 13 });
    const [a, b] = [wire.addServer('ss-1', { state: { incarnation: 41 } }), wire.addServer('ss-2')];
    wire.until('they know each other', () => b.node.hops().has('ss-1') && a.node.hops().has('ss-2'));
    wire.crash(a);
    wire.run(5_000);
    const again = wire.addServer('ss-1');
    assert.equal(again.state['incarnation'], 1);
    const knows = (): boolean =>
      (b.node.origins().find(({ origin }) => origin === 'ss-1')?.incarnation ?? 0) > 42;
    wire.until('the peer takes its new row', knows);
    assert.equal(again.state['incarnation'], 43);
  });

  test('news of a camera herd is batched, not one flood for each camera', () => {
    const wire = new OverlayWire({ seed: 14 });
    const servers = ['ss-1', 'ss-2', 'ss-3'].map((id) => wire.addServer(id, { camerasMax: 128 }));
    wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === 3));
    wire.run(1_000);
    const before = wire.packets.get('ss-exchange') ?? 0;
    for (let number = 0; number < 100; number++) wire.addCamera(`cam-${number}`);
    wire.until('all cameras are known everywhere', () =>
      servers.every(({ node }) => node.cameras().filter(({ online }) => online).length === 100),
    );
    const exchanges = (wire.packets.get('ss-exchange') ?? 0) - before;
    assert(exchanges < 100, `${exchanges} exchanges for 100 cameras`);
  });

  test('a full server leaves cameras to the others, and never takes more than it can', () => {
    const wire = new OverlayWire({ seed: 15 });
    const servers = ['ss-1', 'ss-2'].map((id) => wire.addServer(id, { camerasMax: 3 }));
    const cameras = Array.from({ length: 6 }, (_, place) => wire.addCamera(`cam-${place}`));
    wire.until('all are managed', () => cameras.every(({ node }) => node.manager() !== undefined));
    for (const { id } of servers) assert.equal(cameras.filter(({ node }) => node.manager() === id).length, 3);
    const [late] = [wire.addCamera('cam-late')];
    wire.run(30_000);
    assert.equal(late?.node.manager(), undefined);
  });

  test('a unit of eight cameras counts as eight', () => {
    const wire = new OverlayWire({ seed: 16 });
    const server = wire.addServer('ss-1', { camerasMax: 20 });
    const units = Array.from({ length: 3 }, (_, unit) =>
      wire.addCamera(`unit-${unit}`, {
        cameras: Array.from({ length: 8 }, (__, place) => `cam-${unit}-${place}`),
      }),
    );
    wire.run(20_000);
    assert.equal(units.filter(({ node }) => node.manager() === 'ss-1').length, 2);
    assert.equal(server.node.cameras().filter(({ online }) => online).length, 16);
  });

  test('a server that has seen more cameras than a row holds forgets the oldest that are gone', () => {
    const wire = new OverlayWire({ seed: 17 });
    const server = wire.addServer('ss-1', { camerasMax: 1024 });
    for (let round = 0; round < 3; round++) {
      const cameras = Array.from({ length: 60 }, (_, place) => wire.addCamera(`cam-${round}-${place}`));
      wire.until('all are managed', () => cameras.every(({ node }) => node.manager() === 'ss-1'));
      if (round < 2) for (const camera of cameras) wire.crash(camera);
      wire.run(1_000);
    }
    const claims = server.node.cameras();
    assert.equal(claims.length, camerasPerServerMax);
    assert.equal(claims.filter(({ online }) => online).length, 60);
    const ofRound = (round: number): number =>
      claims.filter(({ camera }) => camera.startsWith(`cam-${round}-`)).length;
    assert.deepEqual([ofRound(0), ofRound(1)], [camerasPerServerMax - 120, 60], 'the oldest went');
  });
});
