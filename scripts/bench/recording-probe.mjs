// Loaded into a server before its program (`node --import`): measures how late its event loop is, but only while it is
// told to, because measuring wakes it a hundred times a second.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const resolutionMs = 10;
let delay;
process.on('message', (message) => {
  if (message === 'delay-on') {
    delay = monitorEventLoopDelay({ resolution: resolutionMs });
    delay.enable();
  }
  if (message === 'delay-off' && delay !== undefined) {
    delay.disable();
    // What it counts is the time from one look to the next.
    const late = (ns) => Math.max(0, ns / 1e6 - resolutionMs);
    process.send({ p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) });
    delay = undefined;
  }
});
