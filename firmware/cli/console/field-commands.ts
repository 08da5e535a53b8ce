/** `identity`, `net`, `time` and `capture test` of the field console. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { Failure, messageOf } from '../../base/failure.ts';
import type { ConsoleAnswer } from '../../console/command-table.ts';
import type { CommandIo } from '../../console/session.ts';
import { clockFacts, defaultRoutes, machineFacts, networkPorts, outputOf } from './machine-facts.ts';
import type { UnitLink } from './unit-link.ts';

const captureTestMs = 5_000;

/** What is asked of the unit, or why it does not say. */
async function askedOf(unit: UnitLink, command: string): Promise<unknown> {
  return unit.ask(command).then(
    ({ data }) => data,
    (thrown: unknown) => messageOf(thrown),
  );
}

export async function identityData({ unit, version }: { unit: UnitLink; version: string }): Promise<object> {
  const read = await unit.config();
  const machine = await machineFacts();
  if (!read.ok) return { settings: read.failure.message.replaceAll('\n', '; '), version, ...machine };
  const { unit: name, role, site, board } = read.config;
  return {
    unit: name,
    role,
    site: site.name,
    version,
    board,
    ...(await certificateOf(site.certificate)),
    ...machine,
  };
}

async function certificateOf(path: string): Promise<object> {
  try {
    const certificate = new X509Certificate(await readFile(path));
    const { validTo, fingerprint256 } = certificate;
    return { certificateUntil: new Date(validTo).toISOString(), fingerprint: fingerprint256 };
  } catch (thrown) {
    return { certificate: `${path}: ${messageOf(thrown)}` };
  }
}

export async function netData(unit: UnitLink): Promise<object> {
  const [interfaces, routes, manager, read] = await Promise.all([
    networkPorts(),
    defaultRoutes(),
    askedOf(unit, 'manager'),
    unit.config(),
  ]);
  const anycast = read.ok
    ? read.config.anycast.endpoints.map(({ kind, host, port }) => `${kind} ${host} port ${port}`)
    : [];
  return {
    routes: routes.length === 0 ? 'no way out of the own network' : routes,
    joinsGoTo: anycast,
    ...(typeof manager === 'object' ? manager : { unit: manager }),
    interfaces,
  };
}

/** What the unit itself says of its clock is shown where it says anything. */
export async function timeAnswer(unit: UnitLink): Promise<ConsoleAnswer> {
  const own = await unit.ask('time').catch(() => undefined);
  if (own !== undefined) return own;
  const utc = await unit.ask('utc').catch(() => undefined);
  return { data: { clock: await clockFacts(), unit: utc?.data ?? 'does not say' } };
}

interface CameraFrames {
  readonly camera: string;
  readonly state?: string;
  readonly trouble?: string | null;
  readonly frames?: number;
  readonly captures?: number;
  readonly lastFrameAgeMs?: number | null;
  readonly frameRate?: number;
}

/** Counts frames for a while. Rejects with SOURCE_FAILED when none comes. */
export async function captureTest(
  unit: UnitLink,
  [verb, id]: readonly string[],
  { io, clock }: { io: CommandIo; clock: Clock },
): Promise<ConsoleAnswer> {
  if (verb !== 'test') throw new Failure('USAGE', 'capture what?', { advice: 'capture test [CAMERA]' });
  const ask = async (): Promise<CameraFrames[]> =>
    (await unit.ask('camera', id === undefined ? [] : [id])).data as CameraFrames[];
  const before = await ask();
  io.print(`watching for ${captureTestMs / 1000} s …\n`.replace('…', '...'));
  const startMs = clock.monotonicMs();
  await new Promise<void>((resolve) => {
    const cancel = clock.after(captureTestMs, resolve);
    io.signal.addEventListener('abort', () => {
      cancel();
      resolve();
    });
  });
  const seconds = (clock.monotonicMs() - startMs) / 1000;
  const after = await ask();
  const data = after.map((camera) => {
    const first = before.find((one) => one.camera === camera.camera);
    const frames = (camera.frames ?? 0) - (first?.frames ?? 0);
    return {
      camera: camera.camera,
      frames,
      fps: Number((frames / seconds).toFixed(1)),
      wantedFps: camera.frameRate,
      restarts: (camera.captures ?? 0) - (first?.captures ?? 0),
      trouble: camera.trouble ?? null,
    };
  });
  const dead = data.filter(({ frames }) => frames === 0);
  if (dead.length === 0) return { data };
  const what = dead.map(({ camera, trouble }) => `${camera}: ${trouble ?? 'no frame at all'}`).join('; ');
  throw new Failure('SOURCE_FAILED', what, {
    advice: 'Check the source (`config get camera`), its cable, and `log`.',
  });
}

/** A small board takes its time to start a program. */
const boardMs = 30_000;

/** Which board this is and what of it is there: asked of the program itself, so that the console stays small. */
export async function boardAnswer(unit: UnitLink): Promise<ConsoleAnswer> {
  const read = await unit.config();
  const board = read.ok ? read.config.board : 'auto';
  const args = [process.argv[1] ?? '', 'board', '--board', board];
  const [json, text] = await Promise.all([
    outputOf(process.execPath, [...args, '--json'], boardMs),
    outputOf(process.execPath, args, boardMs),
  ]);
  if (json === undefined || text === undefined)
    throw new Failure('NOT_FOUND', 'no board fits this machine', {
      advice: 'The folder `boards` belongs beside the program.',
    });
  return { data: JSON.parse(json) as unknown, text: text.trimEnd() };
}
