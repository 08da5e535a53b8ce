/** GDP streams of one capture into numbered samples: waiting for tracks, times, formats. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Result } from '../../firmware/base/result.ts';
import { CaptureStream, type StreamedSample } from '../../firmware/capture/capture-stream.ts';
import type { PipelinePlan } from '../../firmware/capture/pipeline-plan.ts';
import { audioReel, type Reel, videoReel } from '../support/scripted-capture.ts';

let video: Reel;
let audio: Reel;
before(async () => {
  [video, audio] = await Promise.all([videoReel(), audioReel()]);
});

function planOf(fields: Partial<PipelinePlan> = {}): PipelinePlan {
  const encoder = { name: 'x264enc', bitrateKbps: 500, frameRate: 30, keyframeFrames: 30 } as const;
  const sinks = ['video', 'audio'] as const;
  return {
    launch: '',
    properties: [],
    sinks,
    live: false,
    audioPrimingUs: 0,
    startMs: 5_000,
    encoder,
    ...fields,
  };
}

function streamOf(fields: Partial<PipelinePlan> = {}): CaptureStream {
  return new CaptureStream(planOf(fields), 'door', 'boot.0');
}

function valueOf(result: Result<StreamedSample[]>): StreamedSample[] {
  assert(result.ok, result.ok ? '' : result.reason);
  return result.value;
}

const words = (samples: readonly StreamedSample[]): string[] =>
  samples.map(({ trackId, sample }) => `${trackId}/${sample.sequence}`);

const at = (reel: Reel, place: number): Buffer => reel.buffers[place] ?? Buffer.alloc(0);

describe('a capture stream', () => {
  test('keeps the first samples until every track is known, and gives them all, in order', () => {
    const stream = streamOf();
    assert.deepEqual(
      valueOf(stream.push('video', Buffer.concat([video.head, at(video, 0), at(video, 1)]), 0)),
      [],
    );
    const samples = valueOf(stream.push('audio', Buffer.concat([audio.head, at(audio, 0)]), 10_000));
    assert.deepEqual(words(samples), ['1/0', '1/1', '2/0']);
    assert.deepEqual(
      samples[0]?.capture.tracks.map(({ kind, camera }) => [kind, camera]),
      [
        ['video', 'door'],
        ['audio', 'door'],
      ],
    );
    assert.deepEqual(words(valueOf(stream.push('video', at(video, 2), 20_000))), ['1/2']);
  });

  test('leaves sound out that never says what it is', () => {
    const stream = streamOf();
    valueOf(stream.push('video', Buffer.concat([video.head, at(video, 0)]), 0));
    assert.deepEqual(valueOf(stream.push('video', at(video, 1), 1_499_999)), []);
    const samples = valueOf(stream.push('video', at(video, 2), 1_500_000));
    assert.deepEqual(words(samples), ['1/0', '1/1', '1/2']);
    assert.equal(samples[0]?.capture.tracks.length, 1);
    const late = stream.push('audio', Buffer.concat([audio.head, at(audio, 0)]), 1_600_000);
    assert.deepEqual(valueOf(late), [], 'it would have no track in the file');
  });

  test('never goes on without its picture, however late that is, and holds a bounded stretch of sound', () => {
    const stream = streamOf();
    valueOf(stream.push('audio', audio.head, 0));
    for (let round = 0; round < 100; round++) {
      for (const buffer of audio.buffers)
        assert.deepEqual(valueOf(stream.push('audio', buffer, round * 1_000_000)), []);
    }
    const samples = valueOf(stream.push('video', Buffer.concat([video.head, at(video, 0)]), 100_000_000));
    assert.equal(samples.length, 513);
    assert.deepEqual(words(samples).slice(-2), ['2/511', '1/0']);
    assert.equal(samples.at(-1)?.capture.tracks.length, 2);
  });

  test('puts a live pipeline’s running time on the clock on which it began to play', () => {
    const stream = streamOf({ sinks: ['video'], live: true });
    stream.playing(7_000_000, 7_000_400);
    const [first] = valueOf(stream.push('video', Buffer.concat([video.head, at(video, 0)]), 9_000_000));
    assert.equal(first?.sample.ptsUs, 7_000_200);
    assert.equal(stream.baseUncertaintyUs, 1_200);
    stream.playing(8_000_000, 8_000_000);
    const [second] = valueOf(stream.push('video', at(video, 1), 9_000_000));
    assert((second?.sample.ptsUs ?? 0) - 7_000_200 < 50_000, 'the base is fixed');
  });

  test('puts a file’s running time on the clock at which its first sample came out', () => {
    const stream = streamOf({ sinks: ['video'] });
    stream.playing(1, 2);
    const [first] = valueOf(stream.push('video', Buffer.concat([video.head, at(video, 0)]), 9_000_000.7));
    assert.equal(first?.sample.ptsUs, 9_000_001);
    const [second] = valueOf(stream.push('video', at(video, 1), 77_000_000));
    assert.equal(second?.sample.ptsUs, 9_000_001 + 33_333);
  });

  test('takes the encoder’s priming off the sound', () => {
    const stream = streamOf({ sinks: ['audio'], audioPrimingUs: 21_333 });
    const [first] = valueOf(stream.push('audio', Buffer.concat([audio.head, at(audio, 0)]), 5_000_000));
    assert.equal(first?.sample.ptsUs, 5_000_000 - 21_333);
    assert(first?.sample.keyframe);
  });

  test('cuts times that claim to be longer than what travels', () => {
    const stream = streamOf({ sinks: ['video'] });
    const endless = Buffer.from(at(video, 0));
    // Duration and, by way of the decode time, composition offset; the CRC is not demanded without its flag.
    endless.writeUInt8(0, 2);
    endless.writeBigUInt64BE(2n ** 62n, 18);
    endless.writeBigUInt64BE(endless.readBigUInt64BE(10) + 10n ** 16n, 10);
    const [first] = valueOf(stream.push('video', Buffer.concat([video.head, endless]), 0));
    assert.equal(first?.sample.durationUs, 0xffff_ffff);
    assert.equal(first?.sample.compositionUs, 0xffff_ffff);
  });

  test('refuses a stream that changes its format, and takes one that repeats it', () => {
    const stream = streamOf({ sinks: ['video'] });
    valueOf(stream.push('video', Buffer.concat([video.head, at(video, 0)]), 0));
    assert.deepEqual(words(valueOf(stream.push('video', Buffer.concat([video.head, at(video, 1)]), 0))), [
      '1/1',
    ]);
    const other = Buffer.from(video.head);
    const data = other.indexOf('codec_data=(buffer)01') + 'codec_data=(buffer)01'.length;
    // The profile, in hexadecimal; the payload has no checksum unless it says so.
    other.write(other.subarray(data, data + 2).toString() === '42' ? '4d' : '42', data);
    assert.deepEqual(stream.push('video', other, 0), { ok: false, reason: 'the stream changed its format' });
  });

  test('ignores a sink that was not planned', () => {
    assert.deepEqual(valueOf(streamOf({ sinks: ['video'] }).push('audio', Buffer.from('anything'), 0)), []);
  });
});
