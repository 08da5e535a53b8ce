/**
 * The control socket: how the field console asks the unit that runs beside it. A unix socket that only the unit's own
 * user (and root) may open; JSON, one line each way: `{"id":1,"command":"status","args":[]}` is answered by
 * `{"id":1,"ok":true,"answer":{"data":…}}` or `{"id":1,"ok":false,"code":"USAGE","message":"…","advice":"…"}`.
 *
 * Invariants: at most `clientsMax` clients with `requestsMax` requests each; a longer request ends its client; an answer is
 * at most `answerBytesMax`; a socket that a killed unit left behind is replaced, one that answers is not.
 */
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { Failure, type FailureCode, messageOf } from '../base/failure.ts';
import type { ConsoleAnswer } from '../console/command-table.ts';

const clientsMax = 8;
const requestsMax = 4;
const requestBytesMax = 64 * 1024;
const answerBytesMax = 8 * 1024 * 1024;
/** What a unix socket's address holds on Linux. */
const pathBytesMax = 107;
/** A unit that does not answer by then hangs. */
const answerMsDefault = 15_000;

/** What answers. */
export type RunCommand = (name: string, args: readonly string[]) => Promise<ConsoleAnswer>;

/** Opens it at `path`. Rejects with Failure PORT_IN_USE when another unit answers there, or FILE_IO. */
export async function openControlSocket(path: string, run: RunCommand): Promise<AsyncDisposable> {
  const advice = 'Set console.socket in unit.yaml to another path.';
  if (Buffer.byteLength(path) > pathBytesMax)
    throw new Failure('FILE_IO', `${path} is too long for a socket: ${pathBytesMax} bytes`, { advice });
  if (await answers(path)) throw new Failure('PORT_IN_USE', `another unit answers at ${path}`, { advice });
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    if (clients.size >= clientsMax) return void socket.destroy();
    clients.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => clients.delete(socket));
    serve(socket, run);
  });
  try {
    await mkdir(dirname(path), { recursive: true });
    await removeSocket(path);
    await listen(server, path);
    await chmod(path, 0o600);
  } catch (cause) {
    server.close();
    throw new Failure('FILE_IO', `cannot open ${path}: ${messageOf(cause)}`, { advice, cause });
  }
  // It alone keeps no process alive.
  server.unref();
  return {
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A unit that was killed leaves it behind. Anything else of that name is somebody's. */
async function removeSocket(path: string): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isSocket()) throw new Error('it is no socket');
  await unlink(path);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function serve(socket: Socket, run: RunCommand): void {
  let waiting = 0;
  readLines(socket, requestBytesMax, (line) => {
    if (waiting >= requestsMax) return void socket.destroy();
    waiting += 1;
    void answerTo(line, run).then((text) => {
      waiting -= 1;
      if (!socket.destroyed) socket.write(`${text}\n`);
    });
  });
}

/** Never rejects. */
async function answerTo(line: string, run: RunCommand): Promise<string> {
  let id: unknown;
  try {
    const request = parseObject(line);
    id = request['id'];
    const { command, args } = request;
    if (typeof command !== 'string' || !Array.isArray(args))
      throw new Failure('USAGE', 'a request names a command and its args', { advice: 'Send them.' });
    const answer = await run(command, args.map(String));
    const text = JSON.stringify({ id, ok: true, answer });
    if (Buffer.byteLength(text) <= answerBytesMax) return text;
    throw new Failure('USAGE', `the answer is longer than ${answerBytesMax} bytes`, {
      advice: 'Ask for less.',
    });
  } catch (thrown) {
    const failure = thrown instanceof Failure ? thrown : undefined;
    const code = failure?.code ?? 'SERVER_FAILED';
    const advice = failure?.advice ?? 'This is a bug; see the log.';
    return JSON.stringify({ id, ok: false, code, message: messageOf(thrown), advice });
  }
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // as below
  }
  throw new Failure('USAGE', 'a request is one line of JSON', { advice: 'Send an object.' });
}

function readLines(socket: Socket, bytesMax: number, take: (line: string) => void): void {
  let held = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const parts = (held + chunk).split('\n');
    held = parts.pop() ?? '';
    if (held.length > bytesMax) return void socket.destroy();
    for (const line of parts) take(line);
  });
}

/**
 * Asks the unit at `path`. Rejects with Failure UNREACHABLE when no unit is there or it does not answer, else with the
 * unit's own.
 */
export function askControl(
  path: string,
  request: { readonly command: string; readonly args: readonly string[]; readonly answerMs?: number },
): Promise<ConsoleAnswer> {
  const { command, args, answerMs = answerMsDefault } = request;
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const advice = 'Look at `status` and `log`; `start` starts it.';
    const fail = (reason: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Failure('UNREACHABLE', reason, { advice }));
    };
    const timer = setTimeout(() => fail(`the unit did not answer within ${answerMs / 1000} s`), answerMs);
    socket.once('error', () => fail('the unit does not run'));
    socket.once('close', () => fail('the unit ended before it answered'));
    readLines(socket, answerBytesMax, (line) => {
      clearTimeout(timer);
      socket.destroy();
      settle(line, resolve, reject);
    });
    socket.write(`${JSON.stringify({ id: 1, command, args })}\n`);
  });
}

function settle(
  line: string,
  resolve: (answer: ConsoleAnswer) => void,
  reject: (failure: Failure) => void,
): void {
  const { ok, answer, code, message, advice } = parseObject(line);
  if (ok === true) return resolve(answer as ConsoleAnswer);
  reject(new Failure(code as FailureCode, String(message), { advice: String(advice) }));
}
