import assert from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSourceSpec, parseSourceSpec } from '../../firmware/config/source-spec.ts';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';

const good: [text: string, spec: object][] = [
  ['test', { kind: 'test' }],
  ['/dev/video0', { kind: 'v4l2', device: '/dev/video0' }],
  ['/dev/video31', { kind: 'v4l2', device: '/dev/video31' }],
  ['file:clip', { kind: 'file', path: 'clip' }],
  ['file:/srv/my clip.mp4', { kind: 'file', path: '/srv/my clip.mp4' }],
  ['loops/yard.MP4', { kind: 'file', path: 'loops/yard.MP4' }],
  ['test.mkv', { kind: 'file', path: 'test.mkv' }],
  ['csi', { kind: 'csi' }],
  ['csi:/base/soc/i2c0mux/i2c@1/imx708@1a', { kind: 'csi', camera: '/base/soc/i2c0mux/i2c@1/imx708@1a' }],
  ['rtsp://10.0.0.5/stream.mp4', { kind: 'rtsp', url: 'rtsp://10.0.0.5/stream.mp4' }],
  ['rtsp://cam.local:8554/a/b?c=1&d=2', { kind: 'rtsp', url: 'rtsp://cam.local:8554/a/b?c=1&d=2' }],
  ['rtsps://[fd00::5]:322/', { kind: 'rtsp', url: 'rtsps://[fd00::5]:322/' }],
];

for (const [text, spec] of good) {
  test(`${text} is a source, and its formatted text means the same`, () => {
    const parsed = parseSourceSpec(text);
    assert.deepStrictEqual(parsed, { ok: true, value: spec });
    assert.deepStrictEqual(parsed.ok && parseSourceSpec(formatSourceSpec(parsed.value)), parsed);
  });
}

const withCredentials: [text: string, user: string, password: string | undefined][] = [
  ['rtsp://admin:secret@10.0.0.5/live', 'admin', 'secret'],
  ['rtsp://admin@10.0.0.5/live', 'admin', undefined],
  ['rtsp://admin:@10.0.0.5/live', 'admin', ''],
  ['rtsp://admin:p%40ss%2Fw%3Ard!"@10.0.0.5/live', 'admin', 'p@ss/w:rd!"'],
  ['rtsp://admin:a@b@10.0.0.5/live', 'admin', 'a@b'],
  ["RTSP://Admin:it's:me@10.0.0.5/live", 'Admin', "it's:me"],
];

for (const [text, user, password] of withCredentials) {
  test(`${text}: user and password are taken out, and never printed`, () => {
    const parsed = parseSourceSpec(text);
    const credentials = password === undefined ? { user } : { user, password };
    assert.deepStrictEqual(parsed, {
      ok: true,
      value: { kind: 'rtsp', url: 'rtsp://10.0.0.5/live', ...credentials },
    });
    assert.equal(parsed.ok && formatSourceSpec(parsed.value), 'rtsp://10.0.0.5/live');
  });
}

test('whatever a password is, it is in no text about the source', () => {
  const secret = fc.string({ unit: 'binary', minLength: 3, maxLength: 30 }).map((text) => `§${text}§`);
  fc.assert(
    fc.property(secret, fc.constantFrom('10.0.0.5', '10.0.0.5:99999', 'a b', '[::1'), (password, host) => {
      const document = `camera: {cameras: [{id: a, source: ${JSON.stringify(`rtsp://user:${password}@${host}/x`)}}]}`;
      const parsed = parseSourceSpec(`rtsp://user:${password}@${host}/x`);
      const told = parsed.ok ? formatSourceSpec(parsed.value) : parsed.reason;
      assert(!told.includes(password), told);
      assert.throws(
        () => parseUnitConfig(document, '/etc/starling'),
        (thrown: unknown) => thrown instanceof Error && !thrown.message.includes(password),
      );
    }),
  );
});

const bad: [text: string, reason: RegExp][] = [
  ['', /expected test, /],
  ['Test', /expected test, /],
  ['/dev/video', /expected test, /],
  ['/dev/video00', /expected test, /],
  ['/dev/video1234', /expected test, /],
  ['/dev/sda', /expected test, /],
  ['rtsp:10.0.0.5', /expected rtsp:\/\/HOST/],
  ['rtsp://', /expected rtsp:\/\/HOST/],
  ['rtsp:///path', /expected rtsp:\/\/HOST/],
  ['rtsp://10.0.0.5:0/', /expected rtsp:\/\/HOST/],
  ['rtsp://10.0.0.5:99999/', /expected rtsp:\/\/HOST/],
  ['rtsp://10.0.0.500/', /expected rtsp:\/\/HOST/],
  ['rtsp://10.0.0.5/a b', /expected rtsp:\/\/HOST/],
  ['rtsp://10.0.0.5/a"b', /expected rtsp:\/\/HOST/],
  ['rtsp://10.0.0.5/a#b', /expected rtsp:\/\/HOST/],
  ['rtsp://:secret@10.0.0.5/', /expected USER:PASSWORD/],
  ['rtsp://a:100%@10.0.0.5/', /percent-encoded/],
  ['csi:0', /libcamera/],
  ['csi:/base/imx 219', /libcamera/],
  ['http://10.0.0.5/stream', /expected test, /],
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
    fc.string().map((text) => `rtsp://${text}`),
    fc.string().map((text) => `csi:/base/${text}`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseSourceSpec(text);
      if (parsed.ok) assert.doesNotMatch(formatSourceSpec(parsed.value), /[\p{Cc}"'`\\!]/u);
    }),
  );
});
