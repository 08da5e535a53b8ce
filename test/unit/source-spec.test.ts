import assert from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSourceSpec, parseSourceSpec } from '../../firmware/config/source-spec.ts';

const good: [text: string, spec: object][] = [
  ['test', { kind: 'test' }],
  ['/dev/video0', { kind: 'v4l2', device: '/dev/video0' }],
  ['/dev/video31', { kind: 'v4l2', device: '/dev/video31' }],
  ['file:clip', { kind: 'file', path: 'clip' }],
  ['file:/srv/my clip.mp4', { kind: 'file', path: '/srv/my clip.mp4' }],
  ['loops/yard.MP4', { kind: 'file', path: 'loops/yard.MP4' }],
  ['test.mkv', { kind: 'file', path: 'test.mkv' }],
];

for (const [text, spec] of good) {
  test(`${text} is a source, and its formatted text means the same`, () => {
    const parsed = parseSourceSpec(text);
    assert.deepStrictEqual(parsed, { ok: true, value: spec });
    assert.deepStrictEqual(parsed.ok && parseSourceSpec(formatSourceSpec(parsed.value)), parsed);
  });
}

const bad: [text: string, reason: RegExp][] = [
  ['', /expected test, /],
  ['Test', /expected test, /],
  ['/dev/video', /expected test, /],
  ['/dev/video00', /expected test, /],
  ['/dev/video1234', /expected test, /],
  ['/dev/sda', /expected test, /],
  ['rtsp://10.0.0.5/stream.mp4', /expected test, /],
  ['file:', /path of a file/],
  ['file:/srv/', /path of a file/],
  ['file://srv/clip.mp4', /not a URL/],
  ['clip.mp4 ! filesink', /not pipeline text: !/],
  ['file:a"b', /not pipeline text: "/],
  ["file:a'b", /not pipeline text: '/],
  ['file:a`b', /not pipeline text: `/],
  ['file:a\\b', /not pipeline text: \\/],
  ['file:a\nb', /control characters/],
  ['test\0', /control characters/],
  ['file:a\u2028b', /control characters/],
  ['file:a\ud800b', /control characters/],
  [' test', /space/],
  [`file:${'a'.repeat(2000)}`, /at most 1024/],
];

for (const [text, reason] of bad) {
  test(`${JSON.stringify(text.slice(0, 40))} is refused with a reason`, () => {
    const parsed = parseSourceSpec(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.reason, reason);
  });
}

test('no text whatever throws, and no accepted source holds a quote, a control character or a pipeline mark', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `file:${text}`),
    fc.string().map((text) => `${text}.mp4`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseSourceSpec(text);
      if (parsed.ok) assert.doesNotMatch(formatSourceSpec(parsed.value), /[\p{Cc}"'`\\!]/u);
    }),
  );
});
