/**
 * The floor of live viewing: what it costs to send frames that are there already, over TLS, from `ws` as everybody uses
 * it, to everybody who is connected. No camera, no recording, no queue that is looked after.
 *
 * Its order comes in the first argument, its port goes out over the process's channel.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { messageIn } from '../../firmware/viewing/framed-socket.ts';
import { liveStream } from '../../firmware/viewing/live-fragments.ts';
import { framesPerSecond, sampleAt, trackOf } from './recording-stream.ts';

export interface FloorOrder {
  /** paths of PEM files */
  readonly cert: string;
  readonly key: string;
  readonly kbps: number;
}

/** Frames that are sent again and again; their numbers begin with 1 again. */
const floorFrames = 10 * framesPerSecond;

const order = JSON.parse(process.argv[2] ?? '') as FloorOrder;
const stream = liveStream([trackOf('cam-1', 'floor.1')], false);
const frames = Array.from({ length: floorFrames }, (_, place) => {
  const frame = stream?.fragmentOf(1, sampleAt(1, place, order.kbps, 0));
  if (frame === undefined) throw new Error('no frame');
  return messageIn(frame);
});
const server = createServer({ cert: readFileSync(order.cert), key: readFileSync(order.key) });
const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
const sockets = new Set<WebSocket>();
webSockets.on('connection', (socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

const startMs = performance.now();
let next = 0;
const tick = (): void => {
  const due = Math.floor(((performance.now() - startMs) * framesPerSecond) / 1000);
  for (; next < due; next++) {
    const frame = frames[next % floorFrames] as Buffer;
    for (const socket of sockets) socket.send(frame);
  }
  setTimeout(tick, startMs + ((next + 1) * 1000) / framesPerSecond - performance.now());
};
tick();
process.once('disconnect', () => process.exit(0));
