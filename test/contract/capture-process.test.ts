/** The capture process contract against the real child and against the script that tests play. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CaptureHandlers } from '../../firmware/capture/capture-process.ts';
import { type CapturedCamera, planPipeline } from '../../firmware/capture/pipeline-plan.ts';
import type { SourceSpec } from '../../firmware/config/source-spec.ts';
import { captureStarter } from '../../firmware/io/capture-child.ts';
import { captureProcessContract } from '../support/capture-process-contract.ts';
import { run } from '../support/gst.ts';
import { CaptureScript, type ScriptedCapture, videoReel } from '../support/scripted-capture.ts';

const size = {
  width: 160,
  height: 120,
  frameRate: 10,
  bitrateKbps: 200,
  keyframeIntervalMs: 1_000,
  audio: false,
};

function planOf(source: SourceSpec): ReturnType<typeof planPipeline> {
  const camera: CapturedCamera = { id: 'door', source, ...size };
  return planPipeline(camera, { hue: 0 });
}

const program = join(import.meta.dirname, '..', '..', 'dist', 'starling.mjs');

captureProcessContract('the real child', async () => {
  assert(existsSync(program), 'build the program first: npm run build');
  const folder = await mkdtemp(join(tmpdir(), 'starling-capture-'));
  const path = join(folder, 'short.mp4');
  const pipeline =
    'videotestsrc num-buffers=5 ! video/x-raw,width=160,height=120,framerate=10/1 ! x264enc ! mp4mux ! filesink';
  const { code, stderr } = await run('gst-launch-1.0', ['-q', ...pipeline.split(' '), `location=${path}`]);
  assert.equal(code, 0, stderr);
  const start = captureStarter(program);
  return {
    flows: (handlers) => start(planOf({ kind: 'test' }), handlers),
    fails: (handlers) => start(planOf({ kind: 'file', path: join(folder, 'absent.mp4') }), handlers),
    ends: (handlers) => start(planOf({ kind: 'file', path }), handlers),
    close: () => rm(folder, { recursive: true }),
  };
});

test('a microphone that cannot be opened is told as that, and not as the end of the picture', async () => {
  const planned = planOf({ kind: 'test' });
  const microphone = planPipeline(
    {
      id: 'door',
      source: { kind: 'v4l2', device: '/dev/video0' },
      ...size,
      audio: true,
      microphone: 'hw:77',
    },
    { hue: 0 },
  );
  const heard = microphone.launch.slice(microphone.launch.indexOf('alsasrc'));
  const plan = {
    ...microphone,
    launch: `${planned.launch} ${heard}`,
    properties: microphone.properties.filter(({ element }) => element === 'microphone'),
    ...(planned.testPicture === undefined ? {} : { testPicture: planned.testPicture }),
  };
  const told = await new Promise<string>((resolve) => {
    const child = captureStarter(program)(plan, {
      data: () => undefined,
      playing: () => undefined,
      failed: (message, lost) => {
        resolve(`${lost}: ${message}`);
        child.kill();
      },
      ended: () => resolve('ended'),
      exited: (how) => resolve(`exited: ${how}`),
    });
  });
  assert.match(told, /^sound: .*microphone/);
});

captureProcessContract('the script', async () => {
  const reel = await videoReel();
  const script = new CaptureScript();
  const starts = (handlers: CaptureHandlers, play: (capture: ScriptedCapture) => void): ScriptedCapture => {
    const capture = script.start(planOf({ kind: 'test' }), handlers) as ScriptedCapture;
    setImmediate(() => play(capture));
    return capture;
  };
  const begin = (capture: ScriptedCapture): void => {
    capture.play(1_000, 1_500);
    capture.data('video', reel.head);
  };
  return {
    flows: (handlers) =>
      starts(handlers, (capture) => {
        begin(capture);
        const next = (place: number): void => {
          const buffer = reel.buffers[place];
          if (buffer === undefined) return;
          capture.data('video', buffer);
          setImmediate(() => next(place + 1));
        };
        next(0);
      }),
    fails: (handlers) => starts(handlers, (capture) => capture.fail('no such file')),
    ends: (handlers) =>
      starts(handlers, (capture) => {
        begin(capture);
        for (const buffer of reel.buffers) capture.data('video', buffer);
        capture.end();
      }),
    close: async () => undefined,
  };
});
