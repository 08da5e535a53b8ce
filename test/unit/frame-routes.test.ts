/** Pictures of cameras that one unit carries: their captures and sequences have the same names. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import type { Archive, SegmentDetail } from '../../firmware/recording/archive.ts';
import { openAccess } from '../../firmware/viewing/access-control.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { bareViewing, cameraEntry, emptyArchive } from '../support/bare-viewing.ts';
import { videoTrack } from '../support/media-samples.ts';

const noonUs = Date.parse('2026-11-22T12:00:00Z') * 1000;
const cameras = ['door', 'garage'];
const name = '2026-11-22/120000.000Z-1-1';
/** avcC with one SPS and one PPS, of 4 bytes each */
const config = Buffer.from('0142c01effe1000467420000' + '01000468ce3c80', 'hex');

function trackOf(camera: string): TrackDescription {
  const track = videoTrack('boot.0', camera);
  return { ...track, format: { ...track.format, config } };
}

/** The first frame of a capture; its only NAL unit ends with the camera's name. */
function frameOf(camera: string): Sample {
  const unit = Buffer.from(`\x65${camera}`, 'latin1');
  const payload = Buffer.concat([Buffer.from([0, 0, 0, unit.length]), unit]);
  const times = { sequence: 0, ptsUs: 0, durationUs: 40_000, compositionUs: 0 };
  return { ...times, keyframe: true, payload: [payload], bytes: payload.length };
}

/** One segment of one frame. */
function stored(camera: string): { detail: SegmentDetail; file: Buffer } {
  const tracks = [trackOf(camera)];
  const mapping = { offsetUs: noonUs, uncertaintyUs: 1 };
  const init = initSegment(tracks);
  const batches = [{ trackId: 1, samples: [frameOf(camera)] }];
  const { parts, bytes, fromPtsUs, toPtsUs } = fragment({
    sequenceNumber: 1,
    batches,
    mapping,
    captureId: 'boot.0',
  });
  const file = Buffer.concat([init, ...parts]);
  const range = { fromUs: noonUs, toUs: noonUs + toPtsUs };
  const listing = { camera, name, ...range, bytes: file.length, captureId: 'boot.0', epoch: 1, open: false };
  const listed = [{ trackId: 1, firstSequence: 0, count: 1 }];
  const place = { offset: init.length, bytes, fromPtsUs, toPtsUs, mapping, tracks: listed };
  return { detail: { listing, initBytes: init.length, tracks, fragments: [place] }, file };
}

const archive: Archive = {
  ...emptyArchive,
  cameras: async () => cameras,
  segments: async (camera) => [stored(camera).detail.listing],
  detail: async (camera) => stored(camera).detail,
  read: async (camera, _, offset, length) => stored(camera).file.subarray(offset, offset + length),
};

/** `ask` as somebody who may see one camera only. */
function scene(): (camera: string, query: string, headers?: Record<string, string>) => Promise<Response> {
  const live = createLiveHub({ onWatched: () => undefined });
  for (const camera of cameras) {
    live.publishTracks(camera, [trackOf(camera)]);
    live.publishSample(camera, 1, frameOf(camera), noonUs);
  }
  const { ask } = bareViewing({
    live,
    archive,
    access: {
      ...openAccess,
      identify: async (request) => {
        const camera = request.header('x-camera') ?? '';
        return { principal: { name: camera, role: 'viewer', cameras: [camera], via: 'session' } };
      },
    },
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [],
      cameras: () => cameras.map((id) => cameraEntry(id, 's1')),
    },
    decoder: { jpeg: async (stream) => Buffer.from(cameras.find((id) => stream.includes(id)) ?? '') },
  });
  return (camera, query, headers = {}) =>
    ask(`/api/cameras/${camera}/frame.jpg${query}`, { headers: { ...headers, 'x-camera': camera } });
}

describe('a picture of one camera is never given out as that of another on the same unit', () => {
  const at = `?at=${noonUs / 1e6}`;
  for (const [what, query] of [
    ['live', ''],
    ['of a keyframe', at],
    ['of the very frame', `${at}&exact=1`],
  ] as const) {
    test(what, async () => {
      const ask = scene();
      const etags: string[] = [];
      for (const camera of cameras) {
        const response = await ask(camera, query);
        assert.deepEqual([response.status, await response.text()], [200, camera]);
        etags.push(response.headers.get('etag') ?? '');
      }
      const [door = '', garage = ''] = etags;
      assert.equal((await ask('garage', query, { 'if-none-match': garage })).status, 304);
      assert.equal((await ask('garage', query, { 'if-none-match': door })).status, 200);
    });
  }
});
