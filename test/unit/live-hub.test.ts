/** What the live hub hands to whom, and what it holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import type { LiveViewer } from '../../firmware/viewing/live-feed.ts';
import { createLiveHub, type LiveHub, viewersPerCameraMax } from '../../firmware/viewing/live-hub.ts';
import { audioTrack, frame, videoTrack } from '../support/media-samples.ts';

const camera = 'door';

/** Notes what it is given, in words. */
class Notes implements LiveViewer {
  readonly seen: string[] = [];
  readonly samples: Sample[] = [];
  tracks(descriptions: readonly TrackDescription[]): void {
    this.seen.push(`tracks ${descriptions.map(({ kind }) => kind).join('+')}`);
  }
  sample(trackId: number, sample: Sample): void {
    this.seen.push(`${trackId}:${sample.sequence}`);
    this.samples.push(sample);
  }
  ended(reason: string): void {
    this.seen.push(`ended ${reason}`);
  }
}

function open(options: { heldBytesMax?: number } = {}): { hub: LiveHub; watched: string[] } {
  const watched: string[] = [];
  const hub = createLiveHub({ ...options, onWatched: (id, on) => watched.push(`${id} ${on}`) });
  return { hub, watched };
}

function publish(
  hub: LiveHub,
  from: number,
  to: number,
  options: { gop?: number; bytes?: number } = {},
  id = camera,
): void {
  for (let i = from; i < to; i++) hub.publishSample(id, 1, frame(i, options), i * 100_000);
}

test('a new viewer gets the tracks and the newest GOP at once, then what follows', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack()]);
  publish(hub, 0, 13);
  const viewer = new Notes();
  hub.subscribe(camera, viewer);
  assert.deepEqual(viewer.seen, ['tracks video', '1:10', '1:11', '1:12']);
  publish(hub, 13, 14);
  assert.equal(viewer.seen.at(-1), '1:13');
});

test('the hub lets go of the memory of a GOP when the next one begins, whoever watches', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack()]);
  let holders = 0;
  const hold = { retain: () => void (holders += 1), release: () => void (holders -= 1) };
  const publishHeld = (from: number, to: number): void => {
    for (let i = from; i < to; i++) hub.publishSample(camera, 1, { ...frame(i), hold }, i * 100_000);
  };
  publishHeld(0, 10);
  assert.equal(holders, 10);
  publishHeld(10, 13);
  assert.equal(holders, 3, 'those of the GOP before are released');
  hub.subscribe(camera, new Notes());
  assert.equal(holders, 3, 'a viewer holds nothing');
  publishHeld(13, 21);
  assert.equal(holders, 1, 'one of the newest GOP');
  hub.publishEnd(camera, 'over');
  assert.equal(holders, 0);
});

test('samples are handed over by reference', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack()]);
  const sample = frame(0);
  hub.publishSample(camera, 1, sample, 0);
  const viewers = [new Notes(), new Notes()];
  for (const viewer of viewers) hub.subscribe(camera, viewer);
  for (const viewer of viewers) assert.equal(viewer.samples[0], sample);
});

test('without a keyframe so far a viewer waits for the first', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack()]);
  publish(hub, 5, 8);
  const viewer = new Notes();
  hub.subscribe(camera, viewer);
  publish(hub, 8, 12);
  assert.deepEqual(viewer.seen, ['tracks video', '1:10', '1:11']);
});

test('audio keyframes do not begin a GOP', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack(), audioTrack()]);
  publish(hub, 0, 2);
  hub.publishSample(camera, 2, { ...frame(0), sequence: 77 }, 0);
  const viewer = new Notes();
  hub.subscribe(camera, viewer);
  assert.deepEqual(viewer.seen, ['tracks video+audio', '1:0', '1:1', '2:77']);
});

test('a camera that this server does not have cannot be watched', () => {
  const { hub, watched } = open();
  assert.equal(hub.subscribe('nobody', new Notes()), undefined);
  assert.deepEqual([hub.viewers('nobody'), hub.snapshot('nobody'), watched], [0, undefined, []]);
});

test('the first viewer and the last are reported, the others are not', () => {
  const { hub, watched } = open();
  hub.publishTracks(camera, [videoTrack()]);
  const leave = [hub.subscribe(camera, new Notes()), hub.subscribe(camera, new Notes())];
  assert.equal(hub.viewers(camera), 2);
  leave[0]?.();
  leave[0]?.();
  assert.deepEqual(watched, ['door true']);
  leave[1]?.();
  leave[1]?.();
  assert.deepEqual(watched, ['door true', 'door false']);
});

test('when a camera leaves, its viewers are told and gone', () => {
  const { hub, watched } = open();
  hub.publishTracks(camera, [videoTrack()]);
  publish(hub, 0, 1);
  const viewer = new Notes();
  const leave = hub.subscribe(camera, viewer);
  hub.publishEnd(camera, 'moved');
  leave?.();
  publish(hub, 10, 11);
  assert.deepEqual(viewer.seen, ['tracks video', '1:0', 'ended moved']);
  assert.deepEqual([hub.viewers(camera), hub.snapshot(camera)], [0, undefined]);
  assert.deepEqual(watched, ['door true', 'door false']);
});

test('new tracks reach viewers, who then wait for a keyframe; the same tracks again do not', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack()]);
  publish(hub, 0, 2);
  const viewer = new Notes();
  hub.subscribe(camera, viewer);
  hub.publishTracks(camera, [videoTrack()]);
  publish(hub, 2, 3);
  hub.publishTracks(camera, [videoTrack('boot-1.2')]);
  publish(hub, 3, 12);
  assert.deepEqual(viewer.seen, ['tracks video', '1:0', '1:1', '1:2', 'tracks video', '1:10', '1:11']);
});

test('at most 256 viewers watch one camera', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack()]);
  for (let i = 0; i < viewersPerCameraMax; i++)
    assert.notEqual(hub.subscribe(camera, new Notes()), undefined);
  assert.equal(hub.subscribe(camera, new Notes()), undefined);
});

test('all held GOPs share one bound: who finds no room is held again from its next keyframe', () => {
  const { hub } = open({ heldBytesMax: 4000 });
  for (const id of ['one', 'two', 'three', 'four', 'five']) {
    hub.publishTracks(id, [videoTrack('boot-1.1', id)]);
    publish(hub, 0, 9, {}, id);
  }
  const seenBy = (id: string): string[] => {
    const viewer = new Notes();
    hub.subscribe(id, viewer)?.();
    return viewer.seen;
  };
  assert.equal(seenBy('one').length, 10);
  assert.deepEqual(seenBy('five'), ['tracks video']);
  hub.publishEnd('one', 'moved');
  publish(hub, 9, 10, {}, 'five');
  assert.deepEqual(seenBy('five'), ['tracks video']);
  publish(hub, 10, 12, {}, 'five');
  assert.deepEqual(seenBy('five'), ['tracks video', '1:10', '1:11']);
});

test('one camera without keyframes does not take the room of all', () => {
  const { hub } = open({ heldBytesMax: 4000 });
  hub.publishTracks(camera, [videoTrack()]);
  publish(hub, 0, 100, { gop: 1000 });
  hub.publishTracks('other', [videoTrack('boot-1.1', 'other')]);
  publish(hub, 0, 9, {}, 'other');
  const viewer = new Notes();
  hub.subscribe('other', viewer);
  assert.equal(viewer.seen.length, 10);
});

test('the capture time of the newest frame is known, that of sound does not count', () => {
  const { hub } = open();
  hub.publishTracks(camera, [videoTrack(), audioTrack()]);
  assert.equal(hub.snapshot(camera)?.lastFrameUs, undefined);
  hub.publishSample(camera, 1, frame(0), 5_000);
  hub.publishSample(camera, 2, frame(0), 9_000);
  assert.equal(hub.snapshot(camera)?.lastFrameUs, 5_000);
});
