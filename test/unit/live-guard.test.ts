/** Who watches or downloads is asked again whether they may. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '../../firmware/access/principal.ts';
import { recheckMs } from '../../firmware/viewing/access-control.ts';
import { LiveGuard } from '../../firmware/viewing/live-guard.ts';
import { whileAllowed } from '../../firmware/viewing/while-allowed.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const ann: Principal = { name: 'ann', role: 'viewer', cameras: ['door', 'yard'], via: 'session' };

function scene() {
  const clock = new VirtualClock();
  let rights: Principal | undefined = ann;
  let asked = 0;
  const current = (): Principal | undefined => {
    asked += 1;
    return rights;
  };
  const guard = new LiveGuard({ access: { current }, clock });
  const watch = (camera: string) => {
    const events: string[] = [];
    const left = guard.watch(
      {
        send: (text) => events.push((JSON.parse(text) as { state: string }).state),
        close: (code) => events.push(`close ${code}`),
        terminate: () => events.push('terminate'),
      },
      ann,
      camera,
    );
    return { events, left };
  };
  return {
    clock,
    watch,
    asked: () => asked,
    become: (next: Principal | undefined) => {
      rights = next;
    },
  };
}

test('as long as the rights hold, nothing happens; without a viewer nobody is asked', () => {
  const { clock, watch, asked } = scene();
  const { events, left } = watch('door');
  clock.advance(10 * recheckMs);
  assert.deepEqual([events, asked()], [[], 10]);
  left();
  clock.advance(10 * recheckMs);
  assert.equal(asked(), 10);
});

test('who is nobody any more is told, and cut off when the socket does not close', () => {
  const { clock, watch, become } = scene();
  const { events, left } = watch('door');
  become(undefined);
  clock.advance(recheckMs - 1);
  assert.deepEqual(events, []);
  clock.advance(1);
  assert.deepEqual(events, ['ended', 'close 1008']);
  clock.advance(recheckMs);
  assert.deepEqual(events, ['ended', 'close 1008', 'terminate']);
  left();
});

test('who lost one camera goes on with the others', () => {
  const { clock, watch, become } = scene();
  const [door, yard] = [watch('door'), watch('yard')];
  become({ ...ann, cameras: ['yard'] });
  clock.advance(recheckMs);
  assert.deepEqual([door.events, yard.events], [['ended', 'close 1008'], []]);
});

test('a long download ends when its reader may no longer watch, and nothing is read for it any more', async () => {
  const clock = new VirtualClock();
  let rights: Principal | undefined = ann;
  let closed = false;
  async function* source(): AsyncGenerator<number, void, void> {
    try {
      for (let chunk = 0; ; chunk++) yield chunk;
    } finally {
      closed = true;
    }
  }
  const download = whileAllowed(source(), { access: { current: () => rights }, clock }, ann, 'door');
  await download.next();
  clock.advance(10 * recheckMs);
  assert.equal((await download.next()).value, 1, 'they still may');
  rights = { ...ann, cameras: ['yard'] };
  clock.advance(recheckMs - 1);
  assert.equal((await download.next()).value, 2);
  clock.advance(1);
  await assert.rejects(download.next(), { code: 'ACCESS_DENIED' });
  assert.equal(closed, true);
});
