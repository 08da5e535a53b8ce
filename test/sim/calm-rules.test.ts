/** The rules of calm times: in a sound network they say nothing, and each planted violation is told. */
import assert from 'node:assert';
import { test } from 'node:test';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import type { Packet } from '../../firmware/overlay/packets.ts';
import { Calm, NewsSpreads, NobodyIsBuriedAlive, SuspicionsAreRefuted } from './calm-rules.ts';
import { DeathsAreNoticed, DeathsAreRepaired, RejoinIsToldOnce } from './death-rules.ts';
import type { Rule } from './invariants.ts';
import { SimWorld } from './world.ts';

interface Stage {
  readonly world: SimWorld;
  readonly calm: Calm;
  readonly said: string[];
  readonly say: (rule: string, detail: string) => void;
  /** Watches with this rule and lets `ms` pass. */
  readonly watch: (ms: number, ...rules: Rule[]) => void;
}

const tick: OverlayEvent = { type: 'tick' };

/** Five servers and a camera, at rest; `hides` names servers that the rules are told have no neighbors. */
function stage(): Stage {
  const world = new SimWorld({ seed: 9 });
  const said: string[] = [];
  const say = (rule: string, detail: string): void => void said.push(`${rule}: ${detail}`);
  const calm = new Calm(world, () => 0);
  world.watchers.push(calm);
  for (let place = 1; place <= 5; place++) world.addServer(`ss${place}`);
  world.addCamera('cam1');
  const watch = (ms: number, ...rules: Rule[]): void => {
    for (let left = ms; left > 0; left -= 250) {
      world.run(250);
      calm.sample();
      for (const rule of rules) rule.sample?.();
    }
  };
  watch(15_000);
  return { world, calm, said, say, watch };
}

function hide(world: SimWorld, id: string): void {
  const node = world.serverNode(id);
  const inside = node.inspect();
  Object.defineProperty(node, 'inspect', { configurable: true, value: () => ({ ...inside, neighbors: [] }) });
}

test('what is written is known everywhere; a server that does not know it is told', () => {
  const { world, calm, said, say, watch } = stage();
  const rule = new NewsSpreads(world, say, calm);
  world.watchers.push(rule);
  world.write('ss1', 'note', 'x', Buffer.from('1'));
  watch(6_000, rule);
  assert.deepEqual(said, []);
  Object.defineProperty(world.serverNode('ss4'), 'document', { value: () => [] });
  world.write('ss1', 'note', 'x', Buffer.from('2'));
  watch(6_000, rule);
  assert.match(said.join(), /ss4 has nothing for x; ss1 wrote 2/);
});

test('who manages a camera is known everywhere; a server that shows another is told', () => {
  const { world, calm, said, say, watch } = stage();
  const rule = new NewsSpreads(world, say, calm);
  world.watchers.push(rule);
  world.restart('cam1');
  watch(8_000, rule);
  assert.deepEqual(said, []);
  Object.defineProperty(world.serverNode('ss3'), 'cameras', { value: () => [] });
  world.restart('cam1');
  watch(8_000, rule);
  assert.match(said.join(), /ss3 shows cam1 with nobody/);
});

/** A row of ss2 that says it is dead, as ss1 would send it. */
function burial(world: SimWorld): Effect[] {
  const sent = world.packets.find(
    ({ from, packet }) => from === 'ss2' && packet.name === 'ss-exchange' && packet.body.rows.length > 0,
  );
  assert.ok(sent?.packet.name === 'ss-exchange');
  const { packet } = sent;
  const rows = packet.body.rows.map((row) => ({
    ...row,
    origin: 'ss2',
    version: row.version + 1,
    standing: 'dead' as const,
  }));
  return [{ type: 'send', link: 1, packet: { ...packet, body: { ...packet.body, rows } } }];
}

test('the burial of a server that runs is told, that of a dead one is not', () => {
  const { world, said, say, watch } = stage();
  const rule = new NobodyIsBuriedAlive(world, say, () => 0);
  watch(15_000, rule);
  const effects = burial(world);
  rule.effects(world.unit('ss1'), tick, effects);
  assert.match(said.join(), /ss1 buries ss2/);
  said.length = 0;
  const again = new NobodyIsBuriedAlive(world, say, () => 0);
  world.crash('ss2');
  again.effects(world.unit('ss1'), tick, effects);
  assert.deepEqual(said, []);
});

test('a third server that tells a camera to rejoin is told', () => {
  const { world, calm, said, say, watch } = stage();
  const rule = new RejoinIsToldOnce(say, calm);
  world.crash('ss2');
  watch(500);
  const told = (sender: string): void => {
    const header = { version: 2, site: 'sim', sender, incarnation: 1, network: undefined };
    const packet = { name: 'cam-rejoin', header, body: { server: 'ss2', epoch: 1 } } as unknown as Packet;
    rule.event(world.unit('cam1'), { type: 'packet', link: 1, packet });
  };
  told('ss1');
  told('ss3');
  told('ss3');
  assert.deepEqual(said, []);
  told('ss4');
  assert.match(said.join(), /ss1, ss3, ss4 tell cam1/);
});

test('a death that leaves parts for long is told, one that is repaired is not', () => {
  const sound = stage();
  const rule = new DeathsAreRepaired(sound.world, sound.say, sound.calm);
  sound.world.crash('ss2');
  sound.watch(30_000, rule);
  assert.deepEqual(sound.said, []);
  const broken = stage();
  const other = new DeathsAreRepaired(broken.world, broken.say, broken.calm);
  broken.world.crash('ss2');
  hide(broken.world, 'ss3');
  broken.watch(30_000, other);
  assert.match(broken.said.join(), /the rest is in parts/);
});

test('a neighbor that keeps a dead server is told, one that drops it is not', () => {
  const sound = stage();
  const rule = new DeathsAreNoticed(sound.world, sound.say, sound.calm);
  sound.world.watchers.push(rule);
  sound.world.crash('ss2', { machine: 'off' });
  sound.watch(30_000, rule);
  assert.deepEqual(sound.said, []);
  const broken = stage();
  const other = new DeathsAreNoticed(broken.world, broken.say, broken.calm);
  broken.world.watchers.push(other);
  const node = broken.world.serverNode('ss3');
  const inside = { ...node.inspect(), neighbors: ['ss2'] };
  broken.world.crash('ss2', { machine: 'off' });
  Object.defineProperty(node, 'inspect', { value: () => inside });
  broken.watch(30_000, other);
  assert.match(broken.said.join(), /ss3 has ss2 as a neighbor/);
});

test('a suspicion that outlives the silence is told', () => {
  const { world, said, say, watch } = stage();
  const rule = new SuspicionsAreRefuted(world, say, () => 0);
  const pause = (): void => {
    world.pause('ss2');
    watch(2_000, rule);
    world.resume('ss2');
    watch(3_000, rule);
  };
  pause();
  assert.deepEqual(said, []);
  const other = world.serverNode('ss2').inspect().neighbors[0];
  assert.ok(other);
  const node = world.serverNode(other);
  const tables = node.tables();
  const oneHop = tables.neighbor.oneHop.map((row) => ({ ...row, suspected: row.server === 'ss2' }));
  Object.defineProperty(node, 'tables', {
    value: () => ({ ...tables, neighbor: { ...tables.neighbor, oneHop } }),
  });
  pause();
  assert.match(said.join(), /suspects ss2/);
});
