/** Commands as a test runs them: a terminal that remembers, and a server that answers as the test says. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { runCommand, type Terminal } from '../../firmware/cli/exit-codes.ts';

/** How a command line ended. */
export interface CommandResult {
  readonly out: string;
  readonly err: string;
  /** 0 unless one was set */
  readonly code: number;
}

/** Runs a command line of the commands that `add` makes. */
export async function runCommandLine(
  add: (program: Command, terminal: Terminal) => void,
  argv: readonly string[],
  given: Partial<Terminal> = {},
): Promise<CommandResult> {
  let [out, err, code] = ['', '', 0];
  const terminal: Terminal = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interactive: false,
    nowMs: () => Date.parse('2026-11-22T13:00:00Z'),
    setExitCode: (value) => {
      code = value;
    },
    ...given,
  };
  const program = new Command('starling')
    .exitOverride()
    .configureOutput({ writeErr: terminal.err, writeOut: terminal.out });
  add(program, terminal);
  await runCommand(() => program.parseAsync([...argv], { from: 'user' }), terminal);
  return { out, err, code };
}

/** A server on this machine; closing it twice is fine. */
export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  /** `GET /path?query`, in the order of asking */
  readonly asked: string[];
  /** what came with each, '' where nothing did */
  readonly bodies: string[];
  close(): Promise<void>;
}

export async function fakeServer(answer: RequestListener): Promise<FakeServer> {
  const asked: string[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.once('end', () => {
      bodies.push(body);
      answer(request, response);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return closed;
  };
  return { url: `http://127.0.0.1:${port}`, asked, bodies, close, [Symbol.asyncDispose]: close };
}
