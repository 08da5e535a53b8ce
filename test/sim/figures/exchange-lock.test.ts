/**
 * The exchange lock of one server [0077] (claims 8, 20), word by word: its neighbors `za`, `zb` and `zc` are scripted.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { lockLeaseMs } from '../../../firmware/overlay/constants.ts';
import type { Card, PacketBody } from '../../../firmware/overlay/packets.ts';
import { addRogue, type Rogue } from '../../support/figure-rogue.ts';
import { neighborsOf, oneLink } from '../../support/figure-world.ts';
import { SimWorld } from '../world.ts';

type Word = PacketBody<'ss-disconnection'>;

const ids = ['za', 'zb', 'zc'];

interface Table {
  readonly world: SimWorld;
  readonly say: (id: string, word: Partial<Word> & Pick<Word, 'stage'>) => void;
  /** the server's last word to this neighbor */
  readonly heard: (id: string) => Word | undefined;
}

const plain = { fence: 0, witness: undefined, neighbors: [], reason: '' };

/** A server with three neighbors that are neighbors of each other; these answer its echoes, and what the test wants. */
function table(answer: (id: string, word: Word) => Partial<Word> | undefined = () => undefined): Table {
  const world = new SimWorld();
  world.addServer('ss1', { degree: oneLink });
  world.run(2_000);
  const rogues = new Map(ids.map((id) => [id, addNeighbor(world, id, answer)]));
  world.until('all are neighbors', () => neighborsOf(world, 'ss1').length === 3, 5_000);
  const linkOf = (rogue: Rogue): number => {
    const accepted = rogue.heard.find((event) => event.type === 'accepted');
    return accepted?.type === 'accepted' ? accepted.link : 0;
  };
  const find = (id: string): Rogue => {
    const rogue = rogues.get(id);
    assert.ok(rogue, id);
    return rogue;
  };
  return {
    world,
    say: (id, word) => {
      find(id).tell(find(id).send(linkOf(find(id)), 'ss-disconnection', { ...plain, ...word }));
      world.run(5);
    },
    heard: (id) => find(id).bodies('ss-disconnection').at(-1),
  };
}

function addNeighbor(
  world: SimWorld,
  id: string,
  answer: (id: string, word: Word) => Partial<Word> | undefined,
): Rogue {
  const link = { host: id, port: 7400 };
  const rogue = addRogue(world, id, 'server', (event, self) => {
    if (event.type !== 'packet') return [];
    const { name, body } = event.packet;
    if (name === 'ss-response') {
      if (body.nonce === undefined)
        return [self.send(event.link, 'ss-exchange', { ...nothing, card: cardOf(id) })];
      return [self.send(event.link, 'ss-connection', { link, joinTime: undefined })];
    }
    if (name === 'ss-echo' && !body.reply) return [self.send(event.link, name, { ...body, reply: true })];
    const word = name === 'ss-disconnection' ? answer(id, body) : undefined;
    return word === undefined
      ? []
      : [self.send(event.link, 'ss-disconnection', { ...plain, stage: 'busy', ...word })];
  });
  // The server dials who joins, and who dials echoes.
  const join = { nonce: Buffer.alloc(16, id), link, ring: 2, attempt: 0, degree: 0 };
  rogue.tell({ type: 'anycast', packet: rogue.packet('ss-join', join), also: [] });
  return rogue;
}

const nothing = {
  card: undefined,
  rows: [],
  digest: undefined,
  versions: undefined,
  tenures: [],
  request: 0,
  received: 0,
  document: [],
};

function cardOf(id: string): Card {
  const joinTime = { ms: 1, count: 0 };
  const neighbors = ['ss1', ...ids.filter((other) => other !== id)].map((server) => {
    const link = { host: server, port: 7400 };
    return { server, incarnation: 1, link, joinTime, costUs: 2_000, neighbors: [] };
  });
  return { version: 1, link: { host: id, port: 7400 }, joinTime, load: 0, neighbors };
}

/** The server does not begin an exchange of its own: it is told at once that the others are busy. */
const quiet = (): Table => table((_id, { stage }) => (stage === 'lock' ? { stage: 'busy' } : undefined));

test('who asks first is granted the lock, a third is told BUSY until it is given back', () => {
  const { world, say, heard } = quiet();
  say('za', { stage: 'lock' });
  const granted = heard('za');
  assert.ok(granted?.stage === 'locked', `${granted?.stage}`);
  assert.ok(granted.fence > 0, 'with a number');
  assert.equal(world.serverNode('ss1').inspect().lock?.holder, 'za');
  for (const other of ['zb', 'zc', 'za']) {
    say(other, { stage: 'lock' });
    assert.equal(heard(other)?.stage, 'busy', other);
  }
  say('za', { stage: 'release', fence: granted.fence });
  say('zb', { stage: 'lock' });
  assert.equal(heard('zb')?.stage, 'locked');
  assert.ok((heard('zb')?.fence ?? 0) > granted.fence, 'each grant has a higher number');
});

test('a lock that is not given back ends with its lease, and then its holder cannot commit', () => {
  const { world, say, heard } = quiet();
  say('za', { stage: 'lock' });
  const fence = heard('za')?.fence ?? 0;
  // An echo later, so that the server has looked at the clock.
  world.run(lockLeaseMs + 800);
  assert.equal(world.serverNode('ss1').inspect().lock, undefined);
  say('zb', { stage: 'lock' });
  assert.equal(heard('zb')?.stage, 'locked');
  say('za', { stage: 'commit', fence, witness: 'zc' });
  assert.equal(heard('za')?.stage, 'busy');
  assert.deepEqual(neighborsOf(world, 'ss1'), ids, 'no link is dropped');
  assert.equal(world.serverNode('ss1').inspect().lock?.holder, 'zb', 'and the new holder keeps its lock');
});

test('a holder that was granted the lock again cannot commit with the number of its old lease', () => {
  const { world, say, heard } = quiet();
  say('za', { stage: 'lock' });
  const old = heard('za')?.fence ?? 0;
  world.run(lockLeaseMs + 800);
  say('za', { stage: 'lock' });
  assert.equal(heard('za')?.stage, 'locked');
  say('za', { stage: 'commit', fence: old, witness: 'zb' });
  assert.equal(heard('za')?.stage, 'busy');
  assert.deepEqual(neighborsOf(world, 'ss1'), ids);
});

test('a commit drops the link only with a live common neighbor', () => {
  for (const [witness, stage, left] of [
    [undefined, 'busy', ids],
    ['nobody', 'busy', ids],
    ['zb', 'done', ['zb', 'zc']],
  ] as const) {
    const { world, say, heard } = quiet();
    say('za', { stage: 'lock' });
    const fence = heard('za')?.fence ?? 0;
    say('za', { stage: 'commit', fence, witness });
    assert.equal(heard('za')?.stage, stage, String(witness));
    if (stage === 'busy')
      assert.equal(heard('za')?.fence, fence, 'so that it answers the commit and nothing else');
    assert.deepEqual(neighborsOf(world, 'ss1'), left);
  }
});

test('the lock of another does not give somebody else the right to commit or to give it back', () => {
  const { world, say, heard } = quiet();
  say('za', { stage: 'lock' });
  const fence = heard('za')?.fence ?? 0;
  say('zb', { stage: 'commit', fence, witness: 'zc' });
  assert.equal(heard('zb')?.stage, 'busy');
  say('zb', { stage: 'release', fence });
  assert.equal(world.serverNode('ss1').inspect().lock?.holder, 'za');
  assert.deepEqual(neighborsOf(world, 'ss1'), ids);
});

test('a server that begins commits only if the other has a common neighbor for it, and more links than it wants', () => {
  for (const [neighbors, expected] of [
    [['ss1'], 'release'],
    [['ss1', 'elsewhere'], 'release'],
    [['zb', 'zc', 'ss1'], 'commit'],
  ] as const) {
    const words: string[] = [];
    const { world } = table((_id, { stage }) => {
      words.push(stage);
      return stage === 'lock'
        ? { stage: 'locked', fence: 7, neighbors: [...neighbors, ...(neighbors.length > 2 ? ['za'] : [])] }
        : undefined;
    });
    world.until('it has decided', () => words.includes('release') || words.includes('commit'), 10_000);
    assert.deepEqual(words, ['lock', expected], neighbors.join());
  }
});

test('while it exchanges with one, a server tells the others BUSY', () => {
  const { world, say, heard } = table();
  world.until('it has asked somebody', () => ids.some((id) => heard(id)?.stage === 'lock'), 10_000, 1);
  const asked = ids.find((id) => heard(id)?.stage === 'lock') ?? '';
  for (const other of ids.filter((id) => id !== asked)) {
    say(other, { stage: 'lock' });
    assert.equal(heard(other)?.stage, 'busy', other);
  }
  world.run(lockLeaseMs + 50);
  say(asked, { stage: 'lock' });
  assert.equal(heard(asked)?.stage, 'locked', 'but not for ever: nobody has answered it');
});
