/**
 * A server from its image, in an emulated amd64 machine beside a server on this machine: it starts with its clock years
 * in the past, its disk is pulled, its kernel hangs until the watchdog resets it, and its plug is pulled. Cameras on this
 * machine write down what they were told to be durable; all of it is there at the end.
 */
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { anycastPortDefault } from '../../firmware/config/unit-config.ts';
import type { RecordingsAnswer, StatusAnswer } from '../../firmware/viewing/api.ts';
import { readOverApi } from '../support/archive-readers.ts';
import { formatVerdict, verify } from '../support/archive-verifier.ts';
import { type CameraHistory, readJournal } from '../support/camera-journal.ts';
import { buildImage, secondsSince } from '../support/guest/board-image.ts';
import { BoardSite, type GuestUnit } from '../support/guest/board-site.ts';
import { askConsole } from '../support/guest/console-session.ts';
import { describeWithGuests, patience } from '../support/guest/guests-suite.ts';
import type { FieldUnit } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { journalPath, lightLoad } from '../support/synthetic-camera.ts';
import { addSyntheticUnits } from '../support/synthetic-unit-process.ts';

/** Where processors are translated and shared. */
const bootMs = 300_000 * patience;
const joinMs = 60_000 * patience;
const noticeMs = 60_000 * patience;
const durableMs = 60_000 * patience;
/** Between the clocks of a camera and of a test there is none; recording begins a moment before it is asked for. */
const dateSlackMs = 60_000;
/** The image's watchdog waits for a minute. */
const watchdogMs = 120_000 * patience;
const cameras = ['cam-1', 'cam-2'];
/** They fill the neighbor, whose processor is its own and which would be the first to answer, until it is needed. */
const fillers = ['filler-1', 'filler-2'];
const label = 'starling-1';
const volume = `/volumes/${label}`;
const diskBytes = 256 * 1024 * 1024;
const wrongClock = '2020-01-01T00:00:00';
const everything = 'from=1970-01-01T00:00:00Z&to=2200-01-01T00:00:00Z';

describeWithGuests('a server in an amd64 guest', 'amd64', () => {
  let site: BoardSite;
  let near: FieldUnit;
  let unit: GuestUnit;
  let cams: FieldUnit;
  let filling: FieldUnit;
  let disk: string;
  let journals: string;

  before(async () => {
    site = await BoardSite.open();
    const image = await buildImage(site.folder('images'), {
      board: 'virtual',
      role: 'server',
      architecture: 'amd64',
      // So that a signal from outside stops it for good, and only the watchdog can help.
      kernelWords: ['unknown_nmi_panic', 'panic=0'],
    });
    near = await site.server('ss-near', { camerasMax: fillers.length });
    unit = await site.serverGuest('ss-guest', image, { volumes: ['recordings', volume] });
    disk = makeDisk(site.folder('disks'));
    journals = site.folder('journals');
    filling = await addSyntheticUnits(site.field, site.machine('fillers'), fillers);
    const load = { ...lightLoad, journals };
    const endpoints = [{ kind: 'seed' as const, host: unit.address, port: anycastPortDefault }];
    cams = await addSyntheticUnits(site.field, site.machine('cams'), cameras, {
      load,
      anycast: { endpoints },
    });
  });
  after(() => site?.[Symbol.asyncDispose]());

  const switchOn = async (startsAt?: string): Promise<void> => {
    const moreDisks = [{ id: 'pulled', file: disk, bus: 'usb' as const }];
    await unit.switchOn({ moreDisks, ...(startsAt === undefined ? {} : { startsAt }) });
  };
  const untilReached = (what: string, limitMs: number): Promise<void> =>
    site.untilSaid(what, unit, limitMs, async () => {
      const { servers } = await near.site();
      return servers.some(({ id, state }) => id === unit.id && state === 'reachable');
    });
  /** Everything that was captured before it is called is on a disk. */
  const untilDurable = async (what: string): Promise<void> => {
    const goals = cameras.map((camera) => newestOf(readJournal(journalPath(journals, camera), camera)));
    await until(
      what,
      () =>
        cameras.every((camera, place) => {
          const { tracks } = readJournal(journalPath(journals, camera), camera);
          return (tracks.at(-1)?.durableThrough ?? -1) >= (goals[place] ?? 0);
        }),
      durableMs,
    );
  };

  test('joins with its clock years in the past, and what it records bears the true date', async () => {
    const startedMs = performance.now();
    const startedAt = Date.now();
    near.start();
    filling.start();
    await switchOn(wrongClock);
    await untilReached(`${near.id} reaches ${unit.id}`, bootMs + joinMs);
    console.log(`from power (${unit.guest.accelerator}) to its neighbor: ${secondsSince(startedMs)}`);
    for (const filler of fillers) {
      const manager = async (): Promise<string | null> => (await near.where(filler)).manager;
      await until(`${near.id} is full`, async () => (await manager()) === near.id, joinMs);
    }
    cams.start();
    for (const camera of cameras) {
      await until(
        `${unit.id} manages ${camera}`,
        async () => (await near.where(camera)).manager === unit.id,
        joinMs,
      );
    }
    await untilDurable('pictures are durable on the guest');
    for (const camera of cameras) {
      const { segments } = await near.machine.ask<RecordingsAnswer>(
        `/api/cameras/${camera}/recordings?${everything}`,
      );
      assert(segments.length > 0, `${camera} is recorded`);
      for (const { from } of segments)
        assert(Date.parse(from) > startedAt - dateSlackMs, `${camera} has a file of ${from}`);
    }
    console.log(await askConsole(unit.guest, 'status'));
  });

  test('notices that a disk was pulled, says so, and goes on recording on the other', async () => {
    const volumes = async (): Promise<StatusAnswer['volumes']> =>
      (await near.machine.ask<StatusAnswer>(`/api/status?server=${unit.id}`)).volumes;
    const pulled = async (): Promise<StatusAnswer['volumes'][number] | undefined> =>
      (await volumes()).find(({ folder }) => folder === volume);
    assert.equal((await pulled())?.state, 'ok', JSON.stringify(await volumes()));
    await unit.guest.unplug('pulled');
    await until(
      'the server says that the disk is gone',
      async () => (await pulled())?.state !== 'ok',
      noticeMs,
    );
    console.log(`the pulled disk: ${JSON.stringify(await pulled())}`);
    await untilDurable('pictures are durable on the other disk');
  });

  test('is reset by its watchdog when its kernel hangs, and its cameras go to its neighbor meanwhile', async () => {
    await filling.stop();
    await until(`${near.id} has room`, async () => (await near.tables()).query.direct.length === 0, joinMs);
    const startedMs = performance.now();
    await unit.guest.protocol.execute('inject-nmi');
    await until(
      `${near.id} has the cameras`,
      async () =>
        (await Promise.all(cameras.map((camera) => near.where(camera)))).every(
          ({ manager }) => manager === near.id,
        ),
      joinMs,
    );
    console.log(`cameras at the neighbor after ${secondsSince(startedMs)}`);
    await unit.guest.protocol.event('WATCHDOG', watchdogMs);
    console.log(`reset by the watchdog after ${secondsSince(startedMs)}`);
    await untilReached(`${unit.id} is back`, bootMs + joinMs);
    console.log(`back after ${secondsSince(startedMs)}`);
  });

  test('comes back after a power cut; everything that cameras were told to be durable is there', async () => {
    await untilDurable('pictures are durable');
    await unit.cutPower();
    await until(
      `${near.id} misses ${unit.id}`,
      async () =>
        (await near.site()).servers.every(({ id, state }) => id !== unit.id || state === 'unreachable'),
      noticeMs,
    );
    await switchOn();
    await untilReached(`${unit.id} is back`, bootMs + joinMs);
    await untilDurable('pictures are durable again');
    await cams.stop();
    for (const camera of cameras) {
      const verdict = verify(
        readJournal(journalPath(journals, camera), camera),
        await readOverApi(near.machine, camera),
        { once: true },
      );
      console.log(formatVerdict(verdict));
      assert.deepEqual(verdict.faults, []);
    }
  });
});

/** The newest sample of a camera's present run. */
function newestOf({ tracks }: CameraHistory): number {
  return (tracks.at(-1)?.samples.length ?? 0) - 1;
}

/** A file system as it would be on a disk that is plugged in. Returns the file. */
function makeDisk(folder: string): string {
  const path = join(folder, 'pulled.img');
  const file = openSync(path, 'wx');
  ftruncateSync(file, diskBytes);
  closeSync(file);
  execFileSync('mkfs.ext4', ['-q', '-L', label, path], { timeout: 20_000 });
  return path;
}
