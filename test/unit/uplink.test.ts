/** The camera's end of a link: resuming, back-pressure, pacing, turns, acknowledgements. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode } from '../../firmware/base/codec.ts';
import type { Capture } from '../../firmware/capture/backlog.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import { Uplink } from '../../firmware/capture/uplink.ts';
import {
  decodeFrame,
  durableFrame,
  frameKinds,
  gapFrame,
  mappingFrame,
  pacingFrame,
  resendFrame,
  SampleAssembler,
  tracksFrame,
} from '../../firmware/media/link-frames.ts';
import { audioTrack, videoTrack } from '../support/media-samples.ts';
import { sampleOf } from '../support/synthetic-sample.ts';

const roomy = { bytesMax: 10_000_000, secondsMax: 60 };

function captureOf(captureId: string, camera = 'door'): Capture {
  return { captureId, tracks: [videoTrack(captureId, camera), audioTrack(captureId, camera)] };
}

/** The server's end: decodes what arrives into words such as `door:boot.0/1/5`. */
class Server {
  readonly heard: string[] = [];
  /** frames that are taken until the link is full */
  room = Number.POSITIVE_INFINITY;
  sends = 0;
  private readonly assembler = new SampleAssembler();
  private readonly numbers = new Map<number, string>();

  send(kind: number, parts: readonly Uint8Array[]): boolean {
    this.sends += 1;
    this.room -= 1;
    const body = [Buffer.concat(parts)];
    if (kind === frameKinds.tracks) {
      const { camera, tracks } = valueOf(decodeFrame(tracksFrame, body));
      for (const [place, { number, description }] of tracks.entries()) {
        this.numbers.set(number, `${camera}:${description.captureId}/${place + 1}`);
      }
      this.heard.push(`tracks ${camera}:${tracks[0]?.description.captureId}`);
    } else if (kind === frameKinds.mapping) {
      const { camera, mapping } = valueOf(decodeFrame(mappingFrame, body));
      this.heard.push(`mapping ${camera}:${mapping.offsetUs}`);
    } else if (kind === frameKinds.gap) {
      const { camera, reason } = valueOf(decodeFrame(gapFrame, body));
      this.heard.push(`gap ${camera}:${reason}`);
    } else {
      const value = valueOf(this.assembler.push(kind, body));
      if (value !== undefined) this.heard.push(`${this.numbers.get(value.track)}/${value.sample.sequence}`);
    }
    return this.room > 0;
  }

  samples(): string[] {
    return this.heard.filter((word) => /\/\d+$/.test(word));
  }
}

function valueOf<T>(result: { ok: true; value: T } | { ok: false; reason: string }): T {
  assert(result.ok, result.ok ? '' : result.reason);
  return result.value;
}

/** Adds a GOP of video frames to an outbox. */
function gop(
  outbox: Outbox,
  capture: Capture,
  first: number,
  options: { frames?: number; bytes?: number; offsetUs?: number } = {},
): void {
  const { frames = 3, bytes = 100, offsetUs = 7 } = options;
  for (let sequence = first; sequence < first + frames; sequence++) {
    const sample = sampleOf({ sequence, ptsUs: sequence * 40_000, keyframe: sequence === first, bytes });
    outbox.addSample({ capture, trackId: 1, sample, mapping: { offsetUs, uncertaintyUs: 1 } });
  }
}

function durable(uplink: Uplink, captureId: string, through: number, camera = 'door'): string | undefined {
  return uplink.frame(frameKinds.durable, [
    encode(durableFrame, { camera, captureId, tracks: [{ trackId: 1, through }] }),
  ]);
}

function pacing(uplink: Uplink, immediate: boolean, camera = 'door'): string | undefined {
  return uplink.frame(frameKinds.pacing, [encode(pacingFrame, { camera, immediate })]);
}

function resend(uplink: Uplink, camera = 'door'): string | undefined {
  return uplink.frame(frameKinds.resend, [encode(resendFrame, { camera })]);
}

describe('an uplink', () => {
  test('announces tracks and clock before the first sample, and again only when they change', () => {
    const outbox = new Outbox(roomy);
    const server = new Server();
    const uplink = new Uplink(server, new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0, { frames: 2 });
    gop(outbox, captureOf('boot.1'), 0, { frames: 1 });
    gop(outbox, captureOf('boot.1'), 1, { frames: 1, offsetUs: 9 });
    uplink.pump();
    const [a, b] = ['tracks door:boot.0', 'tracks door:boot.1'];
    assert.deepEqual(server.heard.slice(0, 5), [
      a,
      'mapping door:7',
      'door:boot.0/1/0',
      'door:boot.0/1/1',
      b,
    ]);
    assert.deepEqual(
      server.heard.slice(5).filter((word) => word.startsWith('mapping')),
      ['mapping door:9'],
    );
    assert.deepEqual(server.samples().slice(2), ['door:boot.1/1/0', 'door:boot.1/1/1']);
  });

  test('resumes on a new link at the first GOP that is not durable, with its keyframe', () => {
    const outbox = new Outbox(roomy);
    const capture = captureOf('boot.0');
    const first = new Uplink(new Server(), new Map([['door', outbox]]));
    for (let number = 0; number < 4; number++) gop(outbox, capture, number * 3);
    first.pump();
    assert.equal(durable(first, 'boot.0', 4), undefined);

    const server = new Server();
    new Uplink(server, new Map([['door', outbox]])).pump();
    assert.deepEqual(server.heard.slice(0, 3), ['tracks door:boot.0', 'mapping door:7', 'door:boot.0/1/3']);
    assert.equal(server.samples().length, 9);
  });

  test('stops when the link is full, loses and repeats nothing, and goes on when it has drained', () => {
    const outbox = new Outbox(roomy);
    const server = new Server();
    const uplink = new Uplink(server, new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0, { frames: 20 });
    server.room = 5;
    uplink.pump();
    assert.equal(server.samples().length, 3, 'tracks, mapping and three samples');
    uplink.pump();
    uplink.sampled('door');
    assert.equal(server.samples().length, 3, 'a full link is left alone');
    while (server.samples().length < 20) {
      server.room = 4;
      uplink.drained();
    }
    assert.deepEqual(
      server.samples(),
      Array.from({ length: 20 }, (_, sequence) => `door:boot.0/1/${sequence}`),
    );
  });

  test('finishes the sample it has begun when the link fills in the middle of it', () => {
    const outbox = new Outbox(roomy);
    const server = new Server();
    const uplink = new Uplink(server, new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0, { frames: 2, bytes: 200_000 });
    server.room = 4;
    uplink.pump();
    assert.deepEqual(server.samples(), ['door:boot.0/1/0']);
    server.room = 100;
    uplink.drained();
    assert.deepEqual(server.samples(), ['door:boot.0/1/0', 'door:boot.0/1/1']);
  });

  test('sends in batches while nobody watches, and at once while somebody does', () => {
    const outbox = new Outbox(roomy);
    const server = new Server();
    const uplink = new Uplink(server, new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0);
    uplink.sampled('door');
    assert.equal(server.samples().length, 0);
    assert.equal(pacing(uplink, true), undefined);
    assert.equal(server.samples().length, 3, 'what waits leaves when somebody comes');
    gop(outbox, captureOf('boot.0'), 3, { frames: 1 });
    uplink.sampled('door');
    assert.equal(server.samples().length, 4);
    uplink.sampled('gate');
    pacing(uplink, false);
    gop(outbox, captureOf('boot.0'), 4, { frames: 1 });
    uplink.sampled('door');
    assert.equal(server.samples().length, 4);
    uplink.pump();
    assert.equal(server.samples().length, 5);
  });

  test('takes an acknowledgement of the old capture after it has announced the new one', () => {
    const outbox = new Outbox(roomy);
    const uplink = new Uplink(new Server(), new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0);
    gop(outbox, captureOf('boot.1'), 0);
    uplink.pump();
    durable(uplink, 'boot.0', 2);
    assert.equal(outbox.resumeAt(), 3, 'the old capture is done, the new one is not');
    const [item] = [outbox.read(outbox.resumeAt())?.item];
    assert(item?.type === 'sample' && item.capture.captureId === 'boot.1');
  });

  test('takes an acknowledgement for the camera it names only', () => {
    const outboxes = new Map(['door', 'gate'].map((camera) => [camera, new Outbox(roomy)]));
    const uplink = new Uplink(new Server(), outboxes);
    for (const [camera, outbox] of outboxes) {
      gop(outbox, captureOf('boot.0', camera), 0);
      gop(outbox, captureOf('boot.0', camera), 3);
    }
    durable(uplink, 'boot.0', 2, 'gate');
    assert.deepEqual(
      [...outboxes.values()].map((outbox) => outbox.resumeAt()),
      [0, 3],
    );
  });

  test('lets cameras take turns, so that a backlog keeps no other camera waiting', () => {
    const outboxes = new Map(['door', 'gate', 'yard'].map((camera) => [camera, new Outbox(roomy)]));
    const server = new Server();
    const uplink = new Uplink(server, outboxes);
    for (const [camera, outbox] of outboxes)
      gop(outbox, captureOf('boot.0', camera), 0, { frames: camera === 'door' ? 500 : 5 });
    for (let batch = 0; batch < 6; batch++) {
      server.room = 5;
      uplink.drained();
    }
    const of = (camera: string): number => server.samples().filter((word) => word.startsWith(camera)).length;
    assert.deepEqual([of('gate'), of('yard')], [5, 5]);
    server.room = 10_000;
    uplink.drained();
    assert.equal(of('door'), 500);
  });

  test('tells gaps in their place', () => {
    const outbox = new Outbox(roomy);
    const server = new Server();
    const uplink = new Uplink(server, new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0, { frames: 1 });
    outbox.addGap({ fromUs: 1, toUs: 2, reason: 'capture-restarted' });
    gop(outbox, captureOf('boot.1'), 0, { frames: 1 });
    uplink.pump();
    assert.deepEqual(
      server.heard.filter((word) => !word.startsWith('mapping')),
      [
        'tracks door:boot.0',
        'door:boot.0/1/0',
        'gap door:capture-restarted',
        'tracks door:boot.1',
        'door:boot.1/1/0',
      ],
    );
  });

  test('sends again what is not durable when the manager has lost it, behind a new announcement', () => {
    const outboxes = new Map(['door', 'gate'].map((camera) => [camera, new Outbox(roomy)]));
    const server = new Server();
    const uplink = new Uplink(server, outboxes);
    for (const [camera, outbox] of outboxes) {
      const capture = captureOf('boot.0', camera);
      for (const first of [0, 3, 6]) gop(outbox, capture, first);
    }
    uplink.pump();
    durable(uplink, 'boot.0', 4);
    const before = server.heard.length;
    assert.equal(resend(uplink), undefined);
    assert.deepEqual(server.heard.slice(before), [
      'tracks door:boot.0',
      'mapping door:7',
      ...[3, 4, 5, 6, 7, 8].map((sequence) => `door:boot.0/1/${sequence}`),
    ]);
    uplink.pump();
    assert.equal(server.heard.length, before + 8, 'once for each time that it is asked');
  });

  test('asked to send again in the middle of a full link, begins anew when that has drained', () => {
    const outbox = new Outbox(roomy);
    const server = new Server();
    const uplink = new Uplink(server, new Map([['door', outbox]]));
    gop(outbox, captureOf('boot.0'), 0, { frames: 6 });
    server.room = 4;
    uplink.pump();
    resend(uplink);
    assert.deepEqual(server.samples(), ['door:boot.0/1/0', 'door:boot.0/1/1']);
    server.room = 100;
    uplink.drained();
    assert.deepEqual(
      server.heard.slice(4),
      ['tracks door:boot.0', 'mapping door:7'].concat([0, 1, 2, 3, 4, 5].map((n) => `door:boot.0/1/${n}`)),
    );
  });

  test('says why a broken frame ends the link, and skips kinds it does not know', () => {
    const uplink = new Uplink(new Server(), new Map([['door', new Outbox(roomy)]]));
    assert.match(uplink.frame(frameKinds.durable, [Buffer.of(1)]) ?? '', /^durable: /);
    assert.match(uplink.frame(frameKinds.pacing, []) ?? '', /^pacing: /);
    assert.match(uplink.frame(frameKinds.resend, [Buffer.of(9)]) ?? '', /^resend: /);
    assert.equal(resend(uplink, 'nobody'), undefined);
    assert.equal(uplink.frame(9_999, [Buffer.of(1)]), undefined);
    assert.equal(durable(uplink, 'boot.0', 5, 'nobody'), undefined);
  });
});
