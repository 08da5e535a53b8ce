/**
 * Every plan of every board against GStreamer's own parser, as far as its elements exist on this machine; which do not
 * is printed. And that nothing a person wrote becomes part of a pipeline.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type { Board, BoardCapture } from '../../firmware/boards/board-schema.ts';
import { elementsOf, plainCapture } from '../../firmware/capture/pipeline-parts.ts';
import {
  type Aim,
  type CapturedCamera,
  encoderKbps,
  isLive,
  type PipelinePlan,
  type PlanOptions,
  planPipeline,
} from '../../firmware/capture/pipeline-plan.ts';
import { parseSourceSpec, type SourceSpec } from '../../firmware/config/source-spec.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';
import { run } from '../support/gst.ts';

function cameraOf(source: SourceSpec, fields: Partial<CapturedCamera> = {}): CapturedCamera {
  return {
    id: 'door',
    source,
    width: 640,
    height: 360,
    frameRate: 25,
    bitrateKbps: 1_000,
    keyframeIntervalMs: 1_000,
    audio: true,
    ...fields,
  };
}

const evilPath = '/media/a b;c & d | e ! filesink location=f.mp4';
const sources: SourceSpec[] = [
  { kind: 'test' },
  { kind: 'file', path: evilPath },
  { kind: 'v4l2', device: '/dev/video7' },
  { kind: 'csi' },
  { kind: 'csi', camera: '/base/soc/i2c0mux/i2c@1/imx708@1a' },
  { kind: 'rtsp', url: 'rtsp://10.0.0.5:8554/a?b=c&d', user: 'admin', password: 'p ! filesink' },
];
const extremes: Partial<CapturedCamera>[] = [
  {},
  { audio: false },
  { microphone: 'plughw:CARD=Device', rtsp: { transport: 'udp', latencyMs: 0, verify: false } },
  { width: 160, height: 120, frameRate: 1, bitrateKbps: 64, keyframeIntervalMs: 250 },
  { width: 3840, height: 2160, frameRate: 60, bitrateKbps: 20_000, keyframeIntervalMs: 10_000 },
];
const aims: (Aim | undefined)[] = [
  undefined,
  { position: { pan: 5, tilt: 0, zoom: 2 }, fieldOfView: 60, digital: 'all' },
];

/** Names of elements in a launch text: what is first in it, behind a `!`, or first on a branch. */
function elementsIn({ launch }: PipelinePlan): string[] {
  const words = launch.replaceAll(/"[^"]*"/g, '').split(/\s+/);
  const isElement = (word: string): boolean => /^[a-z0-9]+$/.test(word);
  return [...new Set(words.filter(isElement))];
}

/**
 * Parses launch texts and sets their properties, without playing, in a process of its own. What is wrong with each: ''
 * when nothing is.
 */
async function construct(plans: readonly PipelinePlan[]): Promise<string[]> {
  const program = `
    const { Pipeline } = require('gstreamer-superficial');
    const wrong = JSON.parse(require('node:fs').readFileSync(0, 'utf8')).map((plan) => {
      try {
        const pipeline = new Pipeline(plan.launch);
        for (const { element, property, value } of plan.properties) {
          const found = pipeline.findChild(element);
          if (!found) return 'no element ' + element;
          found[property] = value;
          // A password cannot be read again.
          if (property !== 'user-pw' && found[property] !== value) return property + ' is ' + found[property];
        }
        const named = [...plan.sinks, ...(plan.encoder ? ['encoder'] : []), ...(plan.view ? ['crop'] : [])];
        return named.filter((name) => !pipeline.findChild(name)).map((name) => 'no element ' + name).join();
      } catch (error) {
        return error.message;
      }
    });
    process.stdout.write(JSON.stringify(wrong), () => process.kill(process.pid, 'SIGKILL'));
  `;
  const input = Buffer.from(JSON.stringify(plans));
  const { stdout, stderr } = await run(process.execPath, ['-e', program], input);
  assert(stdout.length > 0, stderr);
  return JSON.parse(stdout.toString()) as string[];
}

/** Those that GStreamer does not have here. */
async function missingOf(elements: readonly string[]): Promise<string[]> {
  const program = `
    const { Pipeline } = require('gstreamer-superficial');
    const missing = JSON.parse(process.argv[1]).filter((name) => {
      try { return !new Pipeline(name + ' fakesink'); } catch { return true; }
    });
    process.stdout.write(JSON.stringify(missing), () => process.kill(process.pid, 'SIGKILL'));
  `;
  const { stdout, stderr } = await run(process.execPath, ['-e', program, JSON.stringify(elements)]);
  assert(stdout.length > 0, stderr);
  return JSON.parse(stdout.toString()) as string[];
}

function plansOf(capture: BoardCapture | undefined): PipelinePlan[] {
  return sources.flatMap((source) =>
    extremes.flatMap((fields) =>
      aims.map((aim) => planPipeline(cameraOf(source, fields), { hue: 0, aim, capture })),
    ),
  );
}

describe('the pipelines of every board', () => {
  let boards: Board[] = [];
  const absent = new Map<string, string[]>();
  before(async () => {
    boards = await loadBoards(join(import.meta.dirname, '..', '..', 'boards'));
  });
  after(() => {
    for (const [element, users] of absent)
      console.log(`not on this machine, so its pipelines were not parsed: ${element} (${users.join(', ')})`);
  });

  const cases: [who: string, capture: () => BoardCapture | undefined][] = [
    ['a machine of which nothing is known', () => undefined],
    ...[
      'raspberry-pi-zero-2w',
      'raspberry-pi-4b',
      'raspberry-pi-5',
      'generic-x86',
      'virtual',
      'qemu-virt-arm64',
    ].map((id): [string, () => BoardCapture | undefined] => [
      id,
      () => boards.find((board) => board.id === id)?.capture,
    ]),
    [
      'a board with openh264',
      () => ({ ...plainCapture, encoder: 'openh264enc', profile: 'baseline', level: '4.1' }),
    ],
  ];
  for (const [who, capture] of cases) {
    test(`are understood by GStreamer: ${who}`, async () => {
      const plans = plansOf(capture());
      const missing = await missingOf([...new Set(plans.flatMap(elementsIn))]);
      for (const element of missing) absent.set(element, [...(absent.get(element) ?? []), who]);
      const whole = plans.filter((plan) => !elementsIn(plan).some((element) => missing.includes(element)));
      const wrong = await construct(whole);
      assert.deepEqual(
        wrong.map((what, place) => (what === '' ? '' : `${what}: ${whole[place]?.launch}`)).filter(Boolean),
        [],
      );
      if (elementsOf(capture()).includes('x264enc'))
        assert(whole.length >= plans.length / 2, `${whole.length} parsed`);
    });
  }

  test('a text that is no pipeline is found out', async () => {
    const plan = planPipeline(cameraOf({ kind: 'test' }), { hue: 0 });
    const [wrong] = await construct([{ ...plan, launch: plan.launch.replace('h264parse !', 'h264parse') }]);
    assert.notEqual(wrong, '');
  });
});

for (const source of sources) {
  test(`a ${source.kind} source names one appsink for each of its tracks`, () => {
    for (const audio of [true, false]) {
      for (const microphone of [undefined, 'hw:1']) {
        const camera = cameraOf(source, { audio, ...(microphone === undefined ? {} : { microphone }) });
        const { launch, sinks } = planPipeline(camera, { hue: 0 });
        const named = [...launch.matchAll(/appsink name=(\w+)/g)].map(([, name]) => name);
        assert.deepEqual(named, sinks);
        const hears = audio && (microphone !== undefined || !['v4l2', 'csi'].includes(source.kind));
        assert.deepEqual(sinks, hears ? ['video', 'audio'] : ['video']);
      }
    }
  });
}

test('no path, device, address, password or name is in the launch text', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  const launchOf = (source: SourceSpec, fields: Partial<CapturedCamera> = {}): string =>
    planPipeline(cameraOf(source, fields), { hue: 0 }).launch;
  fc.assert(
    fc.property(text, (path) => {
      const spec = parseSourceSpec(`file:/${path}.mp4`);
      fc.pre(spec.ok && spec.value.kind === 'file');
      const plan = planPipeline(cameraOf(spec.value), { hue: 0 });
      assert.equal(plan.launch, launchOf({ kind: 'file', path: 'x' }));
      assert.deepEqual(plan.properties, [
        { element: 'source', property: 'location', value: spec.value.path, readable: true },
      ]);
      const rtsp: SourceSpec = { kind: 'rtsp', url: `rtsp://${path}`, user: path, password: path };
      assert.equal(launchOf(rtsp), launchOf({ kind: 'rtsp', url: 'rtsp://x/' }));
    }),
  );
  assert(!launchOf({ kind: 'v4l2', device: '/dev/video7' }, { microphone: 'hw:7' }).includes('7'));
  assert(!launchOf({ kind: 'csi', camera: '/base/imx' }).includes('/base'));
  const named = planPipeline(cameraOf({ kind: 'test' }, { id: 'fakesink' }), { hue: 0 });
  assert(!named.launch.includes('fakesink'));
  assert.equal(named.testPicture?.label, 'FAKESINK');
});

test('a password is taken from a file where one is named, and is then in no plan', () => {
  const source: SourceSpec = { kind: 'rtsp', url: 'rtsp://x/', user: 'a', password: 'hunter2' };
  const rtsp = {
    transport: 'tcp',
    latencyMs: 200,
    verify: true,
    user: 'b',
    passwordFile: '/etc/pw',
  } as const;
  const plan = planPipeline(cameraOf(source, { rtsp }), { hue: 0 });
  assert.deepEqual(plan.properties, [
    { element: 'source', property: 'location', value: 'rtsp://x/' },
    { element: 'source', property: 'user-id', value: 'b' },
    { element: 'source', property: 'user-pw', firstLineOf: '/etc/pw' },
  ]);
  assert(!JSON.stringify(plan).includes('hunter2'));
});

test('an IP camera’s H.264 is never encoded again', () => {
  const plan = planPipeline(cameraOf({ kind: 'rtsp', url: 'rtsp://x/' }), { hue: 0, capture: plainCapture });
  assert.equal(plan.encoder, undefined);
  assert.doesNotMatch(plan.launch, /264enc|264dec|videoconvert/);
});

test('a keyframe comes at its interval, and at least one a second of one frame', () => {
  const interval = (frameRate: number, keyframeIntervalMs: number): string | undefined =>
    /key-int-max=(\d+)/.exec(
      planPipeline(cameraOf({ kind: 'test' }, { frameRate, keyframeIntervalMs }), { hue: 0 }).launch,
    )?.[1];
  assert.equal(interval(25, 1_000), '25');
  assert.equal(interval(30, 2_000), '60');
  assert.equal(interval(1, 250), '1');
});

test('the hardware encoder of a Pi gets what it must have: a converter, a level in its caps, no picture in each', async () => {
  const boards = await loadBoards(join(import.meta.dirname, '..', '..', 'boards'));
  const capture = boards.find(({ id }) => id === 'raspberry-pi-4b')?.capture;
  const options: PlanOptions = { hue: 0, capture };
  const camera = cameraOf({ kind: 'csi' }, { frameRate: 1, keyframeIntervalMs: 250 });
  const plan = planPipeline(camera, options);
  assert.match(
    plan.launch,
    /^libcamerasrc name=source ! video\/x-raw,format=NV12,width=640,height=360,framerate=1\/1/,
  );
  assert.match(plan.launch, / v4l2convert ! v4l2h264enc name=encoder extra-controls="controls,[^"]*" ! /);
  assert.match(plan.launch, /repeat_sequence_header=1,h264_i_frame_period=2,video_bitrate=1000000/);
  assert.match(plan.launch, /" ! video\/x-h264,profile=high,level=\(string\)4 ! h264parse/);
  const { encoder } = plan;
  assert(encoder !== undefined);
  const now = { bitrateKbps: 1_000, frameRate: 1, keyframeIntervalMs: 2_000 };
  assert(isLive(encoder, now), 'nothing changes');
  assert(!isLive(encoder, { ...now, bitrateKbps: 900 }), 'another bit rate needs a restart');
  assert.equal(encoderKbps({ ...encoder, frameRate: 25 }, { ...now, frameRate: 5 }), 1_000);
  assert(
    isLive({ ...encoder, frameRate: 25, keyframeFrames: 50 }, { ...now, frameRate: 5 }),
    'fewer pictures do not',
  );
});
