/** The network page's pure parts: where servers stand, and what the logs tell. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fanAround, layoutNetwork } from '../../firmware/viewing/web/network-layout.ts';
import { type LogLine, repairStories } from '../../firmware/viewing/web/repair-story.ts';

const names = { server: (id: string) => id.toUpperCase(), unit: (id: string) => id.replace('unit', 'cam') };

describe('the picture of the network', () => {
  const servers = ['ss-1', 'ss-2', 'ss-3', 'ss-4', 'ss-5'];
  const links = [0, 1, 2, 3].map((place) => ({
    source: servers[place] ?? '',
    target: servers[place + 1] ?? '',
  }));

  it('is the same for the same network, whatever the order it is told in, and does not move between polls', () => {
    const one = layoutNetwork(servers, links);
    const other = layoutNetwork(servers.toReversed(), links.toReversed());
    assert.deepEqual([...one.places], [...other.places]);
    assert.equal(layoutNetwork(servers, links, one), one);
  });

  it('puts linked servers nearer than others', () => {
    const { places } = layoutNetwork(servers, links);
    const far = (a: string, b: string) => {
      const [p, q] = [places.get(a), places.get(b)];
      return Math.hypot((p?.x ?? 0) - (q?.x ?? 0), (p?.y ?? 0) - (q?.y ?? 0));
    };
    assert.ok(far('ss-1', 'ss-2') < far('ss-1', 'ss-5'), 'a neighbor is further than the other end');
  });

  it('moves little when a server dies', () => {
    const before = layoutNetwork(servers, links);
    const after = layoutNetwork(servers, links.slice(0, 3), before);
    for (const id of ['ss-1', 'ss-2']) {
      const [p, q] = [before.places.get(id), after.places.get(id)];
      assert.ok(Math.hypot((p?.x ?? 0) - (q?.x ?? 9), (p?.y ?? 0) - (q?.y ?? 9)) < 0.5, `${id} jumped`);
    }
  });

  it('stays in the frame for any network', () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { maxLength: 20 });
    const pairs = fc.array(fc.tuple(fc.nat(25), fc.nat(25)), { maxLength: 40 });
    fc.assert(
      fc.property(ids, pairs, (nodes, edges) => {
        const some = edges.map(([a, b]) => ({ source: nodes[a] ?? 'gone', target: nodes[b] ?? 'gone' }));
        const { places } = layoutNetwork(nodes, some);
        assert.equal(places.size, nodes.length);
        for (const { x, y } of places.values()) assert.ok(x >= 0 && x <= 1 && y >= 0 && y <= 1, `${x}, ${y}`);
      }),
      { numRuns: 60 },
    );
  });

  it('fans cameras out where no link is', () => {
    const [only = 0] = fanAround([0], 1);
    assert.ok(Math.abs(Math.cos(only) + 1) < 1e-9, `${only} is not opposite`);
    assert.equal(fanAround([], 5).length, 5);
  });
});

describe('the story of a repair', () => {
  const at = (seconds: number, server: string, text: string): LogLine => ({
    server,
    atMs: 1e12 + seconds * 1_000,
    text,
  });
  const death = [
    at(0, 'ss-1', 'ss-2 link broken (ECONNRESET) → suspected, asking ss-3'),
    at(0.1, 'ss-3', 'ss-2 silent for 700 ms → suspected, asking ss-1'),
    at(0.2, 'ss-1', 'ss-2 suspected → confirmed by ss-3 → dead'),
    at(0.21, 'ss-3', 'ss-2 is dead (told by ss-1)'),
    at(0.22, 'ss-1', 'ss-1 was its neighbor → tells the cameras of ss-2 to rejoin'),
    at(0.6, 'ss-3', 'manages unit-1, epoch 4'),
    at(0.7, 'ss-1', 'manages unit-2, epoch 9'),
    at(0.8, 'ss-1', 'ss-3 is a neighbor now'),
  ];

  it('is one of a server’s death, with who noticed, who confirmed, and where the cameras went', () => {
    const [story, ...others] = repairStories(death, names);
    assert.deepEqual(others, []);
    assert.equal(story?.kind, 'death');
    assert.equal(story?.title, 'SS-2 vanished; its cameras had another server after 0.70 s');
    assert.deepEqual(
      story?.steps.map(({ text }) => text),
      [
        'SS-1 suspects it (link broken (ECONNRESET)) and asks SS-3',
        'SS-3 suspects it (silent for 700 ms) and asks SS-1',
        'SS-1 is sure that it is dead: confirmed by SS-3',
        'SS-3 hears of it from SS-1',
        'SS-1 tells its cameras to find another server',
        'SS-3 manages cam-1 now',
        'SS-1 manages cam-2 now',
        'SS-1 and SS-3 are linked',
      ],
    );
  });

  it('of a scare says that nothing happened', () => {
    const [story] = repairStories(
      [
        at(0, 'ss-1', 'ss-2 silent for 700 ms → suspected'),
        at(1, 'ss-1', 'ss-2 suspected → refuted: it answers'),
      ],
      names,
    );
    assert.equal(story?.title, 'SS-2 was suspected, and lives');
  });

  it('tells a death, its return and another death as three', () => {
    const later = death.map((line) => ({ ...line, atMs: line.atMs + 90_000 }));
    const stories = repairStories(
      [...later, ...death, at(30, 'ss-1', 'ss-2 is back'), at(30.1, 'ss-3', 'ss-2 is back')],
      names,
    );
    assert.deepEqual(
      stories.map(({ kind }) => kind),
      ['death', 'back', 'death'],
    );
  });

  it('tells of hand-overs, of servers that leave, and of alarms', () => {
    const stories = repairStories(
      [
        at(0, 'ss-1', 'hands unit-1 over to ss-3'),
        at(0.2, 'ss-3', 'manages unit-1, epoch 5'),
        at(50, 'ss-3', 'ss-2 leaves'),
        at(99, 'ss-1', 'recording alarm: cam-1 receives pictures and records none'),
      ],
      names,
    );
    assert.deepEqual(
      stories.map(({ title }) => title),
      ['SS-1: recording has stopped', 'SS-2 left the network in good order', 'SS-1 hands cam-1 over to SS-3'],
    );
  });

  it('is bounded, and never throws, whatever the logs hold', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom(...death.map((line) => line.text)));
    const line = fc.record({ server: fc.string(), atMs: fc.double({ noNaN: true }), text });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
        const stories = repairStories(lines, names);
        assert.ok(stories.length <= 30, `${stories.length} stories`);
        for (const { steps } of stories) assert.ok(steps.length <= 24, `${steps.length} steps`);
      }),
    );
  });
});
