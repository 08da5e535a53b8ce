/**
 * What the network page knows: every server's tables, volumes and newest log lines, asked of all that can be reached, a
 * few at a time and again every three seconds. Bounded. What a server said last stays, with the time when it said so.
 */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { LogAnswer, StatusAnswer, TablesAnswer } from '../api.ts';
import { ApiFailure, getJson } from './api-client.ts';
import type { LogLine } from './repair-story.ts';
import { site } from './site-state.ts';

const everyMs = 3_000;
/** Servers that are asked in one turn; more take turns. */
const askedMax = 12;
const linesMax = 500;
const linesKept = 2_000;

export interface ServerFacts {
  readonly tables: TablesAnswer;
  readonly status: StatusAnswer | undefined;
  /** ms UTC of this device when it said so */
  readonly atMs: number;
}

export interface NetworkFacts {
  readonly servers: ReadonlyMap<string, ServerFacts>;
  readonly lines: readonly LogLine[];
}

const nothing: NetworkFacts = { servers: new Map(), lines: [] };

/** Asks for as long as the component is mounted. */
export function useNetworkFacts(): NetworkFacts {
  const facts = useSignal(nothing);
  useEffect(() => {
    const stop = new AbortController();
    const follower = new NetworkFollower(stop.signal);
    const turn = async () => {
      if (!document.hidden) facts.value = await follower.turn();
      if (!stop.signal.aborted) timer = setTimeout(() => void turn(), everyMs);
    };
    let timer: ReturnType<typeof setTimeout>;
    void turn();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, []);
  return facts.value;
}

class NetworkFollower {
  private readonly signal: AbortSignal;
  private readonly servers = new Map<string, ServerFacts>();
  /** newest line seen of each server */
  private readonly newest = new Map<string, number>();
  private lines: LogLine[] = [];
  private first = 0;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  async turn(): Promise<NetworkFacts> {
    const reachable = (site.value?.servers ?? [])
      .filter(({ state }) => state !== 'unreachable')
      .map(({ id }) => id);
    const wrapped = [...reachable.slice(this.first), ...reachable.slice(0, this.first)];
    this.first = reachable.length === 0 ? 0 : (this.first + askedMax) % reachable.length;
    await Promise.all(wrapped.slice(0, askedMax).map((server) => this.ask(server)));
    return { servers: new Map(this.servers), lines: this.lines };
  }

  private async ask(server: string): Promise<void> {
    const query = `server=${encodeURIComponent(server)}`;
    const [tables, status, log] = await Promise.all([
      this.get<TablesAnswer>(`/api/tables?${query}`),
      this.get<StatusAnswer>(`/api/status?${query}`),
      this.get<LogAnswer>(`/api/log?${query}&lines=${linesMax}&after=${this.newest.get(server) ?? 0}`),
    ]);
    if (tables !== undefined) {
      const known = status ?? this.servers.get(server)?.status;
      this.servers.set(server, { tables, status: known, atMs: Date.now() });
    }
    if (log !== undefined) this.addLines(server, log);
  }

  private addLines(server: string, { newest, entries }: LogAnswer): void {
    // counted anew: it was started again, and its lines are asked for from the first
    const known = this.newest.get(server) ?? 0;
    this.newest.set(server, newest < known ? 0 : newest);
    const fresh = entries.map(({ time, text }) => ({ server, atMs: Date.parse(time), text }));
    if (fresh.length > 0) this.lines = [...this.lines, ...fresh].slice(-linesKept);
  }

  private async get<T>(path: string): Promise<T | undefined> {
    try {
      return await getJson<T>(path, this.signal);
    } catch (problem) {
      if (problem instanceof ApiFailure) return undefined;
      throw problem;
    }
  }
}
