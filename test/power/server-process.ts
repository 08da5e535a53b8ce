/** A server of the bundle as a process that is killed, not stopped, and what it says. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { until } from '../support/network.ts';

const startMs = 30_000;
const linesMax = 2_000;

export class ServerProcess implements AsyncDisposable {
  readonly lines: string[] = [];
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;

  private constructor(bundle: string, settings: string) {
    // The channel ends the server when the test ends, however that ends.
    this.child = spawn(process.execPath, [bundle, 'run', '--config', settings], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, STARLING_LOG: 'plain' },
    });
    this.ended = once(this.child, 'close');
    if (this.child.stderr !== null) {
      createInterface(this.child.stderr).on('line', (line) => {
        if (this.lines.push(line) > linesMax) this.lines.shift();
      });
    }
  }

  /** Resolves when it answers. Rejects with how its log ends when it does not come to that. */
  static async start(bundle: string, settings: string): Promise<ServerProcess> {
    const server = new ServerProcess(bundle, settings);
    try {
      await until(
        'the server says where its page is',
        () => server.child.exitCode !== null || server.page() !== undefined,
        startMs,
      );
      assert.notEqual(server.page(), undefined, 'the server ended instead of starting');
      return server;
    } catch (error) {
      await server.kill();
      throw new Error(`${String(error)}\n${server.lines.slice(-10).join('\n')}`);
    }
  }

  private page(): string | undefined {
    return this.lines.map((line) => /page (http:\S+?),/.exec(line)?.[1]).find((url) => url !== undefined);
  }

  /** GETs a path, from this server alone. Undefined when it knows no such thing. */
  async get(path: string): Promise<Buffer | undefined> {
    const response = await fetch(`${this.page()}${path}`, {
      headers: { 'x-starling-own': '1' },
      signal: AbortSignal.timeout(10_000),
    });
    const body = Buffer.from(await response.arrayBuffer());
    if (response.status === 404) return undefined;
    assert.equal(response.status, 200, `${path}: ${response.status} ${body.toString('utf8', 0, 200)}`);
    return body;
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  /** Ends it as a person would. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ended;
  }
}
