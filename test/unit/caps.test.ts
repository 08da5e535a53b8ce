/** Caps of GStreamer into track formats; what cannot be recorded is refused with its reason. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCaps } from '../../firmware/media/caps.ts';

const avcC = '01640014ffe1001d67640014acb20283f602d418181a94000003000400000300f23c50a92001000568ebccb22c';
const video =
  `video/x-h264, codec_data=(buffer)${avcC}, stream-format=(string)avc, alignment=(string)au, level=(string)2,` +
  ' profile=(string)high, width=(int)320, height=(int)240, pixel-aspect-ratio=(fraction)1/1,' +
  ' framerate=(fraction)30/1, multiview-flags=(GstVideoMultiviewFlagsSet)0:ffffffff:/right-view-first/mixed-mono,' +
  ' chroma-format=(string)4:2:0, parsed=(boolean)true';
const audio =
  'audio/mpeg, channels=(int)1, rate=(int)48000, mpegversion=(int)4, base-profile=(string)lc,' +
  ' stream-format=(string)raw, level=(string)2, profile=(string)lc, codec_data=(buffer)118856e500,' +
  ' framed=(boolean)true';

function reasonOf(text: string): string {
  const result = parseCaps(text);
  assert(!result.ok, 'expected a refusal');
  return result.reason;
}

/** The caps with one piece replaced; fails when the piece is not there. */
function changed(text: string, from: string, to: string): string {
  assert(text.includes(from));
  return text.replace(from, to);
}

test('H.264 caps become a format with the avcC as it is', () => {
  assert.deepEqual(parseCaps(video), {
    ok: true,
    value: {
      codec: 'h264',
      config: Buffer.from(avcC, 'hex'),
      width: 320,
      height: 240,
      sampleRate: 0,
      channels: 0,
    },
  });
});

test('AAC caps become a format with the AudioSpecificConfig as it is', () => {
  const config = Buffer.from('118856e500', 'hex');
  assert.deepEqual(parseCaps(audio), {
    ok: true,
    value: { codec: 'aac', config, width: 0, height: 0, sampleRate: 48000, channels: 1 },
  });
});

test('a field inside a quoted string is not mistaken for one of the stream', () => {
  const title = ' title=(string)"a\\", width=(int)9, b"';
  for (const quoted of [changed(video, ' level=', `${title}, level=`), `${video},${title}`]) {
    assert.deepEqual(parseCaps(quoted), parseCaps(video));
  }
});

test('other media and other packings are refused by name', () => {
  assert.match(reasonOf('video/x-vp8, width=(int)320'), /video\/x-vp8/);
  assert.match(reasonOf(''), /no media type/);
  assert.match(reasonOf(changed(video, '(string)avc', '(string)byte-stream')), /byte-stream, not avc/);
  assert.match(reasonOf(changed(video, '(string)au', '(string)nal')), /nal, not au/);
  assert.match(reasonOf(changed(audio, '(string)raw', '(string)adts')), /adts, not raw/);
  assert.match(reasonOf(changed(audio, 'mpegversion=(int)4', 'mpegversion=(int)1')), /version 1/);
});

test('caps without configuration or size are refused', () => {
  assert.match(reasonOf(changed(video, `codec_data=(buffer)${avcC}, `, '')), /without codec_data/);
  assert.match(reasonOf(changed(video, avcC, `${avcC}f`)), /without codec_data/);
  assert.match(reasonOf(changed(video, 'width=(int)320', 'width=(int)[ 1, 320 ]')), /picture size/);
  assert.match(reasonOf(changed(video, 'height=(int)240', 'height=(int)0')), /picture size/);
  assert.match(reasonOf(changed(audio, 'rate=(int)48000, ', '')), /rate or channels/);
});

test('a configuration that no decoder would take is refused', () => {
  assert.match(reasonOf(changed(video, avcC, `02${avcC.slice(2)}`)), /version 1/);
  assert.match(reasonOf(changed(video, 'ffe1', 'fee1')), /4-byte lengths/);
  assert.match(reasonOf(changed(video, 'ffe1', 'ffe0')), /without SPS/);
  assert.match(reasonOf(changed(video, '001d67', '001d68')), /no SPS/);
  assert.match(reasonOf(changed(video, '01000568', '00000568')), /without PPS/);
  for (let length = 2; length < avcC.length; length += 2) {
    const cut = changed(video, avcC, avcC.slice(0, length));
    assert(!parseCaps(cut).ok, `avcC of ${length / 2} bytes`);
  }
  assert.match(reasonOf(changed(audio, '1188', '2988')), /object type 5/);
  assert.match(reasonOf(changed(audio, '1188', '1208')), /48000 Hz/);
  assert.match(reasonOf(changed(audio, '1188', '1190')), /1 channels/);
  assert.match(reasonOf(changed(audio, '118856e500', '11')), /too short/);
});

test('no text throws', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(video.length), (noise, at) => {
      parseCaps(noise);
      parseCaps(video.slice(0, at) + noise + video.slice(at));
    }),
    { numRuns: 1000 },
  );
});
