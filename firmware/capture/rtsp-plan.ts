/**
 * The pipeline of an IP camera that a unit adopts (RTSP, RFC 2326): its H.264 is passed on as it comes, never decoded;
 * its sound, whatever it is, becomes AAC. The pictures are dated by when they arrive, on the unit's clock: what an IP
 * camera thinks the time is does not matter.
 *
 * Invariant: user and password are properties of their own, never part of an address that may be printed.
 */
import type { SourceSpec } from '../config/source-spec.ts';
import { aacPrimingUs, evenSound, soundOutput, soundQueue, videoOutput } from './pipeline-parts.ts';
import type { CapturedCamera, PipelinePlan, PlannedProperty } from './pipeline-plan.ts';

type RtspSource = Extract<SourceSpec, { kind: 'rtsp' }>;

/** To connect, to agree, and to wait for a keyframe, which some cameras send every ten seconds. */
const startMs = 20_000;
/** Without an answer for so long the connection is given up, µs; the last-frame watchdog is behind it. */
const timeoutUs = 5_000_000;
/** Any authority will do. */
const unverified = ' tls-validation-flags=0';

/** `reorders`: pictures refer to later ones, so their decode times are to be worked out, which takes a few pictures. */
export function rtspPlan(camera: CapturedCamera, source: RtspSource, reorders = false): PipelinePlan {
  const { transport = 'tcp', latencyMs = 200, verify = true, user, passwordFile } = camera.rtsp ?? {};
  const launch =
    `rtspsrc name=source protocols=${transport} latency=${latencyMs} tcp-timeout=${timeoutUs} timeout=${timeoutUs}` +
    `${verify ? '' : unverified} ` +
    `source. ! application/x-rtp,media=video ! rtph264depay wait-for-keyframe=true ! ` +
    `${videoOutput(reorders ? 'h264parse ! h264timestamper ! h264parse' : 'h264parse')}`;
  const heard = ` source. ! application/x-rtp,media=audio ! decodebin name=sound ! ${evenSound} ! ${soundQueue} ! ${soundOutput}`;
  const set = (property: string, value: string | undefined): PlannedProperty[] =>
    value === undefined ? [] : [{ element: 'source', property, value }];
  const password: PlannedProperty[] =
    passwordFile === undefined
      ? set('user-pw', source.password)
      : [{ element: 'source', property: 'user-pw', firstLineOf: passwordFile }];
  return {
    launch: camera.audio ? launch + heard : launch,
    properties: [...set('location', source.url), ...set('user-id', user ?? source.user), ...password],
    sinks: camera.audio ? ['video', 'audio'] : ['video'],
    live: true,
    audioPrimingUs: aacPrimingUs,
    startMs,
    // A sound that cannot be decoded here takes no picture away.
    soundElement: 'sound',
  };
}
