/** What the shell of an overlay node does when its surroundings fail. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../../firmware/io/system-clock.ts';
import type { Effect, OverlayEvent, OverlayNode } from '../../firmware/overlay/effects.ts';
import { OverlayShell } from '../../firmware/roles/overlay-shell.ts';
import { Refusals } from '../../firmware/runtime/log.ts';

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
});
