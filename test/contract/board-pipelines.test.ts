/**
 * The pipelines of the boards, with other elements in the place of hardware that is not here: that what comes before and
 * behind it agrees on formats, and that pictures and sound flow.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Board } from '../../firmware/boards/board-schema.ts';
import { CaptureStream, type StreamedSample } from '../../firmware/capture/capture-stream.ts';
import {
  type Aim,
  type CapturedCamera,
  type PipelinePlan,
  planPipeline,
} from '../../firmware/capture/pipeline-plan.ts';
import type { SourceSpec } from '../../firmware/config/source-spec.ts';
import { loadBoards } from '../../firmware/io/board-files.ts';
import { captureStarter } from '../../firmware/io/capture-child.ts';
import { bundle, until } from '../support/network.ts';

const size = { width: 640, height: 360, frameRate: 25 };
const camera: Omit<CapturedCamera, 'source'> = {
  id: 'door',
  ...size,
  bitrateKbps: 800,
  keyframeIntervalMs: 1_000,
  audio: true,
  microphone: 'hw:0',
};
const zoomed: Aim = { position: { pan: 0, tilt: 0, zoom: 2 }, fieldOfView: 60, digital: 'zoom' };

/** What stands for hardware, for what a source gives. */
type StandIn = readonly (readonly [hardware: string | RegExp, other: string])[];
const always: StandIn = [
  ['v4l2convert', 'videoconvert'],
  [
    /v4l2h264enc name=encoder extra-controls="[^"]*"/,
    'x264enc name=encoder tune=zerolatency speed-preset=veryfast',
  ],
  ['alsasrc name=microphone provide-clock=false', 'audiotestsrc is-live=true name=microphone'],
];
const csi: StandIn = [['libcamerasrc', 'videotestsrc is-live=true']];
const rawUsb: StandIn = [['v4l2src', 'videotestsrc is-live=true']];
const jpegUsb: StandIn = [
  [
    'v4l2src name=source !',
    'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! jpegenc !',
  ],
];
const otherSize: StandIn = [
  [
    'v4l2src name=source !',
    'videotestsrc is-live=true ! video/x-raw,format=YUY2,width=352,height=288,framerate=15/1 !',
  ],
];

function standIn(plan: PipelinePlan, standIns: StandIn): PipelinePlan {
  let { launch } = plan;
  for (const [hardware, other] of [...always, ...standIns]) launch = launch.replace(hardware, other);
  return { ...plan, launch, properties: [] };
}

/** The first samples of a plan; rejects with what went wrong. */
async function samplesOf(plan: PipelinePlan): Promise<StreamedSample[]> {
  const samples: StreamedSample[] = [];
  const complaints: string[] = [];
  const stream = new CaptureStream(plan, 'door', 'boot.0');
  const child = captureStarter(bundle)(plan, {
    data: (kind, bytes) => {
      const pushed = stream.push(kind, bytes, 0);
      if (pushed.ok) samples.push(...pushed.value);
      else complaints.push(pushed.reason);
    },
    playing: (fromUs, toUs) => stream.playing(fromUs, toUs),
    failed: (reason) => complaints.push(reason),
    ended: () => complaints.push('ended'),
    exited: (how) => complaints.push(how),
  });
  try {
    const count = (kind: string): number =>
      samples.filter(({ capture, trackId }) => capture.tracks[trackId - 1]?.kind === kind).length;
    await until(
      'pictures and sound',
      () => complaints.length > 0 || (count('video') >= 8 && count('audio') >= 8),
    );
    assert.deepEqual(complaints, []);
    return samples;
  } finally {
    child.kill();
  }
}

describe('the pipelines of the boards flow', () => {
  let boards: Board[] = [];
  before(async () => {
    assert(existsSync(bundle), 'build the program first: npm run build');
    boards = await loadBoards(join(import.meta.dirname, '..', '..', 'boards'));
  });

  const cases: [board: string, source: SourceSpec, standIns: StandIn, what: string, aim?: Aim][] = [
    ['raspberry-pi-4b', { kind: 'csi' }, csi, 'from the ribbon cable'],
    ['raspberry-pi-4b', { kind: 'csi' }, csi, 'from the ribbon cable, zoomed', zoomed],
    ['raspberry-pi-5', { kind: 'csi' }, csi, 'from the ribbon cable, zoomed', zoomed],
    ['raspberry-pi-4b', { kind: 'v4l2', device: '/dev/video0' }, jpegUsb, 'from a USB camera with JPEG'],
    ['generic-x86', { kind: 'v4l2', device: '/dev/video0' }, rawUsb, 'from a USB camera with raw pictures'],
    [
      'generic-x86',
      { kind: 'v4l2', device: '/dev/video0' },
      otherSize,
      'from a USB camera that has only another size',
    ],
  ];
  for (const [id, source, standIns, what, aim] of cases) {
    test(`${id}, ${what}`, async () => {
      const capture = boards.find((board) => board.id === id)?.capture;
      assert(capture !== undefined, `no board ${id}`);
      const plan = planPipeline({ ...camera, source }, { hue: 0, aim, capture });
      const samples = await samplesOf(standIn(plan, standIns));
      const [first] = samples;
      const tracks = first?.capture.tracks ?? [];
      assert.deepEqual(
        tracks.map(({ format }) => format.codec),
        ['h264', 'aac'],
      );
      const format = tracks[0]?.format;
      assert(format?.codec === 'h264');
      assert.deepEqual([format.width, format.height], [size.width, size.height]);
      // profile_idc and level_idc of the decoder configuration (ISO/IEC 14496-15 §5.3.3.1).
      if (capture.profile === 'high') assert.deepEqual([format.config[1], format.config[3]], [100, 40]);
    });
  }
});
