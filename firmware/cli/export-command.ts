/**
 * `starling export`: saves a stretch of a camera as one MP4 file, fragmented or progressive. Where the size or the format
 * of the pictures changes, another file begins: FILE-2.mp4, FILE-3.mp4 …
 *
 * Invariants: the file appears under its name only when it is whole and on the disk (FILE.part until then); an
 * existing file is kept unless `--force`; an export that was interrupted goes on from FILE.part at the next call; what
 * is missing in the file is named, exit code 6, but not what was never recorded for a reason that is known.
 */

import { stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { SingleBar } from 'cli-progress';
import { type Command, Option } from 'commander';
import { Failure } from '../base/failure.ts';
import { formatBytes } from '../base/quantity-text.ts';
import { writeProgressive } from '../media/progressive-mp4.ts';
import type { RecordingsAnswer } from '../viewing/api.ts';
import { parseTime, type TimeRange } from '../viewing/time-query.ts';
import { chooseServer, openAnswer } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import { type Lacks, lacksOf } from './export-missing.ts';
import { type ExportRequest, PartFile, writeWholeFile } from './export-part.ts';
import { CannotJoin, overlapUs, Splice } from './export-splice.ts';
import { getRecordings } from './recordings-list.ts';
import { ResponseBody } from './response-body.ts';

import { parseTimeArgument } from './time-argument.ts';

const partialHeader = 'x-starling-partial';
const startHeader = 'x-starling-start';
const changedHeader = 'x-starling-changed';

interface ExportOptions {
  readonly server?: string;
  readonly json?: true;
  readonly from: string;
  readonly to: string;
  readonly output: string;
  readonly format: 'fragmented' | 'progressive';
  readonly force?: true;
}

/** Turns `command` into the export command. */
export function addExportCommand(command: Command, terminal: Terminal): void {
  command
    .argument('<camera>', 'camera id')
    .requiredOption('--from <time>', 'ISO 8601, Unix seconds, or -10m')
    .requiredOption('--to <time>', 'the same, or now')
    .requiredOption('-o, --output <file>', 'file to write')
    .addOption(
      new Option(
        '--format <format>',
        'fragmented: plays from any part of it; progressive: for older programs',
      )
        .choices(['fragmented', 'progressive'])
        .default('fragmented'),
    )
    .option('--force', 'overwrite the file')
    .addHelpText(
      'after',
      '\nAn export that was interrupted goes on where it stopped when it is called again with the same times.\n' +
        'Where size or format of the pictures change, another file begins: door-2.mp4, door-3.mp4 …\n' +
        'Exit code 6: the file lacks something that a server has; which, is said.\n\n' +
        'Example:\n  starling export cam-1 --from 2026-11-22T12:00:00Z --to 2026-11-22T12:10:00Z -o door.mp4',
    )
    .action((camera: string, options: ExportOptions) => save(camera, options, terminal));
}

async function save(camera: string, options: ExportOptions, terminal: Terminal): Promise<void> {
  const server = chooseServer(options.server);
  const nowMs = terminal.nowMs();
  const from = parseTimeArgument('--from', options.from, nowMs);
  const to = parseTimeArgument('--to', options.to, nowMs);
  if (from >= to) {
    throw new Failure('USAGE', `--from ${from} is not before --to ${to}`, { advice: 'Swap the two.' });
  }
  let next: Task | undefined = {
    server,
    options,
    terminal,
    request: { camera, from, to },
    file: options.output,
  };
  const missing: string[] = [];
  for (let count = 2; next !== undefined; count++) {
    const task: Task = next;
    const saved = await savedFile(task, count > 2);
    report(saved, options, terminal);
    missing.push(...saved.missing.map((range) => `${range} in ${saved.file}`));
    next = saved.changed === undefined ? undefined : following(task, saved.changed, count);
  }
  if (missing.length === 0) return;
  const advice = 'Export again when all servers can be reached; see `starling status`.';
  throw new Failure('PARTIAL', `not complete: missing ${missing.join(', ')}`, { advice });
}

/** One file. `follows`: others of the same export are there already. */
async function savedFile(task: Task, follows: boolean): Promise<Saved> {
  if (task.options.force === undefined) await refuseExisting(task.file);
  try {
    const saved = (await exported(task, false)) ?? (await exported(task, true));
    if (saved !== undefined) return saved;
    throw new Failure('SERVER_FAILED', 'the server does not go on with a file that it began itself', {
      advice: 'Check that all servers run the same version.',
    });
  } catch (thrown) {
    const kept = await exists(`${task.file}.part`);
    throw kept || follows ? interrupted(thrown, task, kept) : thrown;
  }
}

/** The file from the change of the pictures on. */
function following(task: Task, from: string, count: number): Task {
  const { dir, name, ext } = path.parse(task.options.output);
  const file = path.join(dir, `${name}-${count}${ext}`);
  task.terminal.err(`the pictures change at ${from}: what follows is saved in ${file}\n`);
  return { ...task, request: { ...task.request, from }, file };
}

interface Task {
  readonly server: string;
  readonly options: ExportOptions;
  readonly terminal: Terminal;
  readonly request: ExportRequest;
  /** where it is saved */
  readonly file: string;
}

interface Saved extends Lacks {
  readonly file: string;
  readonly bytes: number;
  readonly start: string;
  readonly format: ExportOptions['format'];
  /** bytes of an earlier call that were gone on with */
  readonly resumedBytes: number;
  /** from this time on size or format of the pictures are others, and not in this file */
  readonly changed?: string;
}

/** One attempt; undefined when the part that was there cannot be gone on with. */
async function exported(task: Task, anew: boolean): Promise<Saved | undefined> {
  const { server, request, options, terminal, file } = task;
  const list = await listed(task);
  // Nothing is created before the server has answered.
  const known = await partOf(task, anew);
  const fromUs = Date.parse(request.from) * 1000;
  const askedUs = known === undefined ? fromUs : Math.max(fromUs, known.lastUs - overlapUs);
  const query = new URLSearchParams({ from: iso(askedUs), to: request.to });
  const target = `/api/cameras/${encodeURIComponent(request.camera)}/video.mp4?${query.toString()}`;
  const response = await openAnswer(server, target).catch((thrown: unknown) => {
    // Retention may have deleted what the part ends with.
    if (known !== undefined && thrown instanceof Failure && thrown.code === 'NOT_FOUND') return undefined;
    throw thrown;
  });
  if (response === undefined) return undefined;
  const body = new ResponseBody(response);
  await using part = await openPart(task, known === undefined, response);
  const resumed = known === undefined ? undefined : part.end;
  const told = [...part.knownMissing, ...missingIn(response)];
  await part.note(told);
  if (resumed !== undefined) terminal.err(`goes on after ${formatBytes(resumed.bytes)} of ${part.path}\n`);
  const bar = startBar(terminal, expectedBytes(list, request));
  try {
    await receive(body, { part, splice: resumed && new Splice(resumed), bar });
  } catch (thrown) {
    response.destroy();
    if (thrown instanceof CannotJoin) {
      terminal.err(`${part.path} cannot be gone on with (${thrown.message}): begins anew\n`);
      return undefined;
    }
    if (part.bytes === 0) await part.discard();
    throw thrown;
  } finally {
    bar?.stop();
  }
  if (options.force === undefined) await refuseExisting(file);
  const changed = changeIn(response, request);
  const range = { fromUs, toUs: Date.parse(changed ?? request.to) * 1000 };
  const lacks = lacksOf(range, list, {
    told: [...part.knownMissing, ...missingIn(response)],
    part: resumed?.holds ?? [],
  });
  const start =
    resumed === undefined ? String(response.headers[startHeader] ?? request.from) : iso(resumed.startUs);
  const bytes = await finish(part, task);
  return {
    file,
    bytes,
    start,
    format: options.format,
    resumedBytes: resumed?.bytes ?? 0,
    ...lacks,
    ...(changed === undefined ? {} : { changed }),
  };
}

/** Where an earlier call stopped. Undefined when there is nothing to go on with. */
async function partOf({ file, request }: Task, anew: boolean): Promise<PartFile['end']> {
  if (anew || !(await exists(`${file}.part`))) return undefined;
  await using part = await PartFile.open(file, request, false);
  return part.end;
}

async function openPart(
  { file, request }: Task,
  anew: boolean,
  response: IncomingMessage,
): Promise<PartFile> {
  try {
    return await PartFile.open(file, request, anew);
  } catch (thrown) {
    response.destroy();
    throw thrown;
  }
}

/** What is recorded; without that there is no progress bar, and gaps stay unexplained. */
async function listed({ server, request }: Task): Promise<Pick<RecordingsAnswer, 'segments' | 'gaps'>> {
  try {
    return await getRecordings(server, request.camera, request);
  } catch (thrown) {
    if (thrown instanceof Failure) return { segments: [], gaps: [] };
    throw thrown;
  }
}

/** Writes the whole body. */
async function receive(
  body: ResponseBody,
  target: { part: PartFile; splice: Splice | undefined; bar: SingleBar | undefined },
): Promise<void> {
  const { part, splice, bar } = target;
  for await (const chunk of body.chunks()) {
    for (const bytes of splice === undefined ? [chunk] : splice.push(chunk)) await part.append(bytes);
    bar?.update(Math.min(part.bytes, bar.getTotal()), { written: formatBytes(part.bytes) });
  }
  splice?.finish();
}

/** Gives the file its name, in the wanted format; its length. */
async function finish(part: PartFile, { options, terminal, file }: Task): Promise<number> {
  if (options.format === 'fragmented') {
    await part.finish(file);
    return part.bytes;
  }
  const bar = startBar(terminal, part.bytes);
  try {
    const bytes = await writeWholeFile(file, (write) => {
      const onProgress = (done: number): void => bar?.update(done, { written: 'tables' });
      return writeProgressive({ read: part.read, size: part.bytes, write, onProgress });
    });
    await part.discard();
    return bytes;
  } finally {
    bar?.stop();
  }
}

function report(saved: Saved, { json }: ExportOptions, terminal: Terminal): void {
  const { file, bytes, start, gaps } = saved;
  if (json) terminal.out(`${JSON.stringify(saved)}\n`);
  else {
    terminal.err(`wrote ${file}: ${formatBytes(bytes)}, from ${start}\n`);
    for (const { from, to, reason } of gaps) terminal.err(`not recorded: ${from}/${to} (${reason})\n`);
  }
}

/** What came is `kept`; the times are given as they were resolved, because `-10m` means another time tomorrow. */
function interrupted(thrown: unknown, { options, request, file }: Task, kept: boolean): unknown {
  if (!(thrown instanceof Failure)) return thrown;
  const { camera, from, to } = request;
  const format = options.format === 'fragmented' ? '' : ` --format ${options.format}`;
  const command = `starling export ${camera} --from ${from} --to ${to} -o ${file}${format}`;
  const advice = `${thrown.advice} ${kept ? `What has come is kept in ${file}.part; go` : 'Go'} on with:\n  ${command}`;
  return new Failure(thrown.code, thrown.message, { advice, cause: thrown });
}

async function refuseExisting(file: string): Promise<void> {
  if (!(await exists(file))) return;
  throw new Failure('USAGE', `${file} exists`, {
    advice: 'Name another file, or add --force to overwrite it.',
  });
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** About how large the file will be: the segments' bytes, in proportion to what is wanted of each. */
function expectedBytes(
  { segments }: Pick<RecordingsAnswer, 'segments'>,
  range: { from: string; to: string },
): number {
  const [fromMs, toMs] = [Date.parse(range.from), Date.parse(range.to)];
  return segments.reduce((sum, { from, to, bytes }) => {
    const [startMs, endMs] = [Date.parse(from), Date.parse(to)];
    const wantedMs = Math.min(endMs, toMs) - Math.max(startMs, fromMs);
    return sum + Math.round(bytes * Math.max(0, Math.min(1, wantedMs / Math.max(1, endMs - startMs))));
  }, 0);
}

/** Ranges that the file lacks; the trailer knows more than the header, which was sent before the body. */
function missingIn(response: IncomingMessage): string[] {
  const told = response.trailers[partialHeader] ?? response.headers[partialHeader];
  return typeof told === 'string' && told !== '' ? told.split(',').map((range) => range.trim()) : [];
}

/** When the pictures change, so that the rest has to be asked for anew. */
function changeIn(response: IncomingMessage, { from, to }: ExportRequest): string | undefined {
  const told = parseTime(String(response.trailers[changedHeader] ?? ''));
  if (!told.ok) return undefined;
  const inside = told.value > Date.parse(from) * 1000 && told.value < Date.parse(to) * 1000;
  return inside ? iso(told.value) : undefined;
}

function iso(us: TimeRange['fromUs']): string {
  return new Date(Math.floor(us / 1000)).toISOString();
}

/** Undefined when nobody looks, or nothing is known about the length. */
function startBar({ interactive }: Terminal, total: number): SingleBar | undefined {
  if (!interactive || total <= 0) return undefined;
  const bar = new SingleBar({
    format: '{bar} {percentage}%  {written}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0, { written: '' });
  return bar;
}
