/** `starling events`: what sensors of cameras saw: motion, a button, an end stop. The newest first. */

import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { formatSpan } from '../base/quantity-text.ts';
import type { EventsAnswer } from '../viewing/api.ts';
import { chooseServer, getJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';
import { parseTimeArgument } from './time-argument.ts';

interface EventsOptions extends ServerOptions {
  readonly from: string;
  readonly to: string;
  readonly limit: string;
}

/** Turns `command` into the events command. */
export function addEventsCommand(command: Command, terminal: Terminal): void {
  command
    .description('list what sensors of cameras saw: motion, a button, an end stop')
    .argument('[camera]', 'camera id; by default all that you may see')
    .option('--from <time>', 'ISO 8601, Unix seconds, or -10m', '-24h')
    .option('--to <time>', 'the same, or now', 'now')
    .option('--limit <n>', 'how many at most, 1 to 1000', '100')
    .addHelpText('after', '\nExamples:\n  starling events\n  starling events door --from -7d --json')
    .action((camera: string | undefined, options: EventsOptions) => events(camera, options, terminal));
}

async function events(camera: string | undefined, options: EventsOptions, terminal: Terminal): Promise<void> {
  const nowMs = terminal.nowMs();
  const query = new URLSearchParams({
    from: parseTimeArgument('--from', options.from, nowMs),
    to: parseTimeArgument('--to', options.to, nowMs),
    limit: options.limit,
  });
  if (camera !== undefined) query.set('camera', camera);
  const answer = await getJson<EventsAnswer>(chooseServer(options.server), `/api/events?${query.toString()}`);
  if (options.json) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
  else {
    terminal.out(formatTable(['FROM', 'LENGTH', 'CAMERA', 'KIND', 'SENSOR'], answer.events.map(eventRow)));
    const older = answer.next ?? answer.events.at(-1)?.from;
    if (answer.truncated && older !== undefined)
      terminal.err(`There may be older ones: add --to ${older}, or a larger --limit.\n`);
  }
  if (answer.unreachable.length === 0) return;
  const missing = answer.unreachable.join(', ');
  throw new Failure('PARTIAL', `the list is not complete: no answer from ${missing}`, {
    advice: 'Ask again when all servers can be reached; see `starling status`.',
  });
}

function eventRow({ from, to, camera, kind, sensor }: EventsAnswer['events'][number]): string[] {
  const length = to === null ? 'no end yet' : formatSpan((Date.parse(to) - Date.parse(from)) / 1_000);
  return [from, length, camera, kind, sensor];
}
