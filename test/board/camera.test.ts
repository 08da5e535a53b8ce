/**
 * A camera unit from its image to its recordings: built and flashed by the commands that people use, booted in an
 * emulated amd64 machine whose camera is the kernel's `vivid`. It finds a server that runs on this machine by multicast,
 * a technician asks it over its serial port, and its plug is pulled.
 */
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CamerasAnswer, RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { buildImage, secondsSince } from '../support/guest/board-image.ts';
import { BoardSite, type GuestUnit } from '../support/guest/board-site.ts';
import { askConsole, askConsoleJson } from '../support/guest/console-session.ts';
import { describeWithGuests, patience } from '../support/guest/guests-suite.ts';
import { assertContiguous, type FieldUnit } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { assertPlayable, packetsOfFile } from '../support/recorded-video.ts';

/** Where processors are translated and shared. */
const bootMs = 300_000 * patience;
const joinMs = 60_000 * patience;
const recordMs = 60_000 * patience;
const width = 320;
const height = 180;
const framesPerSecond = 10;

describeWithGuests('a camera unit in an amd64 guest', 'amd64', () => {
  let site: BoardSite;
  let server: FieldUnit;
  let unit: GuestUnit;

  before(async () => {
    site = await BoardSite.open();
    const image = await buildImage(site.folder('images'), {
      board: 'virtual',
      role: 'camera',
      architecture: 'amd64',
    });
    server = await site.server('ss-1');
    server.start();
    unit = await site.cameraGuest('cam-1', image, [
      {
        id: 'cam-1',
        source: '/dev/video0',
        width,
        height,
        frameRate: framesPerSecond,
        bitrateKbps: 300,
        audio: false,
      },
    ]);
  });
  after(() => site?.[Symbol.asyncDispose]());

  const camera = async (): Promise<CamerasAnswer['cameras'][number] | undefined> =>
    (await server.machine.ask<CamerasAnswer>('/api/cameras')).cameras.find(({ id }) => id === 'cam-1');
  const recordings = (): Promise<RecordingsAnswer> =>
    server.machine.ask('/api/cameras/cam-1/recordings?from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z');
  const durableFrom = async (fromMs: number, forMs: number): Promise<void> => {
    await until(
      'cam-1 is recorded',
      async () => Date.parse((await camera())?.durableThrough ?? '') > fromMs + forMs,
      recordMs,
    );
  };

  test('joins a server on this machine by multicast', async () => {
    const startedMs = performance.now();
    const { accelerator } = await unit.switchOn();
    await site.untilManaged(unit, server, bootMs + joinMs);
    console.log(`from power (${accelerator}) to its server: ${secondsSince(startedMs)}`);
  });

  test('is recorded: pictures of vivid that ffprobe and ffmpeg take', async () => {
    // Its camera starts when it has joined.
    await durableFrom(Date.now(), 0);
    const fromMs = Date.now();
    await durableFrom(fromMs, 5_000);
    const range = `from=${new Date(fromMs).toISOString()}&to=${new Date(fromMs + 5_000).toISOString()}`;
    const { body } = await server.machine.askBytes(`/api/cameras/cam-1/video.mp4?${range}`);
    const file = join(site.folder('exports'), 'vivid.mp4');
    writeFileSync(file, body);
    await assertPlayable(file);
    const packets = await packetsOfFile(file, 'v');
    const seconds = (packets.at(-1)?.pts ?? 0) - (packets[0]?.pts ?? 0);
    console.log(
      `${packets.length} frames in ${seconds.toFixed(1)} s of ${framesPerSecond} frames/s asked for`,
    );
    assert(packets.length > framesPerSecond, `${packets.length} frames`);
    assert(seconds > 3, `${seconds} s`);
  });

  test('answers on its serial port', async () => {
    const status = await askConsole(unit.guest, 'status');
    console.log(status);
    assert.match(status, /cam-1/);
    assert.match(status, /ss-1/);
    assert.match(await askConsole(unit.guest, 'net'), /ss-1/);
    assert.match(await askConsole(unit.guest, 'camera'), /\d+(\.\d+)?/);
    assert.match(await askConsole(unit.guest, 'log', '-n', '20'), /ss-1|cam-1/);
  });

  test('hands its support bundle over the serial port, byte for byte and without secrets', async () => {
    const file = join(site.folder('exports'), 'bundle.tar.gz');
    const told = await askConsoleJson<{ bytes: number; seconds: number; sha256: string }>(
      unit.guest,
      'pull',
      'bundle',
      '-o',
      file,
    );
    console.log(`bundle: ${told.bytes} bytes in ${told.seconds} s`);
    const pulled = readFileSync(file);
    assert.equal(pulled.length, told.bytes);
    assert.equal(createHash('sha256').update(pulled).digest('hex'), told.sha256, 'as the unit has it');
    // Its own checksums were made on the unit, too, before it was packed into lines.
    const members = execFileSync('tar', ['--gunzip', '--list', '--file', file], { encoding: 'utf8' });
    console.log(members.trim().split('\n').join(', '));
    assert.match(members, /unit\.yaml/);
    const content = execFileSync('tar', ['--gunzip', '--extract', '--to-stdout', '--file', file]);
    assert(!content.includes('PRIVATE KEY'), 'no private key leaves the unit');
  });

  test('joins again after a power cut, and nothing that was acknowledged is lost', async () => {
    const before = await camera();
    assert(before?.durableThrough);
    const wanted = await recordings();
    await unit.cutPower();
    const cutMs = Date.now();
    await until('the server has noticed', async () => (await camera())?.state !== 'online', joinMs);
    await unit.switchOn();
    await site.untilManaged(unit, server, bootMs + joinMs, before.epoch);
    console.log(`power cut to joined again: ${((Date.now() - cutMs) / 1000).toFixed(1)} s`);
    await durableFrom(Date.now(), 3_000);

    const { segments, unreachable } = await recordings();
    assert.deepEqual(unreachable, []);
    const reaches = (to: string): boolean => segments.some((one) => one.to >= to);
    for (const { from, to } of wanted.segments) {
      assert(
        segments.some((one) => one.from <= from && one.to >= to),
        `recorded from ${from} to ${to} before the cut, and not any more`,
      );
    }
    assert(reaches(before.durableThrough), `acknowledged through ${before.durableThrough}`);
    assertContiguous(await server.where('cam-1'));
  });
});
