/** Where the pictures of a camera come from, and on which board, as `unit.yaml` says it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';

const names = 'unit: cam-1\nrole: camera\nsite: { name: demo }\n';

/** The lines of the failure that `text` meets. */
function problemsOf(text: string): string[] {
  try {
    parseUnitConfig(text, '/etc/starling');
  } catch (error) {
    assert(error instanceof Failure && error.code === 'CONFIG_INVALID', String(error));
    return error.message.split('\n');
  }
  return assert.fail('the text was accepted');
}

test('an IP camera, its password in a file beside unit.yaml, a camera on the board with a microphone, and a board', () => {
  const cameras =
    '[{ id: gate, source: "rtsp://10.0.0.5/live", rtsp: { user: admin, passwordFile: gate.password, verify: false } },' +
    ' { id: yard, source: csi, microphone: "plughw:CARD=Device" }]';
  const config = parseUnitConfig(
    `${names}board: raspberry-pi-5\ncamera: { cameras: ${cameras} }\n`,
    '/etc/starling',
  );
  assert.ok(config.role === 'camera');
  assert.equal(config.board, 'raspberry-pi-5');
  const [gate, yard] = config.camera.cameras;
  assert.deepEqual(gate?.rtsp, {
    user: 'admin',
    passwordFile: '/etc/starling/gate.password',
    transport: 'tcp',
    latencyMs: 200,
    verify: false,
  });
  assert.deepEqual([yard?.source, yard?.microphone], [{ kind: 'csi' }, 'plughw:CARD=Device']);
});

test('what an IP camera cannot have is refused, and no password is repeated', () => {
  const text = (camera: string): string => `${names}camera: { cameras: [${camera}] }\n`;
  assert.deepStrictEqual(
    problemsOf(text('{ id: a, source: "rtsp://x/", mount: { kind: digital }, rtsp: { password: hunter2 } }')),
    ['camera.cameras[0].rtsp.password: put it into a file and name that in passwordFile'],
  );
  assert.deepStrictEqual(
    problemsOf(text('{ id: a, source: "rtsp://u:hunter2@x/", mount: { kind: digital } }')),
    [
      'camera.cameras[0].mount.kind: expected a mount that turns the camera: pictures of an rtsp source come as they are, got "digital"',
    ],
  );
  assert.deepStrictEqual(problemsOf(text('{ id: a, source: test, rtsp: { transport: udp } }')), [
    'camera.cameras[0].rtsp: expected a source rtsp://…, since there are settings of it, got named settings',
  ]);
  const [line = ''] = problemsOf(text('{ id: a, source: "rtsp://u:hunter2@x y/" }'));
  assert.match(line, /source: expected rtsp:\/\/HOST.* got "rtsp:\/\/\*\*\*@x y\/"/);
});
