/**
 * A viewer's WebSocket that also takes messages which are frames already (RFC 6455 §5.2): what many viewers get is framed
 * once, and goes to each in one write, without a copy.
 *
 * Invariants: frames and what `ws` sends itself keep their order, since both go to the same stream at once (there is no
 * compression, which would make `ws` wait); nothing is written to a socket that is closing.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { FramedViewerSocket } from './live-socket.ts';

/** FIN, and the opcode of a binary message. */
const binary = 0x82;
const shortMax = 125;
const mediumMax = 0xffff;
const readyStateOpen = 1;

/** A whole binary message as one unmasked frame, which is what servers send. */
export function binaryFrame(parts: readonly Uint8Array[]): Buffer {
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  const head = Buffer.alloc(headBytes(bytes));
  head[0] = binary;
  if (bytes <= shortMax) head[1] = bytes;
  else if (bytes <= mediumMax) {
    head[1] = 126;
    head.writeUInt16BE(bytes, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(bytes), 2);
  }
  return Buffer.concat([head, ...parts], head.length + bytes);
}

/** The message in a frame of `binaryFrame`. */
export function messageIn(frame: Buffer): Buffer {
  const length = frame[1] ?? 0;
  return frame.subarray(length <= shortMax ? 2 : length === 126 ? 4 : 10);
}

function headBytes(bytes: number): number {
  return bytes <= shortMax ? 2 : bytes <= mediumMax ? 4 : 10;
}

/** `stream` is what the WebSocket was upgraded on. */
export function framedSocket(socket: WebSocket, stream: Duplex): FramedViewerSocket {
  return {
    send: (data, done) => socket.send(data, done),
    sendFrame(frame) {
      if (socket.readyState === readyStateOpen) stream.write(frame);
    },
    get bufferedAmount() {
      return stream.writableLength;
    },
    ping(data) {
      if (socket.readyState === readyStateOpen) socket.ping(data);
    },
    onPong: (heard) => socket.on('pong', heard),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  };
}
