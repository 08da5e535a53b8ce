/** Network faults for tests: a port that takes connections and says nothing, and a way that can be cut. */
import assert from 'node:assert/strict';
import { connect, createServer, type Server } from 'node:net';

/** Something that listens on this machine. */
interface Listening extends AsyncDisposable {
  readonly address: { host: string; port: number };
}

/** Takes connections and never says anything. */
export async function silentServer(): Promise<Listening> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  return listening(server, () => sockets);
}

/** Passes connections on to a port until it is cut. */
export async function cuttingRelay(port: number): Promise<Listening & { cut(): void }> {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    const onward = connect(port, '127.0.0.1');
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        socket.destroy();
        onward.destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  });
  const relay = await listening(server, () => sockets);
  return {
    ...relay,
    [Symbol.asyncDispose]: relay[Symbol.asyncDispose],
    cut: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function listening(server: Server, sockets: () => Iterable<{ destroy(): void }>): Promise<Listening> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return {
    address: { host: '127.0.0.1', port: address.port },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets()) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
