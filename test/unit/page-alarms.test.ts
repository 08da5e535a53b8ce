/** What the page says of alarms: that recording has stopped where it has, and nowhere else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordingAlarm, type SeenVolume } from '../../firmware/recording/recording-alarm.ts';
import type { CameraAnswer, CamerasAnswer } from '../../firmware/viewing/api.ts';
import { alarmTitle } from '../../firmware/viewing/web/alarm-title.ts';
import { repairStories } from '../../firmware/viewing/web/repair-story.ts';

const alarm = (server: string, kind: string): CamerasAnswer['alarms'][number] => ({
  server,
  id: `${kind.startsWith('volume-') ? 'volume//data' : kind === 'index-failed' ? 'index' : 'camera/door'} ${kind}`,
  kind,
  text: 'something is wrong',
  since: '2026-11-22T12:00:00.000Z',
});

const camera = (id: string, manager: string, state: CameraAnswer['state'] = 'online'): CameraAnswer => ({
  id,
  unit: id,
  manager,
  epoch: 1,
  state,
  lastFrameAt: null,
  durableThrough: null,
  width: null,
  height: null,
  codecs: null,
  name: '',
  group: '',
  ptz: null,
  frameRate: null,
});

describe('the title of alarms', () => {
  const title = (alarms: CamerasAnswer['alarms'], ...cameras: CameraAnswer[]): string =>
    alarmTitle({ alarms, cameras });
  const stopped = 'Recording has stopped';

  it('says that recording has stopped when nothing of a camera is saved', () => {
    for (const kind of ['silent', 'not-saved', 'a kind of a newer server']) {
      assert.equal(title([alarm('s1', kind)], camera('door', 's1')), stopped);
      assert.equal(title([alarm('s1', 'volume-full'), alarm('s1', kind)], camera('door', 's1')), stopped);
    }
  });

  it('says that cameras are gone when nothing else is wrong', () => {
    const offline = camera('door', 's1', 'offline');
    assert.equal(title([alarm('s1', 'gone')], offline), 'A camera is gone');
    assert.equal(title([alarm('s1', 'gone'), alarm('s2', 'gone')], offline), '2 cameras are gone');
    assert.equal(title([alarm('s1', 'gone'), alarm('s2', 'silent')], offline), stopped);
  });

  it('says what is wrong with a disk while others take over', () => {
    const here = camera('door', 's1');
    assert.equal(title([alarm('s1', 'volume-failed')], here), 'A disk has failed, the others take over');
    assert.equal(title([alarm('s1', 'volume-missing')], here), 'A disk is missing, the others take over');
    assert.equal(title([alarm('s1', 'volume-full')], here), 'A disk is full, the others take over');
    assert.equal(title([alarm('s1', 'volume-odd')], here), 'A disk is out of use, the others take over');
    const two = [alarm('s1', 'volume-failed'), alarm('s2', 'volume-full')];
    assert.equal(title(two, here, camera('gate', 's2')), '2 disks are out of use, the others take over');
    // One camera of several may be away for a reason of its own.
    assert.match(title([alarm('s1', 'volume-full')], here, camera('gate', 's1', 'offline')), /take over$/);
  });

  it('says the same when the cameras went to another server', () => {
    assert.match(title([alarm('s1', 'volume-failed')], camera('door', 's2')), /take over$/);
  });

  it('says that recording has stopped where an index refuses, unless the cameras went to another server', () => {
    const refusing = alarm('s1', 'index-failed');
    assert.equal(title([refusing], camera('door', 's1')), stopped);
    assert.equal(title([refusing], camera('door', 's2')), 'An index has failed, the others take over');
    const both = [refusing, alarm('s1', 'volume-full')];
    assert.equal(
      title(both, camera('door', 's2')),
      '2 disks or indexes are out of use, the others take over',
    );
  });

  it('says that recording has stopped when a server with its only disk lost its cameras, and nobody took them', () => {
    assert.equal(title([alarm('s1', 'volume-failed')], camera('door', 's1', 'offline')), stopped);
    const two = [alarm('s1', 'volume-failed'), alarm('s2', 'volume-full')];
    assert.equal(title(two, camera('door', 's1'), camera('gate', 's2', 'offline')), stopped);
  });
});

describe('the story of an alarm', () => {
  const names = { server: (id: string) => id.toUpperCase(), unit: (id: string) => id };
  const titleOf = (text: string): string | undefined =>
    repairStories([{ server: 'ss-1', atMs: 1e12, text }], names)[0]?.title;
  /** The texts of what is really raised. */
  const raised = (
    cameras: { camera: string; receivedBytes: number; durableThroughUs: undefined }[],
    volumes: SeenVolume[],
    later: number,
  ): string[] => {
    const watch = new RecordingAlarm();
    watch.observe({ ms: 0, utcUs: 0 }, { cameras, volumes: [] });
    const grown = cameras.map((one) => ({ ...one, receivedBytes: one.receivedBytes + later }));
    return watch
      .observe({ ms: 20_000, utcUs: 0 }, { cameras: grown, volumes })
      .raised.map(({ text }) => text);
  };

  it('says that recording has stopped when nothing of a camera is saved', () => {
    const door = { camera: 'door', receivedBytes: 5, durableThroughUs: undefined };
    for (const later of [0, 1]) {
      const [text = ''] = raised([door], [], later);
      assert.equal(titleOf(`recording alarm: ${text}`), 'SS-1: recording has stopped');
      assert.equal(titleOf(`recording alarm is over: ${text}`), 'SS-1: recording again');
    }
  });

  it('says of a disk that it is out of use, and in use again', () => {
    const reasons = [
      '/data: does not answer',
      '/data: 5 bytes are free',
      '/data: the volume is not mounted there',
    ];
    for (const reason of reasons) {
      const [text = ''] = raised([], [{ folder: '/data', state: { is: 'failed', reason } }], 0);
      assert.equal(titleOf(`recording alarm: ${text}`), 'SS-1: a disk is out of use');
      assert.equal(titleOf(`recording alarm is over: ${text}`), 'SS-1: a disk is in use again');
    }
  });
});
