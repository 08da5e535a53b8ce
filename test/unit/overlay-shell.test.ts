/** What the shell of an overlay node does when its surroundings fail. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { dialLink, listenForLinks } from '../../firmware/io/tls-link.ts';
import type { Effect, OverlayEvent, OverlayNode } from '../../firmware/overlay/effects.ts';
import { OverlayShell } from '../../firmware/roles/overlay-shell.ts';
import { Refusals } from '../../firmware/runtime/log.ts';
import { until } from '../support/network.ts';
import { serverIdentity } from '../support/unit-identity.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** A node that answers every event with the same effects. */
function nodeWith(effects: readonly Effect[]): OverlayNode & { events: OverlayEvent[] } {
  const events: OverlayEvent[] = [];
  return {
    events,
    step: (_now, event) => {
      events.push(event);
      return [...effects];
    },
    wakeAt: () => Number.POSITIVE_INFINITY,
  };
}

describe('the shell', () => {
  test('goes on when the disk refuses the state, and says so once', async () => {
    const lines: string[] = [];
    const log = (level: string, message: string): void => {
      lines.push(`${level} ${message}`);
    };
    const shell = new OverlayShell({
      node: nodeWith([
        { type: 'persist', state: { epoch: 7 } },
        { type: 'story', text: 'managed' },
      ]),
      identity: { site: 'a', unit: 'a', role: 'camera', ca: '', certificate: '', key: '', sealKeys: [] },
      endpoints: [],
      dataFolder: '/dev/null/data',
      clock: systemClock,
      log,
      refusals: new Refusals(log),
      onEffect: () => undefined,
    });
    shell.start();
    shell.start();
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      ['error', 'info', 'info'],
    );
    assert.match(lines[0] ?? '', /\/dev\/null\/data.*Check the disk/);
    await shell[Symbol.asyncDispose]();
  });

  test('tells the node that a link is alive which it holds back itself, and which sends media', async () => {
    const identity = await serverIdentity();
    const clock = new VirtualClock();
    const node = { ...nodeWith([]), wakeAt: () => clock.monotonicMs() + 100 };
    const log = (): void => undefined;
    const options = { endpoints: [], dataFolder: '/dev/null/data', clock, log, refusals: new Refusals(log) };
    const shell = new OverlayShell({ node, identity, ...options, onEffect: () => undefined });
    const heard = (): number => node.events.filter(({ type }) => type === 'heard').length;
    const { promise: met, resolve: meet } = withResolvers<void>();
    await using listener = await listenForLinks({
      identity,
      host: '127.0.0.1',
      port: 0,
      onLink: (link) => {
        shell.accept(link);
        meet();
      },
      onRefused: () => undefined,
    });
    const address = { host: '127.0.0.1', port: listener.port };
    const other = await dialLink(identity, address, new AbortController().signal);
    other.open({
      frame: () => undefined,
      refused: () => undefined,
      closed: () => undefined,
      drained: () => undefined,
    });
    await met;
    assert.equal(heard(), 0);
    other.send(999, [Buffer.from('media')]);
    await until('media was heard', () => heard() === 1);
    shell.hold(1, true);
    clock.advance(1_000);
    assert(heard() >= 9, `${heard()} times`);
    shell.hold(1, false);
    const before = heard();
    clock.advance(1_000);
    assert.equal(heard(), before);
    await shell[Symbol.asyncDispose]();
  });
});

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
