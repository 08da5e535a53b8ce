/**
 * `starling leave`: a server hands its cameras over, says goodbye and stops. The command waits until it is gone, and
 * tells who has its cameras now.
 *
 * Who took a camera is read from the leaving server while it still answers, and from the other servers after that.
 * These are asked at the address of their page, and believed only where the server at that address is the right one:
 * the page of another machine may be on its loopback address.
 */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type { CamerasAnswer, LeaveAnswer, LogAnswer, SiteAnswer, TablesAnswer } from '../viewing/api.ts';
import { chooseServer, getJson, isRefused, pause, postJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import { formatLogEntry, logPath } from './log-command.ts';
import type { ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';

/** A server that has not gone by then will not go. */
const goneMs = 20_000;
const pollMs = 100;
/** A server that fails to answer so often is gone, even where something else still takes its connections. */
const silentMax = 3;
/** How long the other servers may take to know who has the cameras. */
const knownMs = 5_000;
const own = { 'x-starling-own': '1' };

/** Turns `command` into the leave command. */
export function addLeaveCommand(command: Command, terminal: Terminal): void {
  command
    .description('make a server leave in good order: its cameras are handed over, then it stops')
    .addHelpText('after', '\nExample:\n  starling leave --server http://127.0.0.1:8301')
    .action((options: ServerOptions) => leave(options, terminal));
}

async function leave(options: ServerOptions, terminal: Terminal): Promise<void> {
  const url = chooseServer(options.server);
  const [tables, site, { newest }] = await Promise.all([
    getJson<TablesAnswer>(url, '/api/tables'),
    getJson<SiteAnswer>(url, '/api/site'),
    getJson<LogAnswer>(url, '/api/log?lines=1'),
  ]);
  const leaving = new Leaving(url, tables, newest, terminal);
  await postJson<LeaveAnswer>(url, '/api/leave');
  await leaving.untilGone();
  await leaving.askOthers(site);
  const cameras = leaving.cameras();
  if (options.json) {
    const { server, seconds, story } = leaving;
    terminal.out(`${JSON.stringify({ server, seconds, cameras, log: story }, null, 2)}\n`);
    return;
  }
  for (const entry of leaving.story) terminal.err(formatLogEntry(entry));
  terminal.err(`${leaving.server} has left after ${leaving.seconds.toFixed(1)} s\n`);
  if (cameras.length > 0) {
    const rows = cameras.map(({ camera, manager }) => [camera, manager ?? '-']);
    terminal.out(formatTable(['CAMERA', 'NEW MANAGER'], rows));
  }
  const lost = cameras.filter(({ manager }) => manager === null).map(({ camera }) => camera);
  if (lost.length > 0) {
    terminal.err(
      `Who manages ${lost.join(', ')} now is not known here; ask another server: starling where\n`,
    );
  }
}

/** What is known of a server that leaves. */
class Leaving {
  readonly server: string;
  /** what it said meanwhile */
  readonly story: LogAnswer['entries'] = [];
  seconds = 0;
  private readonly url: string;
  private readonly terminal: Terminal;
  private readonly managers: Map<string, string | null>;
  private newest: number;

  constructor(url: string, tables: TablesAnswer, newest: number, terminal: Terminal) {
    this.url = url;
    this.server = tables.server;
    this.managers = new Map(tables.query.direct.map((camera) => [camera, null]));
    this.newest = newest;
    this.terminal = terminal;
  }

  cameras(): { camera: string; manager: string | null }[] {
    return [...this.managers.keys()].sort().map((camera) => {
      return { camera, manager: this.managers.get(camera) ?? null };
    });
  }

  /** Rejects with SERVER_FAILED when it stays. */
  async untilGone(): Promise<void> {
    const startMs = this.terminal.nowMs();
    const spent = (): number => this.terminal.nowMs() - startMs;
    let silent = 0;
    try {
      while (silent < silentMax) {
        if (spent() > goneMs) {
          const advice = `See \`starling log --server ${this.url}\`.`;
          throw new Failure('SERVER_FAILED', `${this.server} is still there after ${goneMs / 1000} s`, {
            advice,
          });
        }
        silent = await this.look().then(
          (here) => (here ? 0 : silentMax),
          (thrown: unknown) => silenceAfter(thrown, silent),
        );
        this.showProgress();
        if (silent < silentMax) await pause(pollMs);
      }
    } finally {
      if (this.terminal.interactive) this.terminal.err('\r\u001b[K');
    }
    this.seconds = spent() / 1000;
  }

  /** Asks the other servers for the cameras whose manager is not known. */
  async askOthers(site: SiteAnswer): Promise<void> {
    const startMs = this.terminal.nowMs();
    const inTime = (): boolean => this.terminal.nowMs() - startMs < knownMs;
    let others = site.servers.filter(({ id, state }) => id !== this.server && state === 'reachable');
    while (this.left() > 0 && others.length > 0 && inTime()) {
      const willing: typeof others = [];
      for (const other of others) {
        if (this.left() === 0 || !inTime()) return;
        if (await this.askOther(other.pageUrl, other.id).catch(() => false)) willing.push(other);
      }
      others = willing;
      if (this.left() > 0 && others.length > 0) await pause(pollMs);
    }
  }

  private async askOther(pageUrl: string, id: string): Promise<boolean> {
    const url = chooseServer(pageUrl);
    const { server } = await getJson<SiteAnswer>(url, '/api/site');
    if (server !== id) return false;
    this.take(await getJson<CamerasAnswer>(url, '/api/cameras', own));
    return true;
  }

  /** Whether it still runs; false when another server, or another run of it, answers in its place. */
  private async look(): Promise<boolean> {
    const answer = await getJson<LogAnswer>(this.url, logPath(this.newest));
    if (answer.server !== this.server || answer.newest < this.newest) return false;
    this.newest = answer.newest;
    this.story.push(...answer.entries);
    this.take(await getJson<CamerasAnswer>(this.url, '/api/cameras', own));
    return true;
  }

  private take({ cameras }: CamerasAnswer): void {
    for (const { id, manager } of cameras) {
      if (manager !== this.server && this.managers.has(id)) this.managers.set(id, manager);
    }
  }

  /** Cameras whose new manager is not known yet. */
  private left(): number {
    return [...this.managers.values()].filter((manager) => manager === null).length;
  }

  private showProgress(): void {
    if (!this.terminal.interactive) return;
    const { size } = this.managers;
    this.terminal.err(
      `\r\u001b[K${this.server} leaves: ${size - this.left()} of ${size} cameras handed over`,
    );
  }
}

/** How often in a row it has not answered, after this failure. */
function silenceAfter(thrown: unknown, silent: number): number {
  if (isRefused(thrown)) return silentMax;
  return thrown instanceof Failure && thrown.code === 'UNREACHABLE' ? silent + 1 : 0;
}
