/**
 * The cameras of the peers of the recording bench: real H.264 (an Annex B file, looped) at 30 access units a second,
 * either over RTSP (RFC 2326, RTP interleaved on the same connection, RFC 6184 packets) or into pipes. Started by
 * recording-peers.ts with its order in the first argument; says over the process's channel when it is ready and how much
 * it has sent.
 */
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { framesPerSecond } from './recording-stream.ts';

/** What the process is to do. */
export interface PacerOrder {
  readonly file: string;
  /** named pipes that are written to; without any it serves RTSP on a free port */
  readonly pipes: readonly string[];
}

/** What it says: the port of RTSP when it is ready (0 for pipes), and payload bytes sent when it is asked. */
export type PacerReport =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'count'; readonly bytes: number };

const payloadType = 96;
const clockRate = 90_000;
const packetBytesMax = 1_400;

const order = JSON.parse(process.argv[2] ?? '') as PacerOrder;
const tell = (report: PacerReport): void => void process.send?.(report);

/** NAL units of an Annex B stream, without their start codes. */
function nalUnitsOf(stream: Buffer): Buffer[] {
  const units: Buffer[] = [];
  const code = Buffer.from([0, 0, 1]);
  for (let at = stream.indexOf(code); at >= 0; ) {
    const next = stream.indexOf(code, at + 3);
    let end = next < 0 ? stream.length : next;
    while (end > at + 3 && stream[end - 1] === 0) end -= 1;
    units.push(stream.subarray(at + 3, end));
    at = next;
  }
  return units;
}

/** Each access unit ends with its slice: the encoder was told to make one a picture. */
function accessUnitsOf(units: readonly Buffer[]): Buffer[][] {
  const accessUnits: Buffer[][] = [];
  let open: Buffer[] = [];
  for (const unit of units) {
    open.push(unit);
    const type = (unit[0] ?? 0) & 31;
    if (type === 1 || type === 5) {
      accessUnits.push(open);
      open = [];
    }
  }
  return accessUnits;
}

const units = nalUnitsOf(readFileSync(order.file));
const accessUnits = accessUnitsOf(units);
const startCode = Buffer.from([0, 0, 0, 1]);
const annexB = accessUnits.map((unit) => Buffer.concat(unit.flatMap((nal) => [startCode, nal])));
let sentBytes = 0;

/** One stream to somebody, in real time; stops when `send` says so. */
function pace(send: (place: number) => boolean): void {
  const startedAt = performance.now();
  let next = 0;
  const timer = setInterval(() => {
    const end = ((performance.now() - startedAt) * framesPerSecond) / 1000;
    for (; next < end; next++) {
      if (!send(next)) return clearInterval(timer);
      sentBytes += annexB[next % annexB.length]?.length ?? 0;
    }
  }, 1000 / framesPerSecond);
}

/** RTP packets of one access unit (RFC 6184: single NAL units and FU-A), each with its interleaved header. */
function packetsOf(place: number, firstNumber: number): Buffer[] {
  const packets: Buffer[] = [];
  const accessUnit = accessUnits[place % accessUnits.length] ?? [];
  const time = Math.round((place * clockRate) / framesPerSecond);
  const add = (last: boolean, ...payload: readonly Buffer[]): void => {
    const head = Buffer.alloc(16);
    const bytes = payload.reduce((sum, part) => sum + part.length, 0);
    head.writeUInt8(0x24, 0);
    head.writeUInt16BE(bytes + 12, 2);
    head.writeUInt8(0x80, 4);
    head.writeUInt8(payloadType | (last ? 0x80 : 0), 5);
    head.writeUInt16BE((firstNumber + packets.length) & 0xffff, 6);
    head.writeUInt32BE(time >>> 0, 8);
    head.writeUInt32BE(1, 12);
    packets.push(Buffer.concat([head, ...payload]));
  };
  for (const [index, nal] of accessUnit.entries()) {
    const isLast = index === accessUnit.length - 1;
    if (nal.length <= packetBytesMax) {
      add(isLast, nal);
      continue;
    }
    const header = nal[0] ?? 0;
    for (let at = 1; at < nal.length; at += packetBytesMax) {
      const end = Math.min(at + packetBytesMax, nal.length);
      const flags = (at === 1 ? 0x80 : 0) | (end === nal.length ? 0x40 : 0) | (header & 31);
      add(isLast && end === nal.length, Buffer.from([(header & 0xe0) | 28, flags]), nal.subarray(at, end));
    }
  }
  return packets;
}

function describe(): string {
  const ofType = (type: number): Buffer =>
    units.find((unit) => ((unit[0] ?? 0) & 31) === type) ?? Buffer.alloc(4);
  const [sps, pps] = [ofType(7), ofType(8)];
  const sets = `${sps.toString('base64')},${pps.toString('base64')}`;
  const profile = sps.subarray(1, 4).toString('hex');
  return [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=bench',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=video 0 RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} H264/${clockRate}`,
    `a=fmtp:${payloadType} packetization-mode=1;profile-level-id=${profile};sprop-parameter-sets=${sets}`,
    `a=framerate:${framesPerSecond}`,
    'a=control:track',
    '',
  ].join('\r\n');
}

/** Answers what a client of RTSP asks for before it plays. */
function serve(socket: Socket): void {
  let asked = '';
  const play = (): void => {
    let number = 0;
    pace((place) => {
      const packets = packetsOf(place, number);
      number += packets.length;
      socket.cork();
      for (const packet of packets) socket.write(packet);
      socket.uncork();
      return !socket.destroyed;
    });
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    asked += chunk.toString('latin1');
    for (let end = asked.indexOf('\r\n\r\n'); end >= 0; end = asked.indexOf('\r\n\r\n')) {
      const request = asked.slice(0, end);
      asked = asked.slice(end + 4);
      const [, method = ''] = /([A-Z_]+) \S+ RTSP\/1\.0/.exec(request) ?? [];
      const body = method === 'DESCRIBE' ? describe() : '';
      const lines = ['RTSP/1.0 200 OK', `CSeq: ${/CSeq: *(\d+)/i.exec(request)?.[1] ?? 0}`, 'Session: 1'];
      if (method === 'OPTIONS') lines.push('Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN');
      if (method === 'SETUP') lines.push('Transport: RTP/AVP/TCP;unicast;interleaved=0-1');
      if (body !== '') lines.push('Content-Type: application/sdp', `Content-Length: ${body.length}`);
      socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
      if (method === 'PLAY') play();
    }
  });
}

function feed(pipe: WriteStream): void {
  pipe.on('error', () => pipe.destroy());
  pipe.once('open', () =>
    pace((place) => {
      pipe.write(annexB[place % annexB.length]);
      return !pipe.destroyed;
    }),
  );
}

process.on('message', () => tell({ type: 'count', bytes: sentBytes }));
process.once('disconnect', () => process.exit(0));
if (order.pipes.length > 0) {
  for (const path of order.pipes) feed(createWriteStream(path));
  tell({ type: 'ready', port: 0 });
} else {
  const server = createServer(serve).listen(0, '127.0.0.1', () => {
    tell({ type: 'ready', port: (server.address() as AddressInfo).port });
  });
}
