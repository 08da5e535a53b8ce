/**
 * Commands that ask a server: `status`, `cameras`, `watch`, `ptz`, `recordings`, `events`, `protect`, `export`. Each prints a table for people, or with
 * `--json` the answer of the API; what is missing because a server does not answer is said on stderr, exit code 6.
 */

import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { formatBytes, formatSpan } from '../base/quantity-text.ts';
import type { CameraAnswer, CamerasAnswer, SiteAnswer, StatusAnswer } from '../viewing/api.ts';
import { chooseServer, getJson } from './api-client.ts';
import { addEventsCommand } from './events-command.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { addExportCommand } from './export-command.ts';
import { addProtectCommand } from './protect-command.ts';
import { addPtzCommand } from './ptz-command.ts';
import { getRecordings } from './recordings-list.ts';
import { addServerOptions, type ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';
import { parseTimeArgument } from './time-argument.ts';
import { addWatchCommand } from './watch-command.ts';
import { openInBrowser } from './web-browser.ts';

/** Adds the commands to a program; `terminal` is the process unless a test brings its own. */
export function addCameraCommands(program: Command, terminal: Terminal = processTerminal): void {
  addServerOptions(program.command('status').description('what the server is doing')).action(
    (options: ServerOptions) => status(options, terminal),
  );
  addServerOptions(program.command('cameras').description('list all cameras of the site')).action(
    (options: ServerOptions) => cameras(options, terminal),
  );
  addServerOptions(program.command('recordings').description('list what is recorded of a camera'))
    .argument('<camera>', 'camera id')
    .option('--from <time>', 'ISO 8601, Unix seconds, or -10m', '-24h')
    .option('--to <time>', 'the same, or now', 'now')
    .action((camera: string, options: RecordingsOptions) => recordings(camera, options, terminal));
  addWatchCommand(addServerOptions(program.command('watch')), terminal, openInBrowser);
  addPtzCommand(addServerOptions(program.command('ptz')), terminal);
  addEventsCommand(addServerOptions(program.command('events')), terminal);
  addProtectCommand(addServerOptions(program.command('protect')), terminal);
  addExportCommand(
    addServerOptions(
      program.command('export').description('save what is recorded of a camera as one MP4 file'),
    ),
    terminal,
  );
}

function formatVolume({ folder, state, reason, ...bytes }: StatusAnswer['volumes'][number]): string[] {
  const { totalBytes, freeBytes, recordedBytes } = bytes;
  return [
    folder,
    state,
    formatBytes(recordedBytes),
    `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)}`,
    reason ?? '',
  ];
}

async function status(options: ServerOptions, terminal: Terminal): Promise<void> {
  const server = chooseServer(options.server);
  const [site, own] = await Promise.all([
    getJson<SiteAnswer>(server, '/api/site'),
    getJson<StatusAnswer>(server, '/api/status'),
  ]);
  if (options.json) {
    terminal.out(`${JSON.stringify({ site, status: own }, null, 2)}\n`);
    return;
  }
  const facts = [
    ['site', site.site],
    ['server', own.server],
    ['version', own.version],
    ['running', `${formatSpan(own.uptimeSeconds)}, since ${own.startedAt}`],
    ['recorded', formatBytes(own.recordedBytes)],
    ['memory', formatBytes(own.residentBytes)],
    ['CPU', `${own.cpuSeconds.toFixed(1)} s`],
    [
      'refused',
      Object.entries(own.refused)
        .map(([reason, count]) => `${count} ${reason}`)
        .join(', ') || 'nothing',
    ],
  ];
  terminal.out(formatTable(facts[0] ?? [], facts.slice(1)));
  if (own.alarms.length > 0) {
    terminal.out(
      `\n${formatTable(
        ['ALARM', 'SINCE', ''],
        own.alarms.map(({ id, since, text }) => [id, since, text]),
      )}`,
    );
  }
  terminal.out(
    `\n${formatTable(['VOLUME', 'STATE', 'RECORDED', 'FREE', ''], own.volumes.map(formatVolume))}`,
  );
  if (own.cameras.length > 0) {
    const safe = own.cameras.map(({ id, durableThrough }) => [id, durableThrough ?? 'nothing yet']);
    terminal.out(`\n${formatTable(['CAMERA', 'SAFE TO'], safe)}`);
  }
  const servers = site.servers.map(({ id, state, hops, cameras: ids, pageUrl }) => {
    return [id, state, hops === null ? '-' : String(hops), String(ids.length), pageUrl];
  });
  terminal.out(`\n${formatTable(['SERVER', 'STATE', 'HOPS', 'CAMERAS', 'PAGE'], servers)}`);
}

async function cameras(options: ServerOptions, terminal: Terminal): Promise<void> {
  const answer = await getJson<CamerasAnswer>(chooseServer(options.server), '/api/cameras');
  if (options.json) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
  else {
    const heading = ['CAMERA', 'STATE', 'MANAGER', 'SIZE', 'LAST FRAME', 'SAVED THROUGH'];
    terminal.out(formatTable(heading, answer.cameras.map(cameraRow)));
    if (answer.alarms.length > 0) {
      const rows = answer.alarms.map(({ server, id, since, text }) => [id, server, since, text]);
      terminal.out(`\n${formatTable(['ALARM', 'SERVER', 'SINCE', ''], rows)}`);
    }
  }
  refuseIncomplete(answer.unreachable);
}

function cameraRow(camera: CameraAnswer): string[] {
  const size = camera.width === null || camera.height === null ? '-' : `${camera.width}x${camera.height}`;
  const { id, state, manager, lastFrameAt, durableThrough } = camera;
  return [id, state, manager, size, lastFrameAt ?? '-', durableThrough ?? '-'];
}

interface RecordingsOptions extends ServerOptions {
  readonly from: string;
  readonly to: string;
}

async function recordings(camera: string, options: RecordingsOptions, terminal: Terminal): Promise<void> {
  const server = chooseServer(options.server);
  const nowMs = terminal.nowMs();
  const from = parseTimeArgument('--from', options.from, nowMs);
  const to = parseTimeArgument('--to', options.to, nowMs);
  const answer = await getRecordings(server, camera, { from, to });
  if (options.json) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
  else {
    const segments = answer.segments.map((segment) => ({
      ...segment,
      what: segment.open ? 'recording' : '',
    }));
    const gaps = answer.gaps.map((gap) => ({
      ...gap,
      server: '-',
      bytes: undefined,
      what: `gap: ${gap.reason}`,
    }));
    const rows = [...segments, ...gaps].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    const heading = ['FROM', 'TO', 'LENGTH', 'SIZE', 'SERVER', ''];
    terminal.out(
      formatTable(
        heading,
        rows.map((row) => [
          row.from,
          row.to,
          formatSpan((Date.parse(row.to) - Date.parse(row.from)) / 1000),
          row.bytes === undefined ? '-' : formatBytes(row.bytes),
          row.server,
          row.what,
        ]),
      ),
    );
  }
  refuseIncomplete(answer.unreachable);
}

function refuseIncomplete(unreachable: readonly string[]): void {
  if (unreachable.length === 0) return;
  const advice = 'Ask again when all servers can be reached; see `starling status`.';
  throw new Failure('PARTIAL', `the list is not complete: no answer from ${unreachable.join(', ')}`, {
    advice,
  });
}
