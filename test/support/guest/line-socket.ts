/** A unix socket of an emulator that speaks in lines, once it is there: the emulator makes its sockets as it starts. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { until } from '../network.ts';

const appearsWithinMs = 20_000;

/** Connects to a socket that may not be there yet; rejects when it does not come. */
export function connectTo(path: string): Promise<Socket> {
  return until(`${path} takes a connection`, () => tryToConnect(path), appearsWithinMs);
}

function tryToConnect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // An emulator that is killed resets its sockets; whoever waits for an answer learns it from `close`.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** One line out, lines in. */
export class LineSocket implements Disposable {
  private readonly socket: Socket;

  private constructor(socket: Socket, onLine: (line: string) => void, onClose: () => void) {
    this.socket = socket;
    createInterface(socket).on('line', onLine);
    socket.once('close', onClose);
  }

  static async open(path: string, onLine: (line: string) => void, onClose: () => void): Promise<LineSocket> {
    return new LineSocket(await connectTo(path), onLine, onClose);
  }

  send(line: string): void {
    this.socket.write(`${line}\n`);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
