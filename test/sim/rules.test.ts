/** Each rule sees what is against it: a planted violation is told, and a sound course of events is not. */
import assert from 'node:assert';
import { beforeEach, test } from 'node:test';
import type { Effect, OverlayEvent, OverlayNode } from '../../firmware/overlay/effects.ts';
import {
  incidentBytes,
  nonceBytes,
  type Packet,
  type PacketBody,
  type PacketName,
  protocolVersion,
} from '../../firmware/overlay/packets.ts';
import { EpochsRise, GapsAreShort, OffersAnswerOwnJoins, OneManagerPerEpoch } from './camera-rules.ts';
import {
  DegreeIsBounded,
  IncarnationsAreTheOwners,
  LinkEnds,
  OneLockHolder,
  PruningKeepsTogether,
  QueriesAreAnswered,
  ReconfigurationIsRare,
  TrafficIsBounded,
} from './invariants.ts';
import type { SimUnit } from './sim-unit.ts';
import { SimWorld } from './world.ts';

/** A node that says of itself what the test wants. */
class Puppet implements OverlayNode {
  neighbors: string[] = [];
  lock: { holder: string; until: number } | undefined;

  step(): Effect[] {
    return [];
  }

  wakeAt(): number {
    return Number.POSITIVE_INFINITY;
  }

  inspect(): object {
    return { neighbors: this.neighbors, lock: this.lock };
  }
}

let world: SimWorld;
let units: Record<'a' | 'b' | 'c' | 'cam', SimUnit>;
let said: string[];

const say = (rule: string, detail: string): void => void said.push(`${rule}: ${detail}`);
const puppet = (unit: SimUnit): Puppet => unit.node as Puppet;
const tick: OverlayEvent = { type: 'tick' };
const nonce = (fill: number): Buffer => Buffer.alloc(nonceBytes, fill);

function packet<K extends PacketName>(from: SimUnit, name: K, body: PacketBody<K>, incarnation = 1): Packet {
  const header = { version: protocolVersion, site: 'sim', sender: from.id, incarnation, network: undefined };
  return { name, header, body } as unknown as Packet;
}

const send = (what: Packet, link = 1): Effect[] => [{ type: 'send', link, packet: what }];
const receive = (what: Packet, link = 1): OverlayEvent => ({ type: 'packet', link, packet: what });

function disconnection(from: SimUnit, stage: PacketBody<'ss-disconnection'>['stage'], fence = 0): Packet {
  return packet(from, 'ss-disconnection', { stage, fence, witness: undefined, neighbors: [], reason: '' });
}

/** Link 1 leads from a to b, link 2 from a to c. */
function ends(): LinkEnds {
  const known = new LinkEnds();
  known.started(units.a);
  for (const [link, unit] of [
    [1, 'b'],
    [2, 'c'],
  ] as const) {
    known.event(units.a, { type: 'dialed', dial: link, link, peer: { unit, role: 'server' } });
  }
  return known;
}

beforeEach(() => {
  said = [];
  world = new SimWorld();
  const add = (id: string, role: 'camera' | 'server'): SimUnit => world.addUnit(id, role, () => new Puppet());
  units = { a: add('a', 'server'), b: add('b', 'server'), c: add('c', 'server'), cam: add('cam', 'camera') };
});

test('an incarnation that its owner never had is told', () => {
  const rule = new IncarnationsAreTheOwners(world, say);
  const row = (incarnation: number): Packet => {
    const link = { host: 'b', port: 1 };
    const rows = [{ origin: 'b', incarnation, version: 2, link, pageUrl: '', neighbors: [], units: [] }];
    const none = { card: undefined, digest: undefined, versions: undefined, tenures: [], document: [] };
    return packet(units.a, 'ss-exchange', {
      ...none,
      rows,
      request: 0,
      received: 0,
    } as unknown as PacketBody<'ss-exchange'>);
  };
  rule.effects(units.a, tick, send(row(1)));
  assert.deepEqual(said, []);
  rule.effects(units.a, tick, send(row(2)));
  assert.equal(said.length, 1);
  rule.effects(units.a, tick, send(packet(units.a, 'ss-echo', {} as PacketBody<'ss-echo'>, 2)));
  assert.equal(said.length, 2);
});

test('a lock that is granted to a second server is told, one that was released is not', () => {
  const rule = new OneLockHolder(world, say, ends());
  rule.effects(units.a, tick, send(disconnection(units.a, 'locked', 1), 1));
  rule.event(units.a, receive(disconnection(units.b, 'release', 1), 1));
  rule.effects(units.a, tick, send(disconnection(units.a, 'locked', 2), 2));
  assert.deepEqual(said, []);
  rule.effects(units.a, tick, send(disconnection(units.a, 'locked', 3), 1));
  assert.match(said.join(), /while c holds it/);
});

test('a lock that is granted while its server uses it itself is told, and so is a fence that does not rise', () => {
  const rule = new OneLockHolder(world, say, ends());
  puppet(units.a).lock = { holder: 'a', until: 1_000 };
  rule.event(units.a, receive(disconnection(units.b, 'lock'), 1));
  rule.effects(units.a, tick, send(disconnection(units.a, 'locked', 1), 1));
  assert.match(said.join(), /while a holds it/);
  said = [];
  puppet(units.a).lock = undefined;
  world.run(3_000);
  rule.event(units.a, receive(disconnection(units.b, 'lock'), 1));
  rule.effects(units.a, tick, send(disconnection(units.a, 'locked', 1), 1));
  assert.match(said.join(), /fence 1 after 1/);
});

test('a lock without an end is told', () => {
  const rule = new OneLockHolder(world, say, ends());
  puppet(units.a).lock = { holder: 'b', until: 2_000 };
  rule.sample();
  assert.deepEqual(said, []);
  puppet(units.a).lock = { holder: 'b', until: Number.POSITIVE_INFINITY };
  rule.sample();
  assert.equal(said.length, 1);
});

test('dropping the last path is told; dropping one of two is not', () => {
  const rule = new PruningKeepsTogether(world, say, ends());
  puppet(units.b).neighbors = ['a', 'c'];
  puppet(units.a).neighbors = ['c'];
  puppet(units.c).neighbors = ['a', 'b'];
  rule.effects(units.a, tick, send(disconnection(units.a, 'done'), 1));
  assert.deepEqual(said, []);
  puppet(units.a).neighbors = [];
  rule.effects(units.a, tick, send(disconnection(units.a, 'done'), 2));
  assert.match(said.join(), /a dropped c; no other path/);
});

test('too many neighbors are told, unless repairs have brought them', () => {
  const rule = new DegreeIsBounded(world, say, 3);
  rule.started(units.a);
  puppet(units.a).neighbors = ['1', '2', '3', '4', '5', '6'];
  const asked = {
    request: 1,
    link: { host: 'x', port: 1 },
    dead: 'x',
    deadIncarnation: 1,
    joinTime: { ms: 0, count: 0 },
  };
  rule.event(units.a, receive(packet(units.b, 'ss-reconnection', asked)));
  rule.sample();
  assert.deepEqual(said, []);
  rule.started(units.a);
  rule.sample();
  assert.match(said.join(), /6 neighbors, at most 5/);
});

test('a second reconfiguration within 60 s is told, the same one to several neighbors is not', () => {
  const rule = new ReconfigurationIsRare(say);
  const incident = (fill: number): Effect[] =>
    send(packet(units.a, 'ss-reconfiguration', { incident: Buffer.alloc(incidentBytes, fill), dead: ['x'] }));
  rule.effects(units.a, tick, [...incident(1), ...incident(1)]);
  world.run(61_000);
  rule.effects(units.a, tick, incident(2));
  assert.deepEqual(said, []);
  world.run(59_000);
  rule.effects(units.a, tick, incident(3));
  assert.equal(said.length, 1);
  world.run(10);
  rule.effects(units.a, tick, incident(3));
  assert.equal(said.length, 2, 'the same one again');
});

test('a query without an answer is told', () => {
  const rule = new QueriesAreAnswered(world, say);
  rule.asked(units.a, world.ask('a', 'cam'));
  rule.asked(units.b, world.ask('b', 'cam'));
  world.crash('b');
  world.run(60_000);
  rule.sample();
  assert.equal(said.length, 1, 'only of the server that runs');
});

test('a flood of packets is told', () => {
  const rule = new TrafficIsBounded(world, say);
  world.run(1_000);
  units.a.sent.packets = 100;
  rule.sample();
  assert.deepEqual(said, []);
  world.run(1_000);
  units.a.sent.packets = 10_000;
  rule.sample();
  assert.equal(said.length, 1);
});

const managed = (epoch: number, server = 'a'): Effect[] => [{ type: 'managed', link: 1, server, epoch }];

test('an epoch that does not rise is told, unless the disk was lost', () => {
  const rule = new EpochsRise(say);
  rule.effects(units.cam, tick, managed(1));
  rule.effects(units.cam, tick, managed(4));
  assert.deepEqual(said, []);
  rule.effects(units.cam, tick, managed(4));
  assert.equal(said.length, 1);
  units.cam.disk.wipe();
  rule.effects(units.cam, tick, managed(1));
  assert.equal(said.length, 1);
});

test('an epoch that is accepted before the disk knows it is told', () => {
  const rule = new EpochsRise(say);
  const body = { stage: 'accept' as const, epoch: 3, leaseMs: 0, utcUs: 0, herd: 0, known: [] };
  const accept = send(packet(units.cam, 'cam-connection', body));
  rule.effects(units.cam, tick, [{ type: 'persist', state: { epoch: 3 } }, ...accept]);
  assert.deepEqual(said, []);
  const late = send(packet(units.cam, 'cam-connection', { ...body, epoch: 4 }));
  rule.effects(units.cam, tick, [...late, { type: 'persist', state: { epoch: 4 } }]);
  assert.equal(said.length, 1);
});

test('two managers with one epoch are told, by the camera’s word and by the servers’', () => {
  const rule = new OneManagerPerEpoch(world, say);
  const attached: Effect[] = [{ type: 'attached', link: 1, unit: 'cam', cameras: ['cam'], epoch: 1 }];
  rule.effects(units.a, tick, attached);
  rule.effects(units.cam, tick, managed(1, 'a'));
  assert.deepEqual(said, []);
  rule.effects(units.b, tick, attached);
  assert.equal(said.length, 1);
});

test('an offer for a join that was never made is told when it is taken', () => {
  const rule = new OffersAnswerOwnJoins(say);
  rule.started(units.cam);
  const join = {
    link: { host: 'cam', port: 1 },
    cameras: ['cam'],
    epoch: 0,
    kbps: 1,
    ring: 2,
    attempt: 0,
    lastManager: undefined,
  };
  const accept = { stage: 'accept' as const, epoch: 1, leaseMs: 0, utcUs: 0, herd: 0, known: [] };
  const offer = (fill: number, link: number): void =>
    rule.event(units.cam, receive(packet(units.a, 'cam-response', { nonce: nonce(fill), epoch: 0 }), link));
  rule.effects(units.cam, tick, [
    { type: 'anycast', packet: packet(units.cam, 'cam-join', { ...join, nonce: nonce(1) }), also: [] },
  ]);
  offer(1, 1);
  offer(2, 2);
  rule.effects(units.cam, tick, send(packet(units.cam, 'cam-connection', accept), 1));
  assert.deepEqual(said, []);
  rule.effects(units.cam, tick, send(packet(units.cam, 'cam-connection', accept), 2));
  assert.equal(said.length, 1);
});

test('a camera that finds no manager for long is told, but not while the network is cut', () => {
  for (const unit of [units.a, units.b, units.c]) unit.camerasMax = 10;
  const rule = new GapsAreShort(world, say, () => -1);
  const lost: Effect[] = [{ type: 'unmanaged', server: 'a', reason: 'silent' }];
  const heal = world.cut([['a', 'cam']]);
  rule.effects(units.cam, tick, lost);
  world.run(30_000);
  rule.sample();
  assert.deepEqual(said, []);
  heal();
  rule.sample();
  assert.match(said.join(), /cam has no manager for 30000 ms/);
});
