/**
 * Commands that ask a server: `status`, `cameras`, `recordings`, `export`. Each prints a table for people, or with
 * `--json` the answer of the API; what is missing because a server does not answer is said on stderr, exit code 6.
 */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type {
  CameraAnswer,
  CamerasAnswer,
  RecordingsAnswer,
  SiteAnswer,
  StatusAnswer,
} from '../viewing/api.ts';
import { chooseServer, getJson } from './api-client.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { addExportCommand } from './export-command.ts';
import { addServerOptions, type ServerOptions } from './server-option.ts';
import { formatBytes, formatSpan, formatTable } from './text-table.ts';
import { parseTimeArgument } from './time-argument.ts';

/** Lists that are asked for at most: half a million segments. */
const pagesMax = 50;

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
  addExportCommand(
    addServerOptions(program.command('export').description('save a recording as one MP4 file')),
    terminal,
  );
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

/** The whole list, asked for as often as the server cuts it. */
async function getRecordings(
  server: string,
  camera: string,
  range: { from: string; to: string },
): Promise<RecordingsAnswer> {
  const ask = (from: string): Promise<RecordingsAnswer> => {
    const query = new URLSearchParams({ from, to: range.to });
    return getJson(server, `/api/cameras/${encodeURIComponent(camera)}/recordings?${query.toString()}`);
  };
  const all = await ask(range.from);
  for (let page = 1, last = all; last.truncated && page < pagesMax; page++) {
    const end = last.segments.at(-1)?.from;
    if (end === undefined) break;
    last = await ask(end);
    const known = new Set(all.segments.map(({ url }) => url));
    const fresh = last.segments.filter(({ url }) => !known.has(url));
    all.truncated = last.truncated;
    if (fresh.length === 0) break;
    all.segments.push(...fresh);
    all.unreachable = [...new Set([...all.unreachable, ...last.unreachable])].sort();
  }
  return all;
}

function refuseIncomplete(unreachable: readonly string[]): void {
  if (unreachable.length === 0) return;
  const advice = 'Ask again when all servers can be reached; see `starling status`.';
  throw new Failure('PARTIAL', `the list is not complete: no answer from ${unreachable.join(', ')}`, {
    advice,
  });
}
