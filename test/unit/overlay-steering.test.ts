/** Steering as the overlay sees it: whose wishes go where, and whose word is taken. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import { kinds, named, sent, TestServer } from '../support/server-events.ts';

describe('a camera that is steered', () => {
  const nowhere = { position: undefined, moving: false, mount: undefined };
  const stop: NonNullable<PacketBody<'cam-steer'>['wish']> = {
    verb: 'stop',
    pan: undefined,
    tilt: undefined,
    zoom: undefined,
    velocity: undefined,
    preset: undefined,
  };
  const body: PacketBody<'cam-steer'> = { request: 7, camera: 'cam-1', wish: stop, refusal: '', ...nowhere };

  test('gets the wish, and what it says comes back, asked or not', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    assert.equal(sent(server.step({ type: 'steer', body }), 'cam-steer', 1).length, 1);
    const position = { pan: 1, tilt: 2, zoom: 3 };
    for (const request of [7, 0]) {
      const said = { ...body, request, wish: undefined, position, moving: true };
      const told = named(server.packet(1, 'cam-1', 'cam-steer', said), 'steered');
      assert.deepEqual(told[0]?.body, said);
    }
  });

  test('is refused at once when it is elsewhere', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    const wish = { ...body, camera: 'cam-2' };
    const [refused] = named(server.step({ type: 'steer', body: wish }), 'steered');
    assert.deepEqual([refused?.body.wish, refused?.body.refusal], [undefined, 'ss-1 does not manage cam-2']);
  });

  test('speaks for itself alone, and is told nothing by another camera', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    server.manage(2, 'cam-2');
    for (const said of [{ ...body, wish: undefined }, body])
      assert.deepEqual(kinds(server.packet(2, 'cam-2', 'cam-steer', said)), []);
    assert.deepEqual(
      kinds(server.packet(1, 'cam-1', 'cam-steer', body)),
      [],
      'a wish of a camera is nothing',
    );
  });
});

describe('a camera whose sensors see something', () => {
  const motion = { kind: 'motion', sensor: '', fromUs: 1_000_000, toUs: 0 };
  const body: PacketBody<'cam-event'> = {
    camera: 'cam-1',
    batch: 3,
    reply: false,
    kinds: ['motion'],
    events: [motion],
  };

  test('tells its manager, and is answered by it alone', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    server.manage(2, 'cam-2');
    const told = named(server.packet(1, 'cam-1', 'cam-event', body), 'events');
    assert.deepEqual(told[0]?.body, body);
    const answer = { ...body, reply: true, events: [] };
    assert.equal(sent(server.step({ type: 'events', body: answer }), 'cam-event', 1).length, 1);
    const elsewhere = { ...answer, camera: 'cam-3' };
    assert.deepEqual(kinds(server.step({ type: 'events', body: elsewhere })), []);
  });

  test('speaks for itself alone, and confirms nothing', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    server.manage(2, 'cam-2');
    assert.deepEqual(kinds(server.packet(2, 'cam-2', 'cam-event', body)), []);
    assert.deepEqual(kinds(server.packet(1, 'cam-1', 'cam-event', { ...body, reply: true })), []);
  });
});
