/**
 * What a server answers on its field console: its neighbors, the patent's tables, the cameras it knows, its volumes, and
 * the lines of `status` about them.
 */

import { Failure } from '../base/failure.ts';
import { formatBytes } from '../base/quantity-text.ts';
import type { Check, CommandTable, ConsoleAnswer } from '../console/command-table.ts';

import type { CameraView, ServerView, TablesView } from '../overlay/views.ts';
import type { StatusAnswer } from '../viewing/api.ts';
import type { NetworkAccess } from '../viewing/network-access.ts';
import { tablesJson, whereJson } from '../viewing/network-json.ts';
import type { PtzAccess } from '../viewing/ptz-access.ts';
import { steerCommandOf } from '../viewing/ptz-command.ts';
import { parseSteerArguments, steerUsage } from './steer-arguments.ts';

export interface ServerConsoleParts {
  readonly unit: string;
  /** undefined while the server starts */
  readonly node: () =>
    | { tables(): TablesView; servers(): readonly ServerView[]; cameras(): readonly CameraView[] }
    | undefined;
  readonly where: NetworkAccess['where'];
  readonly status: () => StatusAnswer;
  readonly ptz: PtzAccess;
  readonly pageUrl: () => string;
}

/** Registers the commands. */
export function addServerConsole(commands: CommandTable, parts: ServerConsoleParts): void {
  const words = (): readonly string[] =>
    parts
      .node()
      ?.cameras()
      .map(({ camera }) => camera) ?? [];
  commands.connected = () => (parts.node()?.tables().neighbor.oneHop.length ?? 0) > 0;
  commands.addChecks(() => networkChecks(parts));
  commands.addChecks(() => recordingChecks(parts.status()));
  commands.add(
    {
      name: 'neighbors',
      usage: 'neighbors',
      summary: 'the servers one and two links away',
      run: async () => ({ data: tablesJson(present(parts).tables()) }),
    },
    {
      name: 'tables',
      usage: 'tables',
      summary: 'neighbor, query and history table',
      run: async () => ({ data: tablesJson(present(parts).tables()) }),
    },
    {
      name: 'cameras',
      usage: 'cameras',
      summary: 'all cameras this server knows, and who manages them',
      run: async () => ({ data: camerasData(parts) }),
    },
    {
      name: 'where',
      usage: 'where CAMERA',
      summary: 'who manages a camera, and who did before',
      run: (args) => where(parts, args),
    },
    {
      name: 'manager',
      usage: 'manager',
      summary: 'this server in its network',
      run: async () => ({ data: serverData(parts) }),
    },
    {
      name: 'ptz',
      usage: `ptz ${steerUsage}`,
      summary: 'where a camera of this server looks; turn it',
      run: (args) => steer(parts, args, words()),
    },
    {
      name: 'recording',
      usage: 'recording',
      summary: 'volumes, alarms and what is being recorded',
      run: async () => ({ data: parts.status() }),
    },
  );
}

function present({ node }: ServerConsoleParts): NonNullable<ReturnType<ServerConsoleParts['node']>> {
  const there = node();
  if (there !== undefined) return there;
  throw new Failure('SERVER_FAILED', 'the server is starting', { advice: 'Ask again in a moment.' });
}

function serverData(parts: ServerConsoleParts): object {
  const { network, neighbor } = present(parts).tables();
  return {
    page: parts.pageUrl(),
    network: `${network.standing}, founded by ${network.founder}`,
    neighbors: neighbor.oneHop.map(({ server }) => server),
    serversKnown: present(parts).servers().length,
  };
}

function camerasData(parts: ServerConsoleParts): object[] {
  const recorded = new Set(parts.status().cameras.map(({ id }) => id));
  return present(parts)
    .cameras()
    .map(({ camera, unit, manager, epoch, online }) => {
      const here = manager === parts.unit && recorded.has(camera);
      return { camera, unit, manager, epoch, state: here ? 'recorded here' : online ? 'online' : 'offline' };
    });
}

async function where(parts: ServerConsoleParts, [camera = '']: readonly string[]): Promise<ConsoleAnswer> {
  const known = present(parts)
    .cameras()
    .some((view) => view.camera === camera);
  if (!known)
    throw new Failure('NOT_FOUND', `no camera ${JSON.stringify(camera.slice(0, 40))} is known here`, {
      advice: '`cameras` lists them.',
    });
  const answer = await parts.where(camera);
  const pages = new Map(
    present(parts)
      .servers()
      .map(({ server, pageUrl }) => [server, pageUrl]),
  );
  return { data: whereJson(answer, (server) => pages.get(server)) };
}

async function steer(
  { ptz }: ServerConsoleParts,
  args: readonly string[],
  cameras: readonly string[],
): Promise<ConsoleAnswer> {
  const turned = cameras.filter((camera) => ptz.of(camera) !== undefined);
  const { camera, wish } = parseSteerArguments(args, turned);
  const { verb, preset, pan, tilt, zoom } = wish;
  const fail = (refusal: string): never => {
    throw new Failure('USAGE', `${camera}: ${refusal}`, { advice: `ptz ${steerUsage}` });
  };
  if (verb === 'save' || verb === 'drop') {
    const refusal = await ptz.command(camera, { verb, name: preset ?? '' });
    if (refusal !== undefined) fail(refusal);
  } else if (verb !== 'ask') {
    const stop = verb === 'stop';
    const refusal = await ptz.command(
      camera,
      steerCommandOf({ pan, tilt, zoom, relative: verb === 'by', ...(stop ? { stop } : {}), preset }),
    );
    if (refusal !== undefined) fail(refusal);
  }
  const state = ptz.of(camera);
  return {
    data: {
      camera,
      ...state?.position,
      moving: state?.moving,
      presets: state?.presets.map(({ name }) => name),
    },
  };
}

function networkChecks(parts: ServerConsoleParts): Check[] {
  const node = parts.node();
  if (node === undefined) return [{ name: 'network', level: 'WARN', text: 'the server is starting' }];
  const { neighbor, network } = node.tables();
  const suspected = neighbor.oneHop.filter((row) => row.suspected).map(({ server }) => server);
  const count = neighbor.oneHop.length;
  const known = node.servers().length - 1;
  const checks: Check[] = [];
  if (count === 0)
    checks.push({
      name: 'network',
      level: known > 0 ? 'FAIL' : 'WARN',
      text: known > 0 ? `no neighbor, though ${known} servers are known` : 'no other server has been met yet',
      next: 'is it the only server of the site? Else `net`: link, address, UDP 8384 and TCP 8383',
    });
  else
    checks.push({
      name: 'network',
      level: suspected.length > 0 ? 'WARN' : 'OK',
      text:
        suspected.length > 0
          ? `${suspected.join(', ')} suspected of being dead`
          : `${count} neighbors, ${known} other servers, ${network.standing}`,
      ...(suspected.length > 0 ? { next: 'wait 3 s; then see whether that server runs' } : {}),
    });
  return checks;
}

function recordingChecks({ alarms, volumes, cameras }: StatusAnswer): Check[] {
  return [
    { name: 'recording', level: 'OK', text: `${cameras.length} cameras are managed here` },
    ...alarms.map(({ text, since }): Check => {
      return {
        name: 'alarm',
        level: 'FAIL',
        text: `${text} (since ${since})`,
        next: '`recording` and `disks` tell more',
      };
    }),
    ...volumes.map((volume): Check => {
      const name = `volume ${volume.number}`;
      if (volume.state !== 'ok')
        return {
          name,
          level: 'FAIL',
          text: `${volume.folder}: ${volume.state}, ${volume.reason ?? ''}`,
          next: '`disks`: is it plugged in, and does the kernel see it?',
        };
      return { name, level: 'OK', text: `${volume.folder}, ${formatBytes(volume.freeBytes)} free` };
    }),
  ];
}
