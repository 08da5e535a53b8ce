/** Questions of who manages a camera always end: with the network's answer, or with what was known last. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { QueryAnswer } from '../../firmware/overlay/effects.ts';
import { CameraQueries } from '../../firmware/roles/camera-queries.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const answer: QueryAnswer = {
  camera: 'cam-1',
  manager: 'ss-2',
  link: { host: '10.0.0.2', port: 1 },
  epoch: 3,
  state: 'online',
  tenures: [],
};

function queries(
  lastKnown: (camera: string) => { manager: string; epoch: number } | undefined = () => undefined,
) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const ask = (query: number, camera: string): void => void asked.push(`${query} ${camera}`);
  return { clock, asked, queries: new CameraQueries({ clock, timeoutMs: 5_000, ask, lastKnown }) };
}

describe('a question', () => {
  test('is answered by the answer with its number', async () => {
    const { queries: all, asked, clock } = queries();
    const first = all.where('cam-1');
    const second = all.where('cam-2');
    assert.deepEqual(asked, ['1 cam-1', '2 cam-2']);
    all.answered(2, { ...answer, camera: 'cam-2' });
    all.answered(1, answer);
    assert.deepEqual([await first, (await second).camera], [answer, 'cam-2']);
    assert.equal(clock.pending, 0);
  });

  test('that nobody answers ends with what was known last', async () => {
    const { queries: all, clock } = queries(() => ({ manager: 'ss-3', epoch: 7 }));
    const waiting = all.where('cam-1');
    clock.advance(5_000);
    assert.deepEqual(await waiting, {
      camera: 'cam-1',
      manager: 'ss-3',
      link: undefined,
      epoch: 7,
      state: 'unreachable',
      tenures: [],
    });
    all.answered(1, answer);
  });

  test('is refused while too many wait', async () => {
    const { queries: all, clock } = queries();
    const waiting = Array.from({ length: 256 }, () => all.where('cam-1'));
    await assert.rejects(all.where('cam-1'), { code: 'SERVER_FAILED' });
    clock.advance(5_000);
    await Promise.all(waiting);
    const again = all.where('cam-1');
    all.answered(257, answer);
    assert.equal(await again, answer);
  });
});
