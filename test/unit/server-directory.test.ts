/** The network as the viewing side sees it, and whose clock counts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerView } from '../../firmware/overlay/views.ts';
import { clockTrust } from '../../firmware/roles/clock-trust.ts';
import { lostCameras, serverDirectory } from '../../firmware/roles/server-directory.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const server = (name: string, hops: number | undefined, dead = false): ServerView => ({
  server: name,
  hops,
  dead,
  address: { host: name, port: 1 },
  pageUrl: `http://${name}`,
  cameras: [`cam-of-${name}`],
});
const camera = (id: string, manager: string, online = true) => ({
  camera: id,
  unit: `unit-${id}`,
  manager,
  epoch: 2,
  online,
});

describe('the directory', () => {
  const directory = serverDirectory(
    {
      servers: () => [
        server('ss-1', 0),
        server('ss-2', 2),
        server('ss-3', undefined),
        server('ss-4', 3, true),
      ],
      cameras: () => [
        camera('a', 'ss-1'),
        camera('b', 'ss-2', false),
        camera('c', 'ss-3'),
        camera('d', 'ss-4'),
        camera('e', 'ss-9'),
      ],
    },
    'home',
    'ss-1',
  );

  test('tells which servers can be reached, and how far they are', () => {
    assert.deepEqual(
      directory.servers().map(({ id, state, hops }) => [id, state, hops]),
      [
        ['ss-1', 'self', 0],
        ['ss-2', 'reachable', 2],
        ['ss-3', 'unreachable', undefined],
        ['ss-4', 'unreachable', undefined],
      ],
    );
  });

  test('reports its own cameras that are off, and those of servers that cannot be asked, if its id is the lowest', () => {
    const lost = (self: string): string[] => {
      const states = { 'ss-1': 'reachable', 'ss-2': 'reachable', 'ss-3': 'unreachable' } as const;
      const servers = Object.entries(states).map(([id, state]) => ({
        id,
        state: id === self ? ('self' as const) : state,
        hops: 1,
        pageUrl: '',
        cameras: [],
      }));
      return lostCameras({ self, servers: () => servers, cameras: () => directory.cameras() }).map(
        ({ camera: id }) => id,
      );
    };
    assert.deepEqual(lost('ss-1'), ['c', 'd', 'e']);
    assert.deepEqual(lost('ss-2'), ['b']);
    assert.match(lostCameras(directory)[0]?.text ?? '', /^c was with ss-3, which cannot be reached/);
  });

  test('tells of a camera whose manager cannot be reached that it cannot be', () => {
    assert.deepEqual(
      directory.cameras().map(({ id, manager, state }) => [id, manager, state]),
      [
        ['a', 'ss-1', 'online'],
        ['b', 'ss-2', 'offline'],
        ['c', 'ss-3', 'unreachable'],
        ['d', 'ss-4', 'unreachable'],
        ['e', 'ss-9', 'unreachable'],
      ],
    );
  });

  test('knows where a server is dialled', () => {
    assert.deepEqual(directory.addressOf('ss-3'), { host: 'ss-3', port: 1 });
    assert.equal(directory.addressOf('ss-9'), undefined);
  });
});

describe('a clock', () => {
  const at = (date: string, trusted: 'auto' | 'yes' | 'no'): boolean =>
    clockTrust({ trusted }, new VirtualClock(Date.parse(date)))();

  test('counts when it shows a date after the program was written, unless somebody knows better', () => {
    assert.equal(at('1970-01-01T00:05:00Z', 'auto'), false);
    assert.equal(at('2026-11-22T12:00:00Z', 'auto'), true);
    assert.equal(at('1970-01-01T00:05:00Z', 'yes'), true);
    assert.equal(at('2026-11-22T12:00:00Z', 'no'), false);
  });

  test('that is set later counts from then on', () => {
    const clock = new VirtualClock(Date.parse('2026-10-31T23:59:59Z'));
    const trust = clockTrust({ trusted: 'auto' }, clock);
    assert.equal(trust(), false);
    clock.advance(1_000);
    assert.equal(trust(), true);
  });
});
