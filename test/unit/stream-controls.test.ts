/** What a manager may change of a unit's streams, what is kept of it, and the server's end of it. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { parseUnitConfig } from '../../firmware/config/unit-config.ts';
import { beginIncarnation } from '../../firmware/io/state-file.ts';
import { readRecorded, readStream, writeRecorded, writeStream } from '../../firmware/io/stream-state.ts';
import {
  type StreamChange,
  type StreamSettings,
  streamBounds,
} from '../../firmware/media/stream-settings.ts';
import type { PacketBody } from '../../firmware/overlay/packets.ts';
import { CameraControls } from '../../firmware/roles/camera-controls.ts';
import { StreamControls } from '../../firmware/roles/stream-controls.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

type Control = PacketBody<'cam-control'>;

const configured: StreamSettings = { bitrateKbps: 2_000, frameRate: 25, keyframeIntervalMs: 1_000 };
const none = { bitrateKbps: undefined, frameRate: undefined, keyframeIntervalMs: undefined };
const idle: Control = {
  request: 5,
  reply: false,
  camera: 'door',
  panMilli: undefined,
  tiltMilli: undefined,
  zoom: undefined,
  framesPerSecond: undefined,
  refusal: '',
  stream: undefined,
};

function wanting(change: StreamChange, reset = false): Control {
  return { ...idle, stream: { ...none, ...change, reset, restarted: false } };
}

/** A unit with one camera that must be restarted for more than 25 pictures. */
function unit() {
  let stream = configured;
  const kept: StreamChange[] = [];
  const capture = {
    get stream() {
      return stream;
    },
    setStream(next: StreamSettings) {
      stream = next;
      return { restarted: next.frameRate > 25 };
    },
  };
  let refuses = false;
  const controls = new StreamControls(
    new Map([['door', { configured, overrides: {}, capture }]]),
    (_, change) => {
      if (refuses) throw new Failure('FILE_IO', 'full', { advice: '' });
      kept.push(change);
    },
  );
  const refuse = (): void => {
    refuses = true;
  };
  return { controls, kept, refuse };
}

describe('a camera unit', () => {
  test('does what its manager wants of a stream, keeps it, and answers with all that is in force', () => {
    const { controls, kept } = unit();
    const reply = controls.control(wanting({ bitrateKbps: 500 }));
    const inForce = { ...configured, bitrateKbps: 500 };
    assert.deepEqual(reply, { ...idle, reply: true, stream: { ...inForce, reset: false, restarted: false } });
    const more = controls.control(wanting({ frameRate: 50 }));
    assert.deepEqual(more.stream, { ...inForce, frameRate: 50, reset: false, restarted: true });
    assert.deepEqual(kept, [{ bitrateKbps: 500 }, { bitrateKbps: 500, frameRate: 50 }]);
  });

  test('goes back to its settings when it is told, before it changes others', () => {
    const { controls, kept } = unit();
    controls.control(wanting({ bitrateKbps: 500, frameRate: 10 }));
    assert.equal(controls.control(wanting({}, true)).stream?.bitrateKbps, 2_000);
    controls.control(wanting({ bitrateKbps: 500 }));
    const { stream } = controls.control(wanting({ frameRate: 5 }, true));
    assert.deepEqual([stream?.bitrateKbps, stream?.frameRate], [2_000, 5]);
    assert.deepEqual(kept.at(-1), { frameRate: 5 });
  });

  test('asked for nothing, says what is in force and writes nothing', () => {
    const { controls, kept } = unit();
    assert.equal(controls.control(idle).stream?.frameRate, 25);
    assert.equal(controls.control(wanting({})).stream?.frameRate, 25);
    assert.deepEqual(kept, []);
  });

  test('takes the frames per second of a plain command for the same', () => {
    assert.equal(unit().controls.control({ ...idle, framesPerSecond: 5 }).stream?.frameRate, 5);
  });

  test('refuses what is out of bounds as a whole, other cameras, and what it cannot keep', () => {
    const { controls, kept, refuse } = unit();
    for (const [body, refusal] of [
      [wanting({ bitrateKbps: 500, frameRate: 61 }), 'frameRate: expected 1..60, got 61'],
      [wanting({ keyframeIntervalMs: 0 }), 'keyframeIntervalMs: expected 250..10000, got 0'],
      [wanting({ bitrateKbps: 0xffff_ffff }), 'bitrateKbps: expected 64..20000, got 4294967295'],
      [{ ...idle, camera: 'gate' }, 'this unit has no such camera'],
    ] as const)
      assert.deepEqual([controls.control(body).refusal, controls.control(body).reply], [refusal, true]);
    assert.deepEqual(kept, []);
    refuse();
    assert.match(controls.control(wanting({ frameRate: 5 })).refusal, /disk refuses/);
    assert.equal(controls.control(idle).stream?.frameRate, 25);
  });
});

test('a stream has the same bounds at run time as in unit.yaml', () => {
  const accepts = (name: string, value: number): boolean => {
    const text = `{ unit: u, role: camera, site: { name: s }, camera: { cameras: [{ id: c, ${name}: ${value} }] } }`;
    try {
      parseUnitConfig(text, '/');
      return true;
    } catch {
      return false;
    }
  };
  for (const [name, [min, max]] of Object.entries(streamBounds)) {
    assert.deepEqual(
      [min - 1, min, max, max + 1].map((value) => accepts(name, value)),
      [false, true, true, false],
      name,
    );
  }
});

describe('what a camera unit keeps', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'starling-stream-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('of its streams is there after a restart, for each camera, until it is reset', () => {
    writeStream(folder, 'door', { bitrateKbps: 500, frameRate: 5 });
    writeStream(folder, 'gate', { frameRate: 7 });
    assert.deepEqual(beginIncarnation(folder), { incarnation: 1, epoch: 0 });
    assert.deepEqual(readStream(folder, 'door'), { ...none, bitrateKbps: 500, frameRate: 5 });
    writeStream(folder, 'door', { frameRate: 6 });
    assert.deepEqual(readStream(folder, 'door'), { ...none, frameRate: 6 });
    writeStream(folder, 'door', {});
    assert.deepEqual([readStream(folder, 'door'), readStream(folder, 'gate').frameRate], [none, 7]);
    assert.equal(beginIncarnation(folder).incarnation, 2);
  });

  test('is not believed where it cannot be', async () => {
    await writeFile(
      join(folder, 'state.json'),
      '{"stream/door/frameRate":4000,"stream/door/bitrateKbps":500}',
    );
    assert.deepEqual(readStream(folder, 'door'), {});
  });

  test('of how far it is recorded is one block, written over, and nothing when it is damaged', async () => {
    writeRecorded(join(folder, 'absent'), new Map([['door', 1]]));
    assert.deepEqual(readRecorded(folder), new Map());
    writeRecorded(
      folder,
      new Map([
        ['door', 1_795_348_800_000_000],
        ['gate', 2],
      ]),
    );
    writeRecorded(folder, new Map([['door', 1_795_348_801_000_000]]));
    assert.deepEqual(readRecorded(folder), new Map([['door', 1_795_348_801_000_000]]));
    const path = join(folder, 'recorded.json');
    assert.equal((await readFile(path)).length, 4_096);
    for (const text of ['', '{', 'null', '[1]', '{"door":"x","gate":-1,"yard":1.5,"hall":1e300}']) {
      await writeFile(path, text);
      assert.equal([...readRecorded(folder).values()].filter((value) => value !== 1).length, 0, text);
    }
  });
});

describe('a server that tells a camera', () => {
  function server() {
    const clock = new VirtualClock();
    const sent: Control[] = [];
    const controls = new CameraControls({ clock, send: (body) => sent.push(body) });
    return { clock, sent, controls };
  }
  const last = (sent: readonly Control[]): Control => sent.at(-1) ?? assert.fail('nothing was sent');

  test('gives its reply back, each to the one who asked', async () => {
    const { sent, controls, clock } = server();
    const first = controls.stream('door', { reset: false });
    const second = controls.stream('gate', { frameRate: 5, reset: false });
    assert.deepEqual(sent[1], { ...wanting({ frameRate: 5 }), camera: 'gate', request: 2 });
    const inForce = { ...configured, reset: false, restarted: true };
    controls.controlled({ ...last(sent), reply: true, stream: inForce });
    controls.controlled({ ...(sent[0] as Control), reply: true, refusal: 's1 does not manage door' });
    assert.deepEqual(await first, { refusal: 's1 does not manage door' });
    assert.deepEqual(await second, { ...configured, restarted: true });
    assert.equal(clock.pending, 0);
  });

  test('does not wait for ever, nor for too many, and takes an old camera’s word for a refusal', async () => {
    const { sent, controls, clock } = server();
    const late = assert.rejects(controls.stream('door', { reset: false }), /door does not answer/);
    clock.advance(4_000);
    await late;
    controls.controlled({ ...last(sent), reply: true });
    const old = controls.stream('door', { frameRate: 5, reset: false });
    controls.controlled({ ...last(sent), reply: true, stream: undefined });
    assert.deepEqual(await old, { refusal: 'door cannot change how it streams' });
    const many = Array.from({ length: 65 }, () => controls.stream('door', { reset: false }));
    const settled = Promise.allSettled(many);
    clock.advance(4_000);
    const reasons = (await settled).map((one) => (one.status === 'rejected' ? String(one.reason) : ''));
    assert.equal(reasons.filter((reason) => reason.includes('too many')).length, 1);
  });
});
