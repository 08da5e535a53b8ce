/** The recording alarm: when it is raised, what it says, when it is over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type LostCamera,
  RecordingAlarm,
  type SeenCamera,
  type SeenVolume,
} from '../../firmware/recording/recording-alarm.ts';

/** One look a second, and what was told: `+ id kind` or `- id kind`. */
class Watch {
  readonly alarm = new RecordingAlarm();
  readonly told: string[] = [];
  private second = 0;

  look(
    seconds: number,
    seen: (second: number) => { cameras?: SeenCamera[]; lost?: LostCamera[]; volumes?: SeenVolume[] },
  ): void {
    for (let passed = 0; passed < seconds; passed++) {
      const now = { ms: this.second * 1_000, utcUs: this.second * 1e6 };
      const news = this.alarm.observe(now, { cameras: [], volumes: [], ...seen(this.second) });
      for (const { id, kind } of news.cleared) this.told.push(`${this.second} - ${id} ${kind}`);
      for (const { id, kind } of news.raised) this.told.push(`${this.second} + ${id} ${kind}`);
      this.second += 1;
    }
  }
}

const door = (receivedBytes: number, durableThroughUs: number | undefined): SeenCamera => ({
  camera: 'door',
  receivedBytes,
  durableThroughUs,
});

test('a camera that is recorded raises nothing', () => {
  const watch = new Watch();
  watch.look(60, (second) => ({ cameras: [door(second, second)] }));
  assert.deepEqual(watch.told, []);
});

test('a camera that sends, but of which nothing is saved, raises an alarm after 10 s, once', () => {
  const watch = new Watch();
  watch.look(5, (second) => ({ cameras: [door(second, second)] }));
  watch.look(30, (second) => ({ cameras: [door(second, 4)] }));
  assert.deepEqual(watch.told, ['14 + camera/door not-saved']);
  assert.equal(watch.alarm.active()[0]?.sinceUtcUs, 14e6);
  watch.look(5, (second) => ({ cameras: [door(second, second)] }));
  assert.deepEqual(watch.told.slice(1), ['35 - camera/door not-saved']);
  assert.deepEqual(watch.alarm.active(), []);
});

test('a camera of which nothing was ever saved raises it, too', () => {
  const watch = new Watch();
  watch.look(12, (second) => ({ cameras: [door(second, undefined)] }));
  assert.deepEqual(watch.told, ['10 + camera/door not-saved']);
});

test('a camera that no server has for a minute is gone, until one has it', () => {
  const watch = new Watch();
  const lost = [{ camera: 'door', text: 'door is off' }];
  watch.look(59, () => ({ lost }));
  watch.look(1, (second) => ({ cameras: [door(second, second)] }));
  watch.look(62, () => ({ lost }));
  assert.deepEqual(watch.told, ['120 + camera/door gone'], 'it counts from the last time');
  assert.equal(watch.alarm.active()[0]?.text, 'door is off');
  watch.look(1, (second) => ({ cameras: [door(second, second)] }));
  assert.deepEqual(watch.told.slice(1), ['122 - camera/door gone']);
});

test('a camera that sends nothing is said to be silent, and the alarm changes when it sends again unsaved', () => {
  const watch = new Watch();
  watch.look(15, () => ({ cameras: [door(7, 7)] }));
  watch.look(3, (second) => ({ cameras: [door(second, 7)] }));
  assert.deepEqual(watch.told, [
    '10 + camera/door silent',
    '15 - camera/door silent',
    '15 + camera/door not-saved',
  ]);
});

test('a camera that goes elsewhere is no alarm here, and begins anew when it comes back', () => {
  const watch = new Watch();
  watch.look(11, () => ({ cameras: [door(7, 7)] }));
  watch.look(1, () => ({ cameras: [] }));
  watch.look(9, () => ({ cameras: [door(7, 7)] }));
  assert.deepEqual(watch.told, ['10 + camera/door silent', '11 - camera/door silent']);
});

test('a volume that is missing, failed or full is told of, with its reason', () => {
  const watch = new Watch();
  const volume = (is: 'missing' | 'failed' | 'full'): SeenVolume => ({
    folder: '/disk',
    state: { is, reason: `it is ${is}` },
  });
  watch.look(1, () => ({ volumes: [{ folder: '/disk', state: { is: 'ok' } }] }));
  watch.look(2, () => ({ volumes: [volume('full')] }));
  assert.equal(watch.alarm.active()[0]?.text, 'it is full');
  watch.look(1, () => ({ volumes: [volume('missing')] }));
  watch.look(1, () => ({ volumes: [{ folder: '/disk', state: { is: 'ok' } }] }));
  assert.deepEqual(watch.told, [
    '1 + volume//disk volume-full',
    '3 - volume//disk volume-full',
    '3 + volume//disk volume-missing',
    '4 - volume//disk volume-missing',
  ]);
});

test('an index that refuses raises an alarm of its own, and every alarm says what is so now', () => {
  const alarm = new RecordingAlarm();
  const look = (ms: number, index: string | undefined, reason: string) =>
    alarm.observe(
      { ms, utcUs: ms * 1_000 },
      { cameras: [], volumes: [{ folder: '/volumes/a', state: { is: 'full', reason } }], index },
    );
  const { raised } = look(0, 'no space left on device', 'ENOSPC');
  assert.deepEqual(
    raised.map(({ id, kind }) => `${id} ${kind}`),
    ['volume//volumes/a volume-full', 'index index-failed'],
  );
  assert.deepEqual(look(1_000, 'read-only file system', 'snapshots may keep it'), {
    raised: [],
    cleared: [],
  });
  const now = alarm.active();
  assert.match(now.find(({ id }) => id === 'index')?.text ?? '', /the index refuses: read-only/);
  assert.match(now.find(({ kind }) => kind === 'volume-full')?.text ?? '', /snapshots/);
  assert.deepEqual(
    now.map(({ sinceUtcUs }) => sinceUtcUs),
    [0, 0],
  );
  assert.deepEqual(
    look(2_000, undefined, 'snapshots may keep it').cleared.map(({ id }) => id),
    ['index'],
  );
});
