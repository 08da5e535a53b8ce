// Nothing secret leaves in a support archive, and the archive is a tar.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { secretsOf } from '../../firmware/cli/console/support-bundle.ts';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';
import { statusText, wrap } from '../../firmware/console/console-text.ts';
import { isSecretFile, redact, redactData } from '../../firmware/console/redaction.ts';
import { tarArchive } from '../../firmware/console/tar-archive.ts';

const secret = fc
  .stringMatching(/^[A-Za-z0-9_.!-]{8,40}$/)
  .filter((text) => /\d/.test(text) && /[a-z]/.test(text));

describe('redaction', () => {
  test('settings for programs lose the secrets of their addresses, and nothing else', () => {
    const cameras = (source: string): unknown => ({
      cameras: [{ id: 'gate', source, frameRate: 12, audio: false }, null],
    });
    assert.deepEqual(
      redactData(cameras('rtsp://admin:s3cret@10.0.0.9/live')),
      cameras('rtsp://[redacted]@10.0.0.9/live'),
    );
    assert.deepEqual(redactData(cameras('/dev/video0')), cameras('/dev/video0'));
    assert.deepEqual(redactData({ user: 'admin', password: 's3cret', passwordFile: 'gate.password' }), {
      user: 'admin',
      password: '[redacted]',
      passwordFile: 'gate.password',
    });
  });

  test('what people and programs write down as secrets goes, what is around it stays', () => {
    const cases: readonly [string, string][] = [
      ['password: hunter22 # of the broker', 'password: [redacted] # of the broker'],
      ['  "psk": "my wifi pass",', '  "psk": [redacted],'],
      ['rtsp://admin:s3cret@10.0.0.9/stream', 'rtsp://[redacted]@10.0.0.9/stream'],
      [
        'mqtt connect to mqtts://u:p:w@broker:8883 failed',
        'mqtt connect to mqtts://[redacted]@broker:8883 failed',
      ],
      ['rtsp://admin:p@ss:w@rd@10.0.0.9/stream', 'rtsp://[redacted]@10.0.0.9/stream'],
      ['https://host/a@b stays', 'https://host/a@b stays'],
      ['authorization: Bearer abc.def-ghi', 'authorization: [redacted]'],
      ['GET /live?camera=1&sig=AbCd12 200', 'GET /live?camera=1&sig=[redacted] 200'],
      ['key starling_local_AbC-123_x used', 'key [redacted] used'],
      ['scrypt:14:c2FsdA==:aGFzaA==', '[redacted]'],
      ['passwordFile: /etc/starling/mqtt.pw', 'passwordFile: /etc/starling/mqtt.pw'],
      ['managed by ss-1, epoch 4', 'managed by ss-1, epoch 4'],
      ['monkey: banana, keyframeIntervalMs: 1000', 'monkey: banana, keyframeIntervalMs: 1000'],
    ];
    for (const [text, clean] of cases) assert.equal(redact(text), clean);
  });

  test('private keys go, also one whose end was cut off', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\nByqGSM49\n';
    assert.equal(redact(`a\n${key}-----END PRIVATE KEY-----\nb`), 'a\n[redacted]\nb');
    assert.equal(redact(`a\n${key}`), 'a\n[redacted]');
  });

  test('the passwords that settings name by file are known, however short', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'starling-bundle-'));
    const path = join(folder, 'unit.yaml');
    writeFileSync(join(folder, 'door.pw'), 'tiger7\n');
    writeFileSync(
      path,
      `{ unit: u, role: camera, site: { name: s }, camera: { cameras: [{ id: door, source: "rtsp://10.0.0.9/1",
         rtsp: { user: admin, passwordFile: door.pw } }] } }`,
    );
    const secrets = await secretsOf(parseUnitConfig(readFileSync(path, 'utf8'), folder), path);
    rmSync(folder, { recursive: true });
    assert.equal(redact('it sent tiger7 to door', secrets), 'it sent [redacted] to door');
  });

  test('a secret that is known is nowhere in the text, in no form', () => {
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (word, before, after) => {
        const bytes = Buffer.from(word);
        for (const form of [word, bytes.toString('base64'), bytes.toString('hex'), encodeURIComponent(word)])
          assert.ok(!redact(`${before}${form}${after}`, [word]).includes(form), form);
      }),
    );
  });

  test('a secret behind a telling name goes, whatever it is', () => {
    const name = fc.constantFrom('password', 'psk', 'wifi_passphrase', 'apiToken', 'client-secret', 'PASSWD');
    fc.assert(
      fc.property(name, secret, fc.constantFrom(': ', '=', ' = ', '":"'), (key, word, between) => {
        assert.ok(!redact(`x ${key}${between}${word} y`).includes(word), `${key}${between}${word}`);
      }),
    );
  });

  test('files of secrets are known by their names', () => {
    for (const name of [
      '/etc/starling/unit.key',
      'seal.key',
      'console.pin',
      'first-admin.yaml',
      '/etc/shadow',
      'home.nmconnection',
    ])
      assert.equal(isSecretFile(name), true, name);
    for (const name of ['unit.yaml', 'unit.crt', 'ca.crt', 'keys.txt'])
      assert.equal(isSecretFile(name), false, name);
  });
});

test('tar reads the archive', () => {
  const files = [
    { name: 'a/one.txt', content: Buffer.from('one\n') },
    { name: 'a/empty', content: Buffer.alloc(0) },
    { name: 'a/block', content: Buffer.alloc(512, 120) },
    { name: 'a/more', content: Buffer.alloc(700, 121) },
  ];
  const input = tarArchive(files, Date.parse('2026-11-22T12:00:00Z'));
  const listed = execFileSync('tar', ['tvf', '-', '--utc'], { input, encoding: 'utf8' });
  assert.match(listed, /root\/root +4 2026-11-22 12:00 a\/one\.txt/);
  assert.equal(listed.trim().split('\n').length, 4);
  assert.equal(execFileSync('tar', ['xOf', '-', 'a/more'], { input, encoding: 'utf8' }), 'y'.repeat(700));
});

test('status is one screen of 79 columns, the faults first, each with its next step', () => {
  const checks = [
    { name: 'link', level: 'OK' as const, text: 'eth0 10.0.0.7/24' },
    {
      name: 'camera cam-1',
      level: 'FAIL' as const,
      text: `no frame for 12 s ${'and so on '.repeat(12)}`,
      next: 'look at the cable',
    },
    { name: 'time', level: 'WARN' as const, text: 'nobody has told it – yet', next: 'wait' },
  ];
  const text = statusText({
    unit: 'cam-1',
    role: 'camera',
    version: '1',
    uptimeSeconds: 60,
    utc: 'now',
    level: 'FAIL',
    checks,
  });
  const lines = text.split('\n');
  assert.ok(
    lines.every((line) => line.length <= 79),
    text,
  );
  assert.match(text, /^[\x20-\x7e\n]*$/);
  const order = lines
    .map((line) => /^(FAIL|WARN|OK) /.exec(line)?.[1])
    .filter((level) => level !== undefined);
  assert.deepEqual(order, ['FAIL', 'WARN', 'OK']);
  assert.match(text, /-> look at the cable/);
  assert.match(text, /FAIL: 2 of 3 need attention$/);
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.integer({ min: 5, max: 60 }), (words, width) => {
      assert.ok(
        wrap(words, width).every((line) => line.length <= width),
        'wrapped',
      );
    }),
  );
});
