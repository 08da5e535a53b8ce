/** What the shell of an overlay node does with links, datagrams, time and trouble; a scripted world around it. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Effect, OverlayEvent, OverlayNode, Peer } from '../../firmware/overlay/effects.ts';
import { encodePacketBody, packetNumber } from '../../firmware/overlay/packet-codec.ts';
import { type Packet, protocolVersion } from '../../firmware/overlay/packets.ts';
import type { FrameLink, LinkHandlers, Surroundings } from '../../firmware/overlay/surroundings.ts';
import { OverlayShell, type RoleEffect } from '../../firmware/roles/overlay-shell.ts';
import { Refusals } from '../../firmware/runtime/log.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

function echo(site = 'home'): Packet {
  const header = { version: protocolVersion, site, sender: 'ss-2', incarnation: 1, network: undefined };
  return { name: 'cam-echo', header, body: { reply: false, utcUs: 0, herd: 1 } };
}

/** One end of a link whose other end is the test. */
class FakeLink implements FrameLink {
  readonly peer: Peer = { unit: 'ss-2', role: 'server' };
  readonly calls: string[] = [];
  handlers: LinkHandlers | undefined;

  open(handlers: LinkHandlers): void {
    this.handlers = handlers;
  }

  send(kind: number): boolean {
    this.calls.push(`send ${kind}`);
    return true;
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  close(reason: string): void {
    this.calls.push(`close ${reason}`);
    this.handlers?.closed(reason);
  }

  async end(reason: string): Promise<void> {
    this.close(reason);
  }

  /** A packet of the peer arrives. */
  packet(packet: Packet): void {
    this.handlers?.frame(packetNumber(packet), [encodePacketBody(packet)]);
  }
}

/** A node that does what the test says, and remembers what it was told. */
class ScriptedNode implements OverlayNode {
  readonly events: OverlayEvent[] = [];
  readonly times: number[] = [];
  answer: (event: OverlayEvent) => Effect[] = () => [];
  dueAt = Number.POSITIVE_INFINITY;

  step(now: number, event: OverlayEvent): Effect[] {
    this.events.push(event);
    this.times.push(now);
    if (event.type === 'tick' && now >= this.dueAt) this.dueAt = Number.POSITIVE_INFINITY;
    return this.answer(event);
  }

  wakeAt(): number {
    return this.dueAt;
  }

  count(type: OverlayEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }
}

let clock: VirtualClock;
let node: ScriptedNode;
let lines: string[];
/** what the world was asked for, in order */
let asked: string[];
let roleEffects: RoleEffect[];
let dialled: ((result: FrameLink | string) => void) | undefined;
let shell: OverlayShell;

const world: Surroundings = {
  dial: ({ host }, done) => {
    asked.push(`dial ${host}`);
    dialled = done;
  },
  anycast: (packet, also) => asked.push(`anycast ${packet.name} ${also.length}`),
  anycastAddress: (up) => asked.push(`address ${up}`),
  persist: (state) => {
    asked.push(`persist ${JSON.stringify(state)}`);
    return true;
  },
  remember: ({ kind }) => asked.push(`remember ${kind}`),
};

beforeEach(() => {
  clock = new VirtualClock();
  node = new ScriptedNode();
  lines = [];
  asked = [];
  roleEffects = [];
  const log = (level: string, message: string): void => void lines.push(`${level} ${message}`);
  const onEffect = (effect: RoleEffect): void => void roleEffects.push(effect);
  const refusals = new Refusals(log);
  shell = new OverlayShell({ node, site: 'home', surroundings: world, clock, log, refusals, onEffect });
});

/** A link that somebody has dialled; the shell numbers it 1. */
function accepted(): FakeLink {
  const link = new FakeLink();
  shell.accept(link);
  return link;
}

describe('the shell', () => {
  test('performs the effects of a step in order, and leaves the rest to the role', () => {
    node.answer = ({ type }) =>
      type === 'start'
        ? [
            { type: 'persist', state: { epoch: 7 } },
            { type: 'anycast', packet: echo(), also: [{ host: '10.0.0.9', port: 1 }] },
            { type: 'anycast-address', up: true },
            { type: 'remember', record: { kind: 'manager', server: 'ss-2' } },
            { type: 'story', text: 'managed' },
            { type: 'left' },
          ]
        : [];
    shell.start();
    assert.deepEqual(asked, [
      'persist {"epoch":7}',
      'anycast cam-echo 1',
      'address true',
      'remember manager',
    ]);
    assert.deepEqual(lines, ['info managed']);
    assert.deepEqual(roleEffects, [{ type: 'left' }]);
  });

  test('gives the node an event that an effect causes only after the effects before it are done', () => {
    const link = accepted();
    node.answer = ({ type }) =>
      type === 'packet'
        ? [
            { type: 'close', link: 1, reason: 'enough' },
            { type: 'story', text: 'closed it' },
          ]
        : type === 'closed'
          ? [{ type: 'story', text: 'it is closed' }]
          : [];
    link.packet(echo());
    assert.deepEqual(lines, ['info closed it', 'info it is closed']);
  });

  test('passes on what the role asks for', () => {
    const body = { request: 1, reply: true, camera: 'cam-1', refusal: 'no' };
    const still = { panMilli: undefined, tiltMilli: undefined, zoom: undefined };
    const unset = { ...still, framesPerSecond: undefined, stream: undefined };
    shell.query(4, 'cam-1');
    shell.write('user', 'eve', undefined);
    shell.control({ ...body, ...unset });
    shell.leave();
    assert.deepEqual(node.events, [
      { type: 'query', query: 4, camera: 'cam-1' },
      { type: 'write', kind: 'user', id: 'eve', value: undefined },
      { type: 'control', body: { ...body, ...unset } },
      { type: 'leave' },
    ]);
  });

  test('tells the node how a dial ended', () => {
    node.answer = ({ type }) =>
      type === 'start' ? [{ type: 'dial', dial: 3, address: { host: '10.0.0.2', port: 1 } }] : [];
    shell.start();
    dialled?.('no answer');
    shell.start();
    dialled?.(new FakeLink());
    const peer = { unit: 'ss-2', role: 'server' };
    assert.deepEqual(asked, ['dial 10.0.0.2', 'dial 10.0.0.2']);
    assert.deepEqual(
      node.events.filter(({ type }) => type !== 'start'),
      [
        { type: 'dial-failed', dial: 3, reason: 'no answer' },
        { type: 'dialed', dial: 3, link: 1, peer },
      ],
    );
  });
});

describe('packets', () => {
  test('reach the node with their link', () => {
    accepted().packet(echo());
    assert.deepEqual(node.events.at(-1), { type: 'packet', link: 1, packet: echo() });
  });

  test('of another site end the link, on both carriers', () => {
    const link = accepted();
    link.packet(echo('elsewhere'));
    shell.datagram(echo('elsewhere'), '10.0.0.3', false);
    assert.deepEqual(link.calls, ['close a packet of another site']);
    assert.equal(node.count('packet') + node.count('datagram'), 0);
    shell.datagram(echo(), '10.0.0.3', true);
    assert.equal(node.count('datagram'), 1);
  });

  test('that are broken or too long end the link; unknown ones do not', () => {
    for (const [kind, body] of [
      [12, Buffer.from('no')],
      [12, Buffer.alloc(64 * 1024 + 1)],
    ] as const) {
      const link = accepted();
      link.handlers?.frame(kind, [body]);
      assert.match(link.calls[0] ?? '', /^close /);
    }
    const link = accepted();
    link.handlers?.frame(200, [Buffer.from('of the future')]);
    assert.deepEqual(link.calls, []);
    assert.equal(node.count('packet'), 0);
  });
});

describe('media', () => {
  const user = (got: number[], fault?: string) => ({
    frame: (kind: number) => {
      got.push(kind);
      return fault;
    },
    drained: () => void got.push(-1),
  });

  test('go to whoever uses the link, until nobody does', () => {
    const link = accepted();
    const got: number[] = [];
    assert.equal(shell.use(1, user(got)), link);
    link.handlers?.frame(300, []);
    link.handlers?.drained();
    shell.use(1, undefined);
    link.handlers?.frame(301, []);
    link.handlers?.drained();
    assert.deepEqual(got, [300, -1]);
    assert.equal(shell.use(9, user(got)), undefined);
  });

  test('that break the rules end the link', () => {
    const link = accepted();
    shell.use(1, user([], 'nonsense'));
    link.handlers?.frame(300, []);
    assert.deepEqual(link.calls, ['close nonsense']);
    assert.match(lines[0] ?? '', /refused: nonsense/);
  });

  test('are a sign of life, but not with every frame', () => {
    const link = accepted();
    for (let n = 0; n < 10; n++) link.handlers?.frame(300, []);
    assert.equal(node.count('heard'), 1);
    clock.advance(500);
    link.handlers?.frame(300, []);
    assert.equal(node.count('heard'), 2);
  });

  test('of a link that is held back cannot arrive, so the node hears of it at each tick', () => {
    const link = accepted();
    const tick = (): void => {
      node.dueAt = clock.monotonicMs() + 100;
      node.answer = () => [];
      shell.start();
      clock.advance(100);
    };
    shell.hold(1, true);
    shell.hold(1, true);
    tick();
    tick();
    assert.equal(node.count('heard'), 2);
    const heard = node.events.findIndex(({ type }) => type === 'heard');
    assert.equal(node.events[heard + 1]?.type, 'tick', 'first the sign of life, then the look at the time');
    shell.hold(1, false);
    assert.equal(node.count('heard'), 3, 'and once more when it is read again');
    tick();
    assert.equal(node.count('heard'), 3);
    assert.deepEqual(link.calls, ['pause', 'resume']);
  });
});

describe('time', () => {
  test('a tick comes when it is due, not before, and one timer is enough', () => {
    node.dueAt = 100;
    shell.start();
    node.dueAt = 250;
    shell.start();
    assert.equal(clock.pending, 1);
    clock.advance(249);
    assert.equal(node.count('tick'), 0);
    clock.advance(1);
    assert.equal(node.count('tick'), 1);
    assert.equal(clock.pending, 0);
    node.dueAt = 1_000;
    shell.start();
    node.dueAt = 300;
    shell.start();
    clock.advance(50);
    assert.equal(node.count('tick'), 2, 'an earlier time moves the timer');
    assert.equal(clock.pending, 0);
  });

  test('a tick that comes too early by a rounding of the clock finds the time that it is for', () => {
    const [now, at] = [0.2, 0.9];
    assert(now + (at - now) < at);
    clock.advance(now);
    node.dueAt = at;
    shell.start();
    clock.advance(at);
    assert.deepEqual(node.times, [now, at]);
  });

  test('nothing happens after the end', async () => {
    const link = accepted();
    node.dueAt = 100;
    shell.start();
    const before = node.events.length;
    await shell[Symbol.asyncDispose]();
    clock.advance(1_000);
    const late = new FakeLink();
    shell.accept(late);
    assert.deepEqual(link.calls, ['close the unit stops']);
    assert.deepEqual(late.calls, ['close too many links']);
    assert.equal(node.events.length, before);
  });
});
