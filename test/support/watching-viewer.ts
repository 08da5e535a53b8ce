/**
 * A live viewer as a program of its own, for a machine of the test rig: `watching-viewer.ts URL SECONDS` watches for so
 * long and prints one line of JSON, `WhatWasSeen`.
 */
import { performance } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import type { LiveMessage } from '../../firmware/viewing/api.ts';

export interface WhatWasSeen {
  readonly pictures: number;
  /** as the server told */
  readonly dropped: number;
  /** by how much the picture that is latest came later than the one that is earliest, after its time, ms */
  readonly worstLagMs: number;
  /** the same of the last picture */
  readonly lastLagMs: number;
  /** the server has ended it */
  readonly closed: boolean;
}

const [, , url = '', seconds = '0'] = process.argv;
const socket = new WebSocket(url, { perMessageDeflate: false });
const lagsMs: number[] = [];
let pictures = 0;
let dropped = 0;
let closed = false;

socket.on('message', (data: Buffer, isBinary: boolean) => {
  if (!isBinary) {
    const message = JSON.parse(data.toString()) as LiveMessage;
    if (message.type === 'dropped') dropped += message.frames;
    return;
  }
  const fragment = parseFragment(data);
  const sample = fragment.ok ? fragment.value.batches[0]?.samples[0] : undefined;
  if (sample === undefined) return;
  pictures += 1;
  lagsMs.push(performance.now() - sample.ptsUs / 1_000);
});
socket.on('error', (error) => console.error(error.message));
socket.on('close', () => {
  closed = true;
});
setTimeout(() => {
  const earliest = Math.min(...lagsMs);
  const seen: WhatWasSeen = {
    pictures,
    dropped,
    worstLagMs: Math.max(...lagsMs) - earliest,
    lastLagMs: (lagsMs.at(-1) ?? Number.NaN) - earliest,
    closed,
  };
  console.log(JSON.stringify(seen));
  process.exit(0);
}, Number(seconds) * 1_000);
