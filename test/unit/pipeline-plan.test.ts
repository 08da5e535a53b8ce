/** Every plan against GStreamer's own parser; and that nothing a person wrote becomes part of a pipeline. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type CapturedCamera,
  type PipelinePlan,
  planPipeline,
} from '../../firmware/capture/pipeline-plan.ts';
import { parseSourceSpec, type SourceSpec } from '../../firmware/config/source-spec.ts';
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
];
const extremes: Partial<CapturedCamera>[] = [
  {},
  { audio: false },
  { width: 160, height: 120, frameRate: 1, bitrateKbps: 64, keyframeIntervalMs: 250 },
  { width: 3840, height: 2160, frameRate: 60, bitrateKbps: 20_000, keyframeIntervalMs: 10_000 },
];

/** Parses the launch text and sets the properties in a process of its own, without playing. */
async function construct(plan: PipelinePlan): Promise<string> {
  const program = `
    const { Pipeline } = require('gstreamer-superficial');
    const plan = JSON.parse(process.argv[1]);
    const pipeline = new Pipeline(plan.launch);
    for (const { element, property, value } of plan.properties) {
      const found = pipeline.findChild(element);
      if (found === undefined || found === null) throw new Error('no element ' + element);
      found[property] = value;
      if (found[property] !== value) throw new Error(property + ' is ' + found[property]);
    }
    for (const name of [...plan.sinks, 'encoder']) {
      if (!pipeline.findChild(name)) throw new Error('no element ' + name);
    }
    process.stdout.write('sound', () => process.kill(process.pid, 'SIGKILL'));
  `;
  const { stdout, stderr } = await run(process.execPath, ['-e', program, JSON.stringify(plan)]);
  return stdout.toString() === 'sound' ? '' : stderr;
}

for (const source of sources) {
  describe(`the plan of a ${source.kind} source`, () => {
    for (const fields of extremes) {
      test(`is understood by GStreamer (${JSON.stringify(fields)})`, async () => {
        assert.equal(await construct(planPipeline(cameraOf(source, fields), 0)), '');
      });
    }

    test('names one appsink for each of its tracks', () => {
      for (const audio of [true, false]) {
        const { launch, sinks } = planPipeline(cameraOf(source, { audio }), 0);
        const named = [...launch.matchAll(/appsink name=(\w+)/g)].map(([, name]) => name);
        assert.deepEqual(named, sinks);
        assert.deepEqual(sinks, audio && source.kind !== 'v4l2' ? ['video', 'audio'] : ['video']);
      }
    });
  });
}

test('no path, device or name is in the launch text', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(text, (path) => {
      const spec = parseSourceSpec(`file:/${path}.mp4`);
      fc.pre(spec.ok && spec.value.kind === 'file');
      const plan = planPipeline(cameraOf(spec.value), 0);
      assert.equal(plan.launch, planPipeline(cameraOf({ kind: 'file', path: 'x' }), 0).launch);
      assert.deepEqual(plan.properties, [
        { element: 'source', property: 'location', value: spec.value.path },
      ]);
    }),
  );
  const device = planPipeline(cameraOf({ kind: 'v4l2', device: '/dev/video7' }), 0);
  assert(!device.launch.includes('/dev'));
  const named = planPipeline(cameraOf({ kind: 'test' }, { id: 'fakesink' }), 0);
  assert(!named.launch.includes('fakesink'));
  assert.equal(named.testPicture?.label, 'FAKESINK');
});

test('a keyframe comes at its interval, and at least one a second of one frame', () => {
  const interval = (frameRate: number, keyframeIntervalMs: number): string | undefined =>
    /key-int-max=(\d+)/.exec(
      planPipeline(cameraOf({ kind: 'test' }, { frameRate, keyframeIntervalMs }), 0).launch,
    )?.[1];
  assert.equal(interval(25, 1_000), '25');
  assert.equal(interval(30, 2_000), '60');
  assert.equal(interval(1, 250), '1');
});
