/**
 * One session on a recorded disk: cameras deliver to a server whose recordings and index lie there. The server is killed
 * and started again, so that recovery is part of what a power cut may hit; at the end it stops cleanly.
 *
 * A session is a folder and can be looked at again: journal, disk before, acknowledgements, settings, bundle.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import { bundle, until } from '../support/network.ts';
import { type Acknowledgement, readAcknowledgements, safeThrough } from './acknowledgements.ts';
import { type BlockRecord, readJournal, recordsWithin } from './block-journal.ts';
import type { RecordRange } from './power-cut.ts';
import { mountPoint, RecordedDisk } from './recorded-disk.ts';
import { ServerProcess } from './server-process.ts';

const synthetic = fileURLToPath(new URL('../support/synthetic-units.ts', import.meta.url));
const preload = new URL('./acknowledgement-log.ts', import.meta.url).href;
const loopback = '127.0.0.1';
const root = join(import.meta.dirname, '..', '..');
const sessionMs = 90_000;

export interface SessionOptions {
  readonly cameras: number;
  /** how often the server starts; it is killed in between */
  readonly lives: number;
  /** samples of each camera that become safe in each life; five a second */
  readonly samples: number;
  readonly flushMs: number;
  /** changes the text of the program, to see whether that is noticed */
  readonly mutate?: (program: string) => string;
}

/** A finished session. */
export interface Session {
  readonly folder: string;
  readonly cameras: readonly string[];
  readonly journal: readonly BlockRecord[];
  readonly acknowledgements: readonly Acknowledgement[];
  /** records of the journal in which the server started, each time */
  readonly starting: readonly RecordRange[];
}

export const bundleOf = ({ folder }: { folder: string }): string => join(folder, 'program', 'starling.mjs');
export const settingsOf = ({ folder }: { folder: string }): string => join(folder, 'ss-1', 'unit.yaml');
export const beforeOf = ({ folder }: { folder: string }): string => join(folder, 'before.img');

/** Where the server records. */
export const recordingsOf = ({ folder }: { folder: string }): string =>
  join(mountPoint(folder), 'data', 'recordings');

/** Records a session in an empty folder. */
export async function recordSession(folder: string, options: SessionOptions): Promise<Session> {
  await copyProgram(folder, options.mutate ?? ((program) => program));
  const cameras = Array.from({ length: options.cameras }, (_, place) => `cam-${place + 1}`);
  const units = await enroll(folder, cameras);
  const log = join(folder, 'acknowledgements.jsonl');
  const starts: RecordRange[] = [];
  {
    await using disk = await RecordedDisk.open(folder, options.flushMs);
    await using _devices = startCameras(units, { journal: disk.journal, log });
    for (let life = 1; life <= options.lives; life++) {
      const heard = readAcknowledgements(log).length;
      const from = statSync(disk.journal).size;
      await using server = await ServerProcess.start(bundleOf({ folder }), settingsOf({ folder }));
      await until('a camera hears of the server', () => readAcknowledgements(log).length > heard);
      starts.push({ from, to: statSync(disk.journal).size });
      await untilSafe({ cameras, log }, life * options.samples);
      if (life === options.lives) await server.stop();
    }
  }
  await writeFile(join(folder, 'session.json'), JSON.stringify({ cameras, starts }));
  return loadSession(folder);
}

/** A session that was recorded before. */
export async function loadSession(folder: string): Promise<Session> {
  const about = JSON.parse(await readFile(join(folder, 'session.json'), 'utf8')) as {
    cameras: string[];
    starts: RecordRange[];
  };
  const journal = readJournal(join(folder, 'journal'));
  const acknowledgements = readAcknowledgements(join(folder, 'acknowledgements.jsonl'));
  return {
    folder,
    cameras: about.cameras,
    journal,
    // A record that was just being written when a camera heard does not count yet.
    acknowledgements: acknowledgements.map(({ position, ...one }) => {
      const records = recordsWithin(journal, position);
      return { ...one, position: journal[records - 1]?.end ?? 0 };
    }),
    starting: about.starts.map(({ from, to }) => ({
      from: recordsWithin(journal, from),
      to: recordsWithin(journal, to),
    })),
  };
}

/** A copy, because others may build meanwhile; the natives are found through the link. */
async function copyProgram(folder: string, mutate: (program: string) => string): Promise<void> {
  assert(existsSync(bundle), `${bundle} is missing: npm run build`);
  const copy = bundleOf({ folder });
  await mkdir(join(copy, '..'));
  await copyFile(bundle, copy);
  await writeFile(copy, mutate(await readFile(copy, 'utf8')));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
}

/** Makes the site; returns the settings of the camera units. */
async function enroll(folder: string, cameras: readonly string[]): Promise<string[]> {
  const site = join(folder, 'site');
  await initSite(site, 'power');
  const port = 30_000 + Math.floor(Math.random() * 2_000);
  const endpoint = { kind: 'multicast' as const, host: '239.83.84.1', port, interface: loopback };
  const common = { link: { host: loopback, port: 0 }, anycast: { endpoints: [endpoint] } };
  const data = join(mountPoint(folder), 'data');
  const server = { http: { port: 0, access: 'everybody' as const }, segmentSeconds: 3, syncIntervalMs: 300 };
  await enrollUnit(
    site,
    { unit: 'ss-1', role: 'server', overrides: { ...common, data, server } },
    join(folder, 'ss-1'),
  );
  const units: string[] = [];
  for (const id of cameras) {
    const enrollment = { unit: id, role: 'camera' as const, overrides: common, cameras: [{ id }] };
    await enrollUnit(site, enrollment, join(folder, id));
    units.push(join(folder, id, 'unit.yaml'));
  }
  return units;
}

function startCameras(units: readonly string[], paths: { journal: string; log: string }): AsyncDisposable {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', 'tsx', '--import', preload, synthetic, ...units],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { ...process.env, STARLING_POWER_JOURNAL: paths.journal, STARLING_POWER_LOG: paths.log },
    },
  );
  const ended = once(child, 'exit');
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Waits until each camera has heard that so many of its samples are safe. */
async function untilSafe(
  { cameras, log }: { cameras: readonly string[]; log: string },
  samples: number,
): Promise<void> {
  await until(
    `${samples} samples of each camera are safe`,
    () => {
      const through = safeThrough(readAcknowledgements(log));
      const safe = (camera: string): boolean =>
        [...through].some(([key, sequence]) => key.startsWith(`${camera}/`) && sequence >= samples - 1);
      return cameras.every(safe);
    },
    sessionMs,
  );
}
