/**
 * A camera unit on 64-bit ARM, in an emulated machine whose GPIO chip (PL061) tells when its lines change: a move asked
 * for over the API of a server makes servo pulses, an end stop that is pushed from outside ends it. And the same as on
 * amd64 in short: flashed, joins by multicast, recorded, answers on its serial port. Takes minutes: run by hand.
 */
import assert from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CamerasAnswer, PtzAnswer } from '../../firmware/viewing/api.ts';
import { buildImage, secondsSince } from '../support/guest/board-image.ts';
import { BoardSite, type GuestUnit } from '../support/guest/board-site.ts';
import { askConsole } from '../support/guest/console-session.ts';
import { medianWidthUs, type Pulse, pulsesIn } from '../support/guest/gpio-trace.ts';
import { describeWithGuests, patience } from '../support/guest/guests-suite.ts';
import type { FieldUnit } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { assertPlayable, packetsOfFile } from '../support/recorded-video.ts';

/** The processor is translated. */
const bootMs = 480_000 * patience;
const recordMs = 120_000 * patience;
const moveMs = 30_000 * patience;
/** A servo that is told nothing for so long is left alone. */
const quietMs = 2_000;
const panLine = 0;
const tiltLine = 1;
const panEndStop = 2;
/** Widths are busy-waited by a processor that is translated: late, and never early. */
const centreUs = 1_500;
const usPerDegree = 500 / 45;
const widthSlackUs = 250;

describeWithGuests('a camera unit with servos in an arm64 guest', 'arm64', () => {
  let site: BoardSite;
  let server: FieldUnit;
  let unit: GuestUnit;

  before(async () => {
    site = await BoardSite.open();
    const image = await buildImage(site.folder('images'), {
      board: 'qemu-virt-arm64',
      role: 'camera',
      architecture: 'arm64',
    });
    server = await site.server('ss-1');
    server.start();
    const mount = {
      kind: 'servo' as const,
      pan: [-45, 45] as [number, number],
      tilt: [-30, 30] as [number, number],
      degreesPerSecond: 30,
    };
    const picture = { width: 320, height: 180, frameRate: 5, bitrateKbps: 200, audio: false };
    unit = await site.cameraGuest(
      'cam-1',
      image,
      [{ id: 'cam-1', source: '/dev/video0', ...picture, mount }],
      {
        gpio: { servoDriver: 'burst', servos: true, endStops: true },
      },
    );
  });
  after(() => site?.[Symbol.asyncDispose]());

  const pulses = (): Pulse[] => pulsesIn(unit.guest.gpioTrace());
  const position = async (): Promise<PtzAnswer['position']> =>
    (await server.machine.ask<PtzAnswer>('/api/cameras/cam-1/ptz')).position;
  const steer = (...args: string[]): Promise<unknown> => server.command('ptz', 'cam-1', ...args);
  /** The pulses after the first `count`, once there are some and then none for a while. */
  const untilQuiet = async (count: number): Promise<Pulse[]> => {
    await until(
      'the servos come to rest',
      () => {
        const last = pulses().at(-1);
        return pulses().length > count && last !== undefined && Date.now() - last.atUs / 1000 > quietMs;
      },
      moveMs,
    );
    return pulses().slice(count);
  };

  test('boots, joins by multicast, is recorded and answers on its serial port', async () => {
    const startedMs = performance.now();
    await unit.switchOn();
    await site.untilManaged(unit, server, bootMs);
    console.log(`from power to its server: ${secondsSince(startedMs)}`);
    const durableFrom = (fromMs: number): Promise<true> =>
      until(
        'cam-1 is recorded',
        async () => {
          const { cameras } = await server.machine.ask<CamerasAnswer>('/api/cameras');
          return Date.parse(cameras[0]?.durableThrough ?? '') > fromMs;
        },
        recordMs,
      );
    // Its camera starts when it has joined.
    await durableFrom(Date.now());
    const askedAt = Date.now();
    await durableFrom(askedAt + 4_000);
    const range = `from=${new Date(askedAt).toISOString()}&to=${new Date(askedAt + 4_000).toISOString()}`;
    const { body } = await server.machine.askBytes(`/api/cameras/cam-1/video.mp4?${range}`);
    const file = join(site.folder('exports'), 'vivid.mp4');
    writeFileSync(file, body);
    await assertPlayable(file);
    console.log(`${(await packetsOfFile(file, 'v')).length} frames`);
    const status = await askConsole(unit.guest, 'status');
    console.log(status);
    assert.match(status, /ss-1/);
  });

  test('turns when the API says so: pulses of the right width on the right line, in order', async () => {
    await steer('--pan', '0', '--tilt', '0');
    const before = pulses().length;
    await steer('--pan', '30');
    const made = await untilQuiet(before);
    const pan = made.filter(({ line }) => line === panLine);
    const tilt = made.filter(({ line }) => line === tiltLine);
    console.log(describeWidths('pan to 30 degrees', pan));
    assert(pan.length >= 30 && pan.length <= 200, `${pan.length} pulses`);
    assert.equal(tilt.length, 0, 'the other servo was not asked');
    for (const [place, { atUs, widthUs }] of pan.entries()) {
      const next = pan[place + 1];
      if (next !== undefined) assert(next.atUs >= atUs + widthUs, 'one pulse after the other');
    }
    const first = smallestWidthUs(pan.slice(0, 10));
    const last = smallestWidthUs(pan.slice(-10));
    assert(last > first, `widths grow on the way: ${first} to ${last} µs`);
    assertNear(last, centreUs + 30 * usPerDegree);
  });

  test('stops at an end stop, tells it, and says where it stands', async () => {
    const before = pulses().length;
    await steer('--pan', '-40');
    await untilQuiet(before);
    const beforeStop = pulses().length;
    await steer('--pan', '40');
    await until('it turns', () => pulses().length > beforeStop + 10, moveMs);
    await unit.guest.setInput(panEndStop, 1);
    const events = async (): Promise<{ kind: string }[]> =>
      (await server.machine.ask<{ events: { kind: string }[] }>('/api/events?camera=cam-1')).events;
    await until(
      'the end stop is among the events',
      async () => (await events()).some(({ kind }) => kind === 'end-stop'),
      moveMs,
    );
    const made = await untilQuiet(beforeStop);
    console.log(describeWidths('pan to 40 degrees, stopped', made));
    const stoppedAt = (await position())?.pan ?? Number.NaN;
    assert(stoppedAt < 39, `it stands at ${stoppedAt} degrees`);
    await unit.guest.setInput(panEndStop, 0);
  });
});

/** Of several: a translated processor is late with most ends of a pulse, and by far. */
function smallestWidthUs(pulses: readonly Pulse[]): number {
  return Math.min(...pulses.map(({ widthUs }) => widthUs));
}

function assertNear(widthUs: number, expectedUs: number): void {
  assert(
    Math.abs(widthUs - expectedUs) < widthSlackUs,
    `${widthUs} µs, expected about ${Math.round(expectedUs)} µs`,
  );
}

function describeWidths(what: string, pulses: readonly Pulse[]): string {
  const widths = pulses.map(({ widthUs }) => widthUs).sort((one, other) => one - other);
  return `${what}: ${pulses.length} pulses, ${widths[0]} to ${widths.at(-1)} µs, median ${medianWidthUs(pulses)} µs`;
}
