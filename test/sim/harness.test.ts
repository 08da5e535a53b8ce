/** The simulator's own network and clocks, with nodes that only record what reaches them. */
import assert from 'node:assert';
import { test } from 'node:test';
import type { Effect, OverlayEvent, OverlayNode } from '../../firmware/overlay/effects.ts';
import {
  type Address,
  nonceBytes,
  type Packet,
  type PacketHeader,
  protocolVersion,
} from '../../firmware/overlay/packets.ts';
import { EventHeap } from './event-heap.ts';
import { Stream } from './randomness.ts';
import type { Birth } from './sim-unit.ts';
import { SimWorld } from './world.ts';

/** Does what it is told and writes down what it gets. */
class Scribe implements OverlayNode {
  readonly heard: { readonly at: number; readonly event: OverlayEvent }[] = [];
  readonly birth: Birth;
  due = Number.POSITIVE_INFINITY;
  todo: Effect[] = [];

  constructor(birth: Birth) {
    this.birth = birth;
  }

  step(now: number, event: OverlayEvent): Effect[] {
    this.heard.push({ at: now, event });
    if (event.type === 'tick') {
      this.due = Number.POSITIVE_INFINITY;
      return this.todo.splice(0);
    }
    return [];
  }

  wakeAt(): number {
    return this.due;
  }

  header(): PacketHeader {
    const { unit, incarnation } = this.birth;
    return { version: protocolVersion, site: 'sim', sender: unit, incarnation, network: undefined };
  }

  echo(request: number): Packet {
    const body = { request, reply: false, costUs: 0, subject: undefined, verdict: 'none' as const };
    return { name: 'ss-echo', header: this.header(), body };
  }

  join(): Packet {
    const nonce = Buffer.alloc(nonceBytes, 7);
    const link = this.birth.link;
    return { name: 'ss-join', header: this.header(), body: { nonce, link, ring: 2, attempt: 0, degree: 0 } };
  }

  types(): string[] {
    return this.heard.map(({ event }) => event.type);
  }

  /** Request numbers of the echoes that arrived. */
  echoes(): number[] {
    return this.heard.flatMap(({ event }) =>
      event.type === 'packet' && event.packet.name === 'ss-echo' ? [event.packet.body.request] : [],
    );
  }
}

interface Stage {
  readonly world: SimWorld;
  readonly nodes: Scribe[];
  /** Has a unit perform effects now. */
  readonly tell: (place: number, ...effects: Effect[]) => void;
}

/** Units a, b, c … */
function stage(count: number, options: ConstructorParameters<typeof SimWorld>[0] = {}): Stage {
  const world = new SimWorld({ latencyMs: 10, ...options });
  const nodes: Scribe[] = [];
  for (let place = 0; place < count; place++) {
    world.addUnit(String.fromCharCode(97 + place), 'server', (birth) => (nodes[place] = new Scribe(birth)));
  }
  const tell = (place: number, ...effects: Effect[]): void => {
    const node = nodes[place] as Scribe;
    node.todo.push(...effects);
    node.due = 0;
    // Any event makes the shell look at the clock again.
    world.ask(node.birth.unit, 'nobody');
    world.run(0);
  };
  return { world, nodes, tell };
}

const at = (host: string): Address => ({ host, port: 7400 });

/** Two units with a link, number 1 at both ends. */
function linked(): Stage & { readonly a: Scribe; readonly b: Scribe } {
  const made = stage(2);
  made.tell(0, { type: 'dial', dial: 1, address: at('b') });
  made.world.run(100);
  const [a, b] = made.nodes as [Scribe, Scribe];
  return { ...made, a, b };
}

test('of events due at one time the first planned comes first', () => {
  const heap = new EventHeap();
  const order: number[] = [];
  const stream = new Stream(1, 'heap');
  const times = Array.from({ length: 300 }, () => stream.whole(0, 20));
  for (const [place, time] of times.entries()) heap.plan(time, () => order.push(place));
  for (let next = heap.take(20); next !== undefined; next = heap.take(20)) next.task?.();
  const expected = times
    .map((time, place) => ({ time, place }))
    .sort((x, y) => x.time - y.time || x.place - y.place);
  assert.deepEqual(
    order,
    expected.map(({ place }) => place),
  );
});

test('a dial takes two round trips, and the listener learns of it half a round trip later', () => {
  const { a, b } = linked();
  const dialed = a.heard.find(({ event }) => event.type === 'dialed');
  const accepted = b.heard.find(({ event }) => event.type === 'accepted');
  assert.equal(dialed?.at, 40);
  assert.equal(accepted?.at, 50);
  assert.ok(accepted?.event.type === 'accepted');
  assert.deepEqual(accepted.event.peer, { unit: 'a', role: 'server' });
});

test('what is sent on a new link at once arrives after the link itself', () => {
  const { world, nodes, tell } = stage(2);
  tell(0, { type: 'dial', dial: 1, address: at('b') });
  const [a, b] = nodes as [Scribe, Scribe];
  world.until('dialed', () => a.types().includes('dialed'), 1_000, 1);
  tell(0, { type: 'send', link: 1, packet: a.echo(1) });
  world.run(100);
  assert.deepEqual(
    b.types().filter((type) => type !== 'start'),
    ['accepted', 'packet'],
  );
});

test('frames arrive in order, also with jitter', () => {
  const { world, tell, a, b } = linked();
  world.paths.weather.jitterMs = 50;
  for (let request = 1; request <= 40; request++) tell(0, { type: 'send', link: 1, packet: a.echo(request) });
  world.run(200);
  assert.deepEqual(
    b.echoes(),
    Array.from({ length: 40 }, (_, place) => place + 1),
  );
});

test('a silent cut stalls what is sent; it arrives after the cut heals', () => {
  const { world, tell, a, b } = linked();
  const heal = world.cut([['a', 'b']]);
  tell(0, { type: 'send', link: 1, packet: a.echo(1) });
  world.run(5_000);
  assert.deepEqual(b.echoes(), []);
  heal();
  tell(0, { type: 'send', link: 1, packet: a.echo(2) });
  world.run(5_000);
  assert.deepEqual(b.echoes(), [1, 2]);
});

test('a cut of 15 s resets the end that has written, and the other end when it writes', () => {
  const { world, tell, a, b } = linked();
  const heal = world.cut([['a', 'b']]);
  tell(0, { type: 'send', link: 1, packet: a.echo(1) });
  world.run(30_000);
  assert.ok(a.types().includes('closed'));
  assert.ok(!b.types().includes('closed'));
  heal();
  tell(1, { type: 'send', link: 1, packet: b.echo(2) });
  world.run(1_000);
  assert.ok(b.types().includes('closed'));
  assert.deepEqual([a.echoes(), b.echoes()], [[], []]);
});

test('when only the way back is cut, data arrives and the sender is reset', () => {
  const { world, tell, a, b } = linked();
  world.cut([['b', 'a']], { oneWay: true });
  tell(0, { type: 'send', link: 1, packet: a.echo(1) });
  world.run(30_000);
  assert.deepEqual(b.echoes(), [1]);
  assert.ok(a.types().includes('closed'));
});

test('a program that ends closes its links; a machine that goes off tells nobody', () => {
  const soft = linked();
  soft.world.crash('b');
  soft.world.run(100);
  assert.ok(soft.a.types().includes('closed'));
  const hard = linked();
  hard.world.crash('b', { machine: 'off' });
  hard.world.run(60_000);
  assert.ok(!hard.a.types().includes('closed'), 'nobody wrote');
  hard.tell(0, { type: 'send', link: 1, packet: hard.a.echo(1) });
  hard.world.run(30_000);
  assert.ok(hard.a.types().includes('closed'));
});

test('a machine that comes back resets the links of its past', () => {
  const { world, tell, a } = linked();
  world.crash('b', { machine: 'off' });
  world.run(1_000);
  world.restart('b');
  tell(0, { type: 'send', link: 1, packet: a.echo(1) });
  world.run(1_000);
  assert.ok(a.types().includes('closed'));
});

test('a dead program refuses at once, a machine that is off and a cut path hang for 5 s', () => {
  for (const [how, expectedMs] of [
    ['program', 20],
    ['machine', 5_000],
    ['cut', 5_000],
  ] as const) {
    const { world, nodes, tell } = stage(2);
    if (how === 'cut') world.cut([['a', 'b']]);
    else world.crash('b', { machine: how === 'machine' ? 'off' : 'on' });
    tell(0, { type: 'dial', dial: 1, address: at('b') });
    world.run(10_000);
    const failed = nodes[0]?.heard.find(({ event }) => event.type === 'dial-failed');
    assert.equal(failed?.at, expectedMs, how);
  }
});

test('a paused program gets nothing, then everything at once', () => {
  const { world, tell, a, b } = linked();
  world.pause('b');
  for (let request = 1; request <= 3; request++) tell(0, { type: 'send', link: 1, packet: a.echo(request) });
  world.run(4_000);
  assert.deepEqual(b.echoes(), []);
  const before = b.heard.length;
  world.resume('b');
  assert.deepEqual(b.echoes(), [1, 2, 3]);
  assert.deepEqual(new Set(b.heard.slice(before).map(({ at: time }) => time)).size, 1);
});

test('a stale disk is the disk of that time; a lost one is empty; a kept one may lose what was remembered last', () => {
  const { world, nodes, tell } = stage(1);
  const known = (host: string): Effect => ({
    type: 'remember',
    record: { kind: 'known', servers: [{ server: host, link: at(host) }] },
  });
  tell(0, { type: 'persist', state: { epoch: 4 } }, known('x'));
  world.run(10_000);
  tell(0, { type: 'persist', state: { epoch: 5 } }, known('y'));
  world.crash('a', { lostShare: 1 });
  world.restart('a');
  assert.equal(nodes[0]?.birth.epoch, 5);
  assert.equal(nodes[0]?.birth.incarnation, 2);
  assert.deepEqual(nodes[0]?.birth.memory.known, [{ server: 'x', link: at('x') }]);
  world.restart('a', { disk: 'stale', staleMs: 5_000 });
  assert.equal(nodes[0]?.birth.epoch, 4);
  world.restart('a', { disk: 'lost' });
  assert.deepEqual([nodes[0]?.birth.epoch, nodes[0]?.birth.incarnation], [0, 1]);
});

test('anycast reaches the nearest announced address only, also one whose program is dead', () => {
  const { world, nodes, tell } = stage(4, { endpoints: [{ kind: 'anycast' }] });
  for (const place of [1, 2, 3]) tell(place, { type: 'anycast-address', up: true });
  const ask = (): number[] => {
    tell(0, { type: 'anycast', packet: (nodes[0] as Scribe).join(), also: [] });
    world.run(50);
    return nodes.flatMap((node, place) => (node.types().includes('datagram') ? [place] : []));
  };
  const first = ask();
  assert.equal(first.length, 1);
  const nearest = 'abcd'[first[0] as number] as string;
  world.crash(nearest, { routeStays: true });
  assert.deepEqual(ask(), first, 'the route leads to a dead program');
  world.restart(nearest);
  world.crash(nearest);
  world.run(500);
  assert.deepEqual(
    ask().filter((place) => place === first[0]),
    [],
    'the route has gone',
  );
});

test('a replayed join is told by its nonce, a forged one by its seal, and a forgotten nonce gets through', () => {
  const { world, nodes, tell } = stage(2);
  const heard = (): number => (nodes[1] as Scribe).types().filter((type) => type === 'datagram').length;
  tell(0, { type: 'anycast', packet: (nodes[0] as Scribe).join(), also: [at('b')] });
  world.run(50);
  assert.equal(heard(), 1, 'once, though it came by two ways');
  const [datagram] = world.anycast.overheard;
  assert.ok(datagram);
  world.anycast.replay(datagram);
  world.anycast.forge((nodes[0] as Scribe).join());
  world.run(50);
  assert.equal(heard(), 1);
  assert.ok((world.dropped.get('seal is broken') ?? 0) > 0);
  world.unit('b').forgetNonces();
  world.anycast.replay(datagram);
  world.run(50);
  assert.equal(heard(), 2);
});

test('loss, duplication and reordering happen to datagrams, as the seed says', () => {
  const { world, nodes, tell } = stage(2, { weather: { loss: 0.3, duplicate: 0.3, reorderMs: 100 } });
  for (let count = 0; count < 200; count++) {
    tell(0, { type: 'anycast', packet: (nodes[0] as Scribe).join(), also: [] });
  }
  world.run(1_000);
  const heard = (nodes[1] as Scribe).types().filter((type) => type === 'datagram').length;
  assert.ok(heard > 110 && heard < 170, `${heard} of 200; doubles are told by the nonce`);
  assert.ok((world.dropped.get('nonce was seen') ?? 0) > 20);
});

test('a fuse ends the program right after the packet', () => {
  const { world, tell, a, b } = linked();
  world.light({ unit: 'a', packet: 'ss-echo', way: 'sent', count: 2, machineToo: false });
  const send = (request: number): Effect => ({ type: 'send', link: 1, packet: a.echo(request) });
  tell(0, send(1), send(2), send(3));
  world.run(100);
  assert.equal(world.unit('a').isAlive, false);
  assert.deepEqual(b.echoes(), [1, 2]);
});

test('a drifting clock in 1970 fires its timers by its own time', () => {
  const { world, nodes, tell } = stage(1);
  const unit = world.unit('a');
  Object.assign(unit.clockFault, {
    rate: 1.01,
    monotonicStartMs: 5_000_000.3,
    utcOffMs: -1_924_992_000_000,
    trusted: false,
  });
  const node = nodes[0] as Scribe;
  const due = (unit.life?.monotonicMs() ?? 0) + 1_010;
  tell(0);
  node.due = due;
  world.ask('a', 'nobody');
  world.run(1_001);
  const tick = node.heard.filter(({ event }) => event.type === 'tick').at(-1);
  assert.ok(tick !== undefined && tick.at >= due && tick.at < due + 1, `${tick?.at} for ${due}`);
  assert.ok(node.birth.utcUs() < 1_000_000 * 10_000);
});
