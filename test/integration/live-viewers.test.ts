/** A hundred live viewers of one camera over real WebSockets, and one that never reads anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { queuedBytesMax } from '../../firmware/viewing/live-socket.ts';
import { frame, videoTrack } from '../support/media-samples.ts';
import { until } from '../support/network.ts';
import { ViewingSite } from '../support/viewing-site.ts';

const camera = 'door';
const viewers = 100;

let site: ViewingSite;

before(async () => {
  site = await ViewingSite.open('a', 'b');
  site.addCamera(camera, 'b');
  site.server('b').live.publishTracks(camera, [videoTrack()]);
});

after(() => site[Symbol.asyncDispose]());

/** Publishes frames [from, to), a turn of the event loop apart. */
async function publish(from: number, to: number, bytes?: number): Promise<void> {
  for (let place = from; place < to; place++) {
    const sample = frame(place, { gop: 10, ...(bytes === undefined ? {} : { bytes }) });
    site.server('b').live.publishSample(camera, 1, sample, Date.now() * 1000);
    await new Promise(setImmediate);
  }
}

class Viewer {
  readonly socket: WebSocket;
  /** numbers of the fragments that came */
  readonly numbers: number[] = [];
  dropped = 0;

  constructor(server: string) {
    this.socket = new WebSocket(
      `${site.server(server).url.replace('http', 'ws')}/api/cameras/${camera}/live`,
    );
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary && data.includes('"dropped"')) this.dropped += 1;
      if (isBinary && data.toString('latin1', 4, 8) === 'moof') this.numbers.push(data.readUInt32BE(20));
    });
  }
}

/** Speaks just enough to become a viewer, and then reads nothing. */
async function deafViewer(): Promise<Socket> {
  const { hostname, port, host } = new URL(site.server('b').url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const lines = [
    `GET /api/cameras/${camera}/live HTTP/1.1`,
    `host: ${host}`,
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    `sec-websocket-key: ${Buffer.alloc(16, 7).toString('base64')}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  await once(socket, 'readable');
  socket.pause();
  return socket;
}

describe('a hundred viewers of one camera', () => {
  for (const server of ['b', 'a']) {
    test(`get every frame in order, ${server === 'b' ? 'from its manager' : 'through another server'}`, async () => {
      const all = Array.from({ length: viewers }, () => new Viewer(server));
      try {
        await until('all of them watch', () => site.server('b').live.viewers(camera) === viewers);
        await publish(0, 90);
        // Whoever is early has seen more; the last 60 everybody must have.
        const lasts = (): Set<number> => new Set(all.map(({ numbers }) => numbers.at(-1) ?? -1));
        const shortest = (): number => Math.min(...all.map(({ numbers }) => numbers.length));
        await until('all frames have come', () => shortest() >= 60 && lasts().size === 1);
        const [last = 0] = lasts();
        for (const { numbers, dropped } of all) {
          assert.equal(dropped, 0);
          assert.deepEqual(
            numbers.slice(-60),
            Array.from({ length: 60 }, (_, place) => last - 59 + place),
          );
        }
      } finally {
        for (const { socket } of all) socket.terminate();
      }
      await until('nobody watches', () => site.server('b').live.viewers(camera) === 0);
    });
  }
});

describe('a viewer that never reads', () => {
  test('costs nobody anything: others get every frame, it is cut off, and what it cost is given back', async () => {
    const { live } = site.server('b');
    const deaf = await deafViewer();
    let closed = false;
    deaf.on('close', () => {
      closed = true;
    });
    deaf.on('error', () => undefined);
    const good = new Viewer('b');
    await until('both watch', () => live.viewers(camera) === 2);
    const bytes = 200_000;
    let place = 100;
    let most = 0;
    const startMs = Date.now();
    await until(
      'it is cut off',
      async () => {
        await publish(place, place + 2, bytes);
        place += 2;
        most = Math.max(most, process.memoryUsage().arrayBuffers);
        return live.viewers(camera) === 1;
      },
      20_000,
    );
    const seconds = (Date.now() - startMs) / 1000;
    assert.ok(seconds > 4 && seconds < 12, `after ${seconds} s`);
    assert.ok(most < 20 * queuedBytesMax, `${most} bytes were held`);
    await until('the other one has everything', () => good.numbers.length >= place - 110);
    assert.equal(good.dropped, 0);
    assert.deepEqual(
      good.numbers,
      good.numbers.map((_, index) => (good.numbers[0] ?? 0) + index),
    );
    deaf.resume();
    await until('its connection is gone', () => closed);
    good.socket.terminate();
  });
});
