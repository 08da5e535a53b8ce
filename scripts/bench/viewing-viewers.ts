/**
 * Many live viewers in one process: each a WebSocket over TLS that reads everything and looks at the numbers of the
 * fragments. Its order comes in the first argument; it says what came when it is asked.
 */
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';

export interface ViewersOrder {
  readonly url: string;
  /** path of the PEM file that is trusted */
  readonly ca: string;
  readonly viewers: number;
  /** numbers of fragments begin with 1 again after this one */
  readonly cycle?: number;
}

export interface ViewersReport {
  readonly connected: number;
  /** fragments that came, of all viewers */
  readonly frames: number;
  readonly bytes: number;
  /** numbers that were left out */
  readonly missed: number;
  /** sockets that were closed, and why the first one was */
  readonly closed: number;
  readonly reason: string;
}

/** Where a fragment of one sample has its number: moof, mfhd, flags. */
const numberAt = 20;

const order = JSON.parse(process.argv[2] ?? '') as ViewersOrder;
const ca = readFileSync(order.ca);
const sums = { connected: 0, frames: 0, bytes: 0, missed: 0, closed: 0, reason: '' };

function watch(): void {
  const socket = new WebSocket(order.url, { ca, perMessageDeflate: false, skipUTF8Validation: true });
  let last: number | undefined;
  socket.on('open', () => {
    sums.connected += 1;
  });
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary || data.toString('latin1', 4, 8) !== 'moof') return;
    const number = data.readUInt32BE(numberAt);
    const expected = last === order.cycle ? 1 : (last ?? number - 1) + 1;
    if (number !== expected) sums.missed += 1;
    last = number;
    sums.frames += 1;
    sums.bytes += data.length;
  });
  socket.on('error', (error) => {
    sums.reason ||= error.message;
  });
  socket.on('close', (code) => {
    sums.closed += 1;
    sums.reason ||= `code ${code}`;
  });
}

for (let viewer = 0; viewer < order.viewers; viewer++) watch();
process.on('message', () => process.send?.({ ...sums } satisfies ViewersReport));
process.once('disconnect', () => process.exit(0));
