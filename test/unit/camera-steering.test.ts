/** A camera unit's mounts and the server that manages it, with the packets between them as bytes. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import type { MountConfig } from '../../firmware/config/mount-section.ts';
import { readSteering, writeSteering } from '../../firmware/io/steering-state.ts';
import { decodePacketBody, encodePacketBody, packetNumber } from '../../firmware/overlay/packet-codec.ts';
import { type Packet, type PacketBody, protocolVersion } from '../../firmware/overlay/packets.ts';
import { presetsPerCameraMax } from '../../firmware/overlay/steer-packet.ts';
import type { Position } from '../../firmware/ptz/position.ts';
import { type KeptSteering, presetsMax } from '../../firmware/ptz/steering.ts';
import { CameraSteering } from '../../firmware/roles/camera-steering.ts';
import { UnitSteering } from '../../firmware/roles/unit-steering.ts';
import type { Pointing } from '../../firmware/viewing/ptz-access.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

type Steer = PacketBody<'cam-steer'>;

const mount: MountConfig = {
  kind: 'simulated',
  pan: [-90, 90],
  tilt: [0, 0],
  zoomMax: 4,
  degreesPerSecond: 30,
  fieldOfView: 60,
  home: { pan: 0, tilt: 0, zoom: 1 },
};
const cameras = [
  { id: 'door', mount },
  { id: 'wall', mount: { ...mount, kind: 'none' as const } },
];

/** As the other end gets it. */
function sent(body: Steer): Steer {
  const header = {
    version: protocolVersion,
    site: 'home',
    sender: 'unit',
    incarnation: 1,
    network: undefined,
  };
  const packet = { name: 'cam-steer', header, body } as Packet;
  const decoded = decodePacketBody(packetNumber(packet), encodePacketBody(packet));
  assert(decoded.ok && decoded.value?.name === 'cam-steer', 'it did not survive the link');
  return decoded.value.body;
}

/** A unit and its manager, `delayMs` apart. */
function scene(delayMs = 10) {
  const clock = new VirtualClock();
  const aimed: Position[] = [];
  const pointed: [string, Pointing | undefined][] = [];
  const toCamera: Steer[] = [];
  const toServer: Steer[] = [];
  const link = { up: true };
  const disk = { refuses: false };
  const kept = new Map<string, KeptSteering>();
  const unit = new UnitSteering({
    cameras,
    clock,
    kept,
    keep: () => {
      if (disk.refuses) throw new Failure('FILE_IO', 'full', { advice: '' });
    },
    aim: (_, position) => aimed.push(position),
    tell: (body) => arrive(body),
  });
  const server = new CameraSteering({
    clock,
    send: (body) => {
      const wish = sent(body);
      toCamera.push(wish);
      clock.after(delayMs, () => link.up && arrive(unit.wish(wish)));
    },
    onPointing: (camera, pointing) => pointed.push([camera, pointing]),
    frameRate: () => 25,
  });
  const arrive = (body: Steer): void => {
    const reply = sent(body);
    toServer.push(reply);
    clock.after(delayMs, () => link.up && server.steered(reply));
  };
  const settle = async (ms: number): Promise<void> => {
    // Whoever waits for an answer goes on between two events.
    for (let passed = 0; passed < ms; passed += 5) {
      clock.advance(5);
      await new Promise(setImmediate);
    }
  };
  return { clock, aimed, pointed, toCamera, toServer, link, disk, unit, server, settle };
}

describe('a manager', () => {
  test('knows of a camera that it can be turned as soon as it has it, and of another that it cannot', () => {
    const { unit, server, clock, pointed } = scene();
    assert.equal(server.of('door'), undefined);
    unit.announce();
    clock.advance(10);
    const state = server.of('door');
    assert.deepEqual(state?.position, { pan: 0, tilt: 0, zoom: 1 });
    assert.deepEqual(state?.limits, { pan: [-90, 90], tilt: undefined, zoom: [1, 4] });
    assert.deepEqual(state?.presets, [{ name: 'home', pan: 0, tilt: 0, zoom: 1 }]);
    assert.equal(state?.fieldOfView, 60);
    assert.equal(server.of('wall'), undefined);
    server.gone(['door', 'wall']);
    assert.equal(server.of('door'), undefined);
    assert.deepEqual(
      pointed.map(([camera, pointing]) => [camera, pointing?.moving]),
      [
        ['door', false],
        ['door', undefined],
      ],
    );
  });

  test('hears where a moving camera looks five times a second, and where it came to rest', async () => {
    const { unit, server, pointed, aimed, settle } = scene();
    unit.announce();
    const done = server.command('door', { verb: 'to', place: { pan: 30 } });
    await settle(3_000);
    assert.equal(await done, undefined);
    assert.deepEqual(server.of('door')?.position, { pan: 30, tilt: 0, zoom: 1 });
    assert.equal(server.of('door')?.moving, false);
    assert.equal(pointed.at(-1)?.[1]?.moving, false);
    const told = pointed.filter(([, pointing]) => pointing?.moving === true).length;
    assert(told >= 4 && told <= 8, `told ${told} times in a second of turning`);
    assert(aimed.length >= 25, `the picture followed ${aimed.length} times`);
  });

  test('has the last of many quick commands done, and the steps among them summed', async () => {
    const { unit, server, toCamera, settle } = scene(50);
    unit.announce();
    await settle(60);
    const steps = Array.from({ length: 20 }, () => server.command('door', { verb: 'by', place: { pan: 2 } }));
    await settle(10_000);
    assert.deepEqual(
      await Promise.all(steps),
      steps.map(() => undefined),
    );
    assert.equal(server.of('door')?.position.pan, 40);
    assert.deepEqual(
      toCamera.map(({ wish }) => wish?.pan),
      [2, 38],
      'two went over the link',
    );
    const many = [10, 20, 30].map((pan) => server.command('door', { verb: 'to', place: { pan } }));
    const stop = server.command('door', { verb: 'stop' });
    await settle(10_000);
    await Promise.all([...many, stop]);
    const { pan } = server.of('door')?.position ?? { pan: Number.NaN };
    assert(pan < 40 && pan > 35, `it stopped at ${pan}`);
  });

  test('can be told of as many presets as a camera remembers', () => {
    assert.equal(presetsPerCameraMax, presetsMax + 1, 'home comes on top');
  });

  test('leaves out nothing that changes presets', async () => {
    const { unit, server, settle } = scene(50);
    unit.announce();
    await settle(60);
    const names = ['a', 'b', 'c', 'd'];
    const saved = names.map((name) => server.command('door', { verb: 'save', name }));
    await settle(300);
    assert.deepEqual(
      await Promise.all(saved),
      names.map(() => undefined),
    );
    assert.deepEqual(
      server.of('door')?.presets.map(({ name }) => name),
      ['home', ...names],
    );
  });

  test('gives a camera’s refusal back', async () => {
    const { unit, server, disk, settle } = scene();
    unit.announce();
    disk.refuses = true;
    const refused = [
      server.command('wall', { verb: 'to', place: { pan: 1 } }),
      server.command('door', { verb: 'recall', name: 'nowhere' }),
      server.command('door', { verb: 'save', name: 'here' }),
      server.command('nobody', { verb: 'stop' }),
    ];
    await settle(100);
    assert.deepEqual(await Promise.all(refused), [
      'this camera has no pan-tilt mount',
      'no preset is named nowhere',
      'the unit cannot keep presets: its disk refuses',
      'this camera has no pan-tilt mount',
    ]);
  });

  test('does not wait for ever for a camera that is silent, and not for too many', async () => {
    const { server, link, clock } = scene();
    link.up = false;
    const first = server.command('door', { verb: 'stop' });
    const replaced = server.command('door', { verb: 'stop' });
    const failures = Promise.allSettled([first, replaced]);
    const many = Promise.allSettled(
      Array.from({ length: 70 }, (_, n) => server.command('door', { verb: 'save', name: `p${n}` })),
    );
    clock.advance(4_000);
    const reasons = (await many).map((one) => (one.status === 'rejected' ? String(one.reason) : 'done'));
    assert.equal(reasons.filter((reason) => reason.includes('door does not answer')).length, 63);
    assert.equal(reasons.filter((reason) => reason.includes('too many')).length, 7);
    clock.advance(4_000);
    for (const one of await failures) assert.equal(one.status, 'rejected');
    assert.equal(clock.pending, 0);
  });

  test('takes its own word for a refusal when the camera has gone elsewhere, and keeps nothing of it', async () => {
    const { server, toCamera } = scene(1_000);
    const done = server.command('door', { verb: 'stop' });
    const [wish] = toCamera;
    assert(wish, 'nothing was sent');
    server.steered({ ...wish, wish: undefined, refusal: 's1 does not manage door' });
    assert.equal(await done, 's1 does not manage door');
    assert.equal(server.of('door'), undefined);
  });
});

describe('a camera unit', () => {
  test('obeys the plain command of the patent, and leaves the others to the stream', () => {
    const { unit, clock } = scene();
    const still = { panMilli: undefined, tiltMilli: undefined, zoom: undefined, framesPerSecond: undefined };
    const body = { request: 1, reply: false, camera: 'door', ...still, refusal: '', stream: undefined };
    assert.equal(unit.control(body), undefined);
    assert.equal(unit.control({ ...body, panMilli: 15_000, zoom: 200 })?.refusal, '');
    clock.advance(5_000);
    assert.deepEqual(unit.aim('door')?.position, { pan: 15, tilt: 0, zoom: 2 });
    assert.equal(
      unit.control({ ...body, camera: 'wall', zoom: 200 })?.refusal,
      'this camera has no pan-tilt mount',
    );
    unit.control({ ...body, panMilli: Number.MAX_SAFE_INTEGER });
    clock.advance(60_000);
    assert.equal(unit.aim('door')?.position.pan, 90);
  });

  test('answers a wish that wants nothing, whatever is in it, and stays within its limits', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('ask', 'stop', 'to', 'by', 'run', 'recall', 'save', 'drop'),
        fc.option(fc.integer({ min: -720, max: 720 }), { nil: undefined }),
        fc.option(fc.integer({ min: -100, max: 100 }), { nil: undefined }),
        fc.option(fc.constantFrom('home', 'gate'), { nil: undefined }),
        fc.boolean(),
        (verb, pan, zoom, preset, turns) => {
          const { unit, clock } = scene();
          const velocity = turns ? { pan: 1, tilt: -1, zoom: 1 } : undefined;
          const wish = { verb, pan, tilt: pan, zoom, velocity, preset } as const;
          const nowhere = { position: undefined, moving: false, mount: undefined };
          const reply = unit.wish({ request: 1, camera: 'door', wish, refusal: '', ...nowhere });
          assert.deepEqual(sent(reply), reply);
          assert.equal(reply.wish, undefined);
          clock.advance(2_000);
          const { position } = unit.aim('door') ?? {};
          assert(position !== undefined && Math.abs(position.pan) <= 90 && position.tilt === 0, 'limits');
          assert(position.zoom >= 1 && position.zoom <= 4, `zoom ${position.zoom}`);
        },
      ),
    );
  });
});

describe('what a unit keeps of its mounts', () => {
  const sound: KeptSteering = {
    position: { pan: -12.5, tilt: 3, zoom: 2 },
    presets: [{ name: 'Gate', pan: 1, tilt: 2, zoom: 3 }],
  };

  test('is read as it was written, as a whole', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-steering-'));
    try {
      assert.deepEqual(readSteering(folder), new Map());
      writeSteering(folder, new Map([['door', sound]]));
      assert.deepEqual(readSteering(folder), new Map([['door', sound]]));
      const inTheWay = join(folder, 'steering.json', 'below');
      assert.throws(() => writeSteering(inTheWay, new Map()), { code: 'FILE_IO' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('is not believed where it cannot be', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-steering-'));
    const path = join(folder, 'steering.json');
    try {
      for (const text of ['', '{', 'null', '5', '[]', '{"door":null}', '{"door":{"position":{"pan":"x"}}}']) {
        await writeFile(path, text);
        for (const { position, presets } of readSteering(folder).values())
          assert.deepEqual([position, presets], [undefined, []], text);
      }
      const bent = {
        door: {
          position: { pan: 1e9, tilt: 0, zoom: 1 },
          presets: [
            ...sound.presets,
            { name: '../x', pan: 0, tilt: 0, zoom: 1 },
            { name: 'y', pan: null },
            7,
          ],
        },
      };
      await writeFile(path, JSON.stringify(bent));
      const whole = { position: undefined, presets: sound.presets };
      assert.deepEqual(readSteering(folder), new Map([['door', whole]]));
      await writeFile(path, JSON.stringify({ door: sound }).padEnd(1_000_001));
      assert.deepEqual(readSteering(folder), new Map());
      assert.equal((await readFile(path)).length, 1_000_001, 'and is left alone');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
