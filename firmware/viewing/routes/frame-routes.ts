/** Single frames: as JPEG, live or recorded; and keyframes as MP4, which a page decodes itself. */
import type { Context } from 'hono';
import { matchesEtag } from '../byte-range.ts';
import { peersFor } from '../forwarding.ts';
import {
  exactFrame,
  type FrameDecoder,
  FramePictures,
  type FrameSource,
  keyframeSource,
  newestFrame,
  tagOf,
} from '../frame-pictures.ts';
import { answerHeld } from '../held-files.ts';
import { isUnknown, nothingRecorded, unknownCamera } from '../known-cameras.ts';
import type { LiveHub } from '../live-hub.ts';
import {
  atHeader,
  KeyframeFinder,
  keyframeHeaders,
  keyframeMp4,
  type NearestKeyframe,
} from '../nearest-keyframe.ts';
import { type RecordingSources, sourcesFor } from '../recording-sources.ts';
import { type Api, cameraParams, describeRoute, type Env, own, Refusal } from '../routing.ts';
import { binary } from '../schemas/fields.ts';
import { frameQuery, keyframeQuery } from '../schemas/media-schemas.ts';
import { formatMs, parseTime } from '../time-query.ts';

/** Another server may decode for 10 s (`io/frame-decoder.ts`), and may have others to do first. */
const frameAnswerMs = 12_000;

export interface FrameRouteOptions extends RecordingSources {
  readonly live: LiveHub;
  /** absent where nothing can be decoded */
  readonly decoder?: FrameDecoder;
}

const frameRoute = describeRoute(
  'viewer',
  {
    method: 'get',
    path: '/api/cameras/{camera}/frame.jpg',
    tags: ['recordings', 'live'],
    summary: 'One frame',
    request: { params: cameraParams, query: frameQuery },
    responses: {
      200: binary('image/jpeg', 'the picture; x-starling-at says of when'),
      304: { description: 'the one that is known' },
      503: { description: 'the camera is not live, or too many ask' },
    },
  },
  { limit: { burst: 60, perMinute: 600 } },
);

const keyframeRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/keyframe.mp4',
  tags: ['recordings'],
  summary: 'The keyframe nearest at or before a time',
  request: { params: cameraParams, query: keyframeQuery },
  responses: {
    200: binary(
      'video/mp4',
      'one sample at media time 0; x-starling-at is its time, x-starling-next that of the next',
    ),
  },
});

export function addFrameRoutes(api: Api, options: FrameRouteOptions): void {
  const { peers, clock } = options;
  const finder = new KeyframeFinder();
  const pictures = options.decoder === undefined ? undefined : new FramePictures(options.decoder);
  api.openapi(frameRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const { at, width, exact } = c.req.valid('query');
    if (pictures === undefined) throw new Refusal(503, 'this server decodes nothing', 'Ask another server.');
    if (at === undefined) return liveFrame(c, { camera, width }, { ...options, pictures });
    const atUs = timeOf(at);
    const source =
      exact === '1'
        ? await exactFrame(camera, atUs, {
            ...sourcesFor(c, options),
            nowUs: Math.floor(clock.utcMs() * 1000),
          })
        : await keyframeBefore(c, { camera, atUs }, { ...options, finder });
    return answerPicture(c, { source, width }, pictures);
  });
  api.openapi(keyframeRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const sources = { ...options, peers: peersFor(c, peers), own: own(c) };
    const nearest = await finder.nearest(camera, timeOf(c.req.valid('query').at), sources);
    const headers = keyframeHeaders(nearest);
    const { keyframe } = nearest;
    if (keyframe === undefined) throw await noKeyframe(camera, nearest, options);
    const mp4 = keyframeMp4(keyframe);
    return c.body(new Uint8Array(mp4), 200, { ...headers, 'content-length': String(mp4.length) });
  });
}

function timeOf(text: string): number {
  const time = parseTime(text);
  if (time.ok) return time.value;
  throw new Refusal(400, `at ${time.reason}`, 'Ask for ?at=2026-11-22T12:00:00Z, or Unix seconds.');
}

async function keyframeBefore(
  c: Context<Env>,
  { camera, atUs }: { camera: string; atUs: number },
  options: FrameRouteOptions & { finder: KeyframeFinder },
): Promise<FrameSource> {
  const sources = { ...options, peers: peersFor(c, options.peers), own: own(c) };
  const nearest = await options.finder.nearest(camera, atUs, sources);
  if (nearest.keyframe !== undefined) return keyframeSource(nearest.keyframe);
  throw await noKeyframe(camera, nearest, options);
}

async function noKeyframe(
  camera: string,
  nearest: NearestKeyframe,
  options: FrameRouteOptions,
): Promise<Refusal> {
  const { nextUs, unreachable } = nearest;
  if (nextUs === undefined && (await isUnknown(camera, unreachable, options))) return unknownCamera(camera);
  return nothingRecorded(camera, 'at that time or before', unreachable, keyframeHeaders(nearest));
}

async function answerPicture(
  c: Context<Env>,
  { source, width }: { source: FrameSource; width: number | undefined },
  pictures: FramePictures,
): Promise<Response> {
  const etag = tagOf(source, width);
  const headers = { etag, [atHeader]: formatMs(source.atUs), 'cache-control': 'private, no-cache' };
  if (matchesEtag(c.req.header('if-none-match'), etag)) return c.body(null, 304, headers);
  const jpeg = await pictures.picture(source, width);
  return c.body(new Uint8Array(jpeg), 200, {
    ...headers,
    'content-type': 'image/jpeg',
    'content-length': String(jpeg.length),
  });
}

/** The newest frame: of this server's camera, or from the server that manages it. */
async function liveFrame(
  c: Context<Env>,
  { camera, width }: { camera: string; width: number | undefined },
  options: FrameRouteOptions & { pictures: FramePictures },
): Promise<Response> {
  const { live, clock, directory, pictures, peers } = options;
  const source = newestFrame(live, camera, clock);
  if (source !== undefined) return answerPicture(c, { source, width }, pictures);
  const entry = directory.cameras().find(({ id }) => id === camera);
  if (entry === undefined) throw unknownCamera(camera);
  if (entry.manager === directory.self || own(c)) {
    const advice = 'Ask with ?at= for a frame of its recordings.';
    throw new Refusal(503, `${camera} is not live on this server`, advice);
  }
  const path = `/api/cameras/${camera}/frame.jpg${width === undefined ? '' : `?width=${width}`}`;
  const held = { server: entry.manager, path, own: false, timeoutMs: frameAnswerMs };
  return answerHeld(c, held, { directory, clock, peers: peersFor(c, peers) }, () => {
    throw new Refusal(503, `${camera} is not live on this server`, 'Try again in a moment.');
  });
}
