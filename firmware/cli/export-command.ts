/**
 * `starling export`: saves a stretch of a camera as one MP4 file.
 *
 * Invariants: the file appears under its name only when it is whole and on the disk (FILE.part until then); an
 * existing file is kept unless `--force`; what is missing in the file is named, exit code 6.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { Failure, messageOf } from '../base/failure.ts';
import type { RecordingsAnswer } from '../viewing/api.ts';
import { chooseServer, getJson, openAnswer } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import { formatBytes } from './text-table.ts';
import { parseTimeArgument } from './time-argument.ts';

const partialHeader = 'x-starling-partial';
const startHeader = 'x-starling-start';

interface ExportOptions {
  readonly server?: string;
  readonly json?: true;
  readonly from: string;
  readonly to: string;
  readonly output: string;
  readonly force?: true;
}

/** Turns `command` into the export command. */
export function addExportCommand(command: Command, terminal: Terminal): void {
  command
    .argument('<camera>', 'camera id')
    .requiredOption('--from <time>', 'ISO 8601, Unix seconds, or -10m')
    .requiredOption('--to <time>', 'the same, or now')
    .requiredOption('-o, --output <file>', 'file to write')
    .option('--force', 'overwrite the file')
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
  if (options.force === undefined) await refuseExisting(options.output);
  const query = new URLSearchParams({ from, to }).toString();
  const path = `/api/cameras/${encodeURIComponent(camera)}`;
  const response = await openAnswer(server, `${path}/video.mp4?${query}`);
  const total = terminal.interactive
    ? await expectedBytes(server, `${path}/recordings?${query}`, { from, to })
    : 0;
  const bytes = await writeWhole(response, options, total);
  const missing = missingIn(response);
  const start = String(response.headers[startHeader] ?? from);
  if (options.json) {
    terminal.out(`${JSON.stringify({ file: options.output, bytes, start, missing })}\n`);
  } else {
    terminal.err(`wrote ${options.output}: ${formatBytes(bytes)}, from ${start}\n`);
  }
  if (missing.length === 0) return;
  const advice = 'Export again when all servers can be reached; see `starling status`.';
  throw new Failure('PARTIAL', `${options.output} is not complete: missing ${missing.join(', ')}`, {
    advice,
  });
}

async function refuseExisting(file: string): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new Failure('USAGE', `${file} exists`, {
    advice: 'Name another file, or add --force to overwrite it.',
  });
}

/** About how large the file will be: the segments' bytes, in proportion to what is wanted of each. */
async function expectedBytes(
  server: string,
  path: string,
  range: { from: string; to: string },
): Promise<number> {
  const [fromMs, toMs] = [Date.parse(range.from), Date.parse(range.to)];
  const { segments } = await getJson<RecordingsAnswer>(server, path);
  return segments.reduce((sum, { from, to, bytes }) => {
    const [startMs, endMs] = [Date.parse(from), Date.parse(to)];
    const wantedMs = Math.min(endMs, toMs) - Math.max(startMs, fromMs);
    return sum + Math.round(bytes * Math.max(0, Math.min(1, wantedMs / Math.max(1, endMs - startMs))));
  }, 0);
}

/** Writes the whole body to the file and returns its length; on failure nothing is left behind. */
async function writeWhole(response: IncomingMessage, options: ExportOptions, total: number): Promise<number> {
  const part = `${options.output}.part`;
  const bar = total > 0 ? startBar(total) : undefined;
  let bytes = 0;
  try {
    const file = await open(part, 'w').catch(fileFailure(response, part));
    try {
      for await (const chunk of bodyOf(response)) {
        await file.write(chunk).catch(fileFailure(response, part));
        bytes += chunk.length;
        bar?.update(Math.min(bytes, total), { written: formatBytes(bytes) });
      }
      await file.sync().catch(fileFailure(response, part));
    } finally {
      await file.close();
    }
    if (options.force === undefined) await refuseExisting(options.output);
    await rename(part, options.output).catch(fileFailure(response, options.output));
    bar?.update(total);
    return bytes;
  } catch (thrown) {
    response.destroy();
    await rm(part, { force: true });
    throw thrown;
  } finally {
    bar?.stop();
  }
}

async function* bodyOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
  } catch (cause) {
    const advice = 'Try again.';
    throw new Failure('UNREACHABLE', `the server broke off: ${messageOf(cause)}`, { advice, cause });
  }
}

function fileFailure(response: IncomingMessage, file: string): (cause: unknown) => never {
  return (cause) => {
    response.destroy();
    const advice = 'Check the folder, its permissions and the free space.';
    throw new Failure('FILE_IO', `cannot write ${file}: ${messageOf(cause)}`, { advice, cause });
  };
}

/** Ranges that the file lacks; the trailer knows more than the header, which was sent before the body. */
function missingIn(response: IncomingMessage): string[] {
  const told = response.trailers[partialHeader] ?? response.headers[partialHeader];
  return typeof told === 'string' && told !== '' ? told.split(',').map((range) => range.trim()) : [];
}

function startBar(total: number): SingleBar {
  const bar = new SingleBar({
    format: '{bar} {percentage}%  {written}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0, { written: '' });
  return bar;
}
