/** A stretch of a camera as one file, over all servers that hold parts of it. */
import type { Context } from 'hono';

import type { AccessControl } from '../access-control.ts';
import { streamed } from '../answers.ts';
import { answerRanges } from '../held-files.ts';
import { openPlayback, playbackUsMax } from '../playback.ts';
import { ProgressiveVideos, progressiveUsMax } from '../progressive-video.ts';
import { type RecordingSources, rangeOf, sourcesFor } from '../recording-sources.ts';
import { type Api, cameraParams, describeRoute, type Env, own, principal, Refusal, z } from '../routing.ts';
import { binary, timeQuery } from '../schemas/fields.ts';
import { formatMs, formatMsUp, type TimeRange } from '../time-query.ts';
import { formatRanges } from '../time-ranges.ts';
import { whileAllowed } from '../while-allowed.ts';

/** Names the ranges that a file lacks, as header or trailer. */
const partialHeader = 'x-starling-partial';
/** A trailer: the time at which size or format of the pictures change, so that another file has to begin. */
const changedHeader = 'x-starling-changed';
/** UTC of a file's time 0. */
const startHeader = 'x-starling-start';

const videoRoute = describeRoute(
  'viewer',
  {
    method: 'get',
    path: '/api/cameras/{camera}/video.mp4',
    tags: ['recordings'],
    summary: 'A stretch as one MP4, whose time 0 is in the header x-starling-start',
    request: {
      params: cameraParams,
      query: z.object({
        from: timeQuery,
        to: timeQuery,
        format: z
          .enum(['fragmented', 'mp4'])
          .default('fragmented')
          .describe('mp4: progressive, of two hours at the most, with byte ranges'),
      }),
    },
    responses: {
      200: {
        content: { 'video/mp4': { schema: z.string().openapi({ format: 'binary' }) } },
        description:
          'the file; x-starling-partial, as header or trailer, names what is missing in it; it ends where size or format ' +
          'of the pictures change, at the time in the trailer x-starling-changed',
      },
      206: binary('video/mp4', 'with format=mp4: a range of it'),
      304: { description: 'with format=mp4: the one that is known' },
    },
  },
  { limit: { burst: 60, perMinute: 60 } },
);

interface VideoRouteOptions extends RecordingSources {
  readonly access: AccessControl;
}

export function addVideoRoutes(api: Api, options: VideoRouteOptions): void {
  const videos = new ProgressiveVideos(options.clock);
  api.openapi(videoRoute, (c) => {
    const { camera } = c.req.valid('param');
    const query = c.req.valid('query');
    const range = rangeOf(query);
    if (query.format === 'mp4') return answerProgressive(c, { camera, range, videos }, options);
    return answerVideo(c, camera, range, options);
  });
}

async function answerVideo(
  c: Context<Env>,
  camera: string,
  range: TimeRange,
  options: VideoRouteOptions,
): Promise<Response> {
  if (range.toUs - range.fromUs > playbackUsMax) {
    throw new Refusal(400, 'more than 31 days in one file', 'Ask for several shorter ranges.');
  }
  const nowUs = Math.floor(options.clock.utcMs() * 1000);
  const playback = await openPlayback(camera, range, { ...sourcesFor(c, options), nowUs });
  const headers: Record<string, string> = {
    'content-type': 'video/mp4',
    'content-disposition': `attachment; filename="${fileName(camera, range)}"`,
    // Chunked whatever its length, because of the trailer.
    'transfer-encoding': 'chunked',
    trailer: `${partialHeader}, ${changedHeader}`,
    [startHeader]: formatMs(playback.startUs),
  };
  if (playback.partial.length > 0) headers[partialHeader] = formatRanges(playback.partial);
  if (c.req.method === 'HEAD') {
    await playback.chunks.return();
    return new Response(null, { headers });
  }
  const { env } = c;
  const allowed = whileAllowed(playback.chunks, options, principal(c), camera);
  const chunks = (async function* (): AsyncGenerator<Buffer, void, void> {
    yield* allowed;
    const missing = playback.missing();
    if (missing.length > 0) env.trailer(partialHeader, formatRanges(missing));
    const changedUs = playback.changedUs();
    // Rounded up: what is asked for from there on must not begin with the keyframe before.
    if (changedUs !== undefined) env.trailer(changedHeader, formatMsUp(changedUs));
  })();
  return new Response(streamed(chunks, env), { headers });
}

async function answerProgressive(
  c: Context<Env>,
  { camera, range, videos }: { camera: string; range: TimeRange; videos: ProgressiveVideos },
  options: VideoRouteOptions,
): Promise<Response> {
  if (range.toUs - range.fromUs > progressiveUsMax) {
    const advice =
      'Ask for shorter ranges, or for format=fragmented; `starling export` makes long progressive files.';
    throw new Refusal(400, 'more than two hours in one progressive file', advice);
  }
  const nowUs = Math.floor(options.clock.utcMs() * 1000);
  const sources = { ...sourcesFor(c, options), nowUs, own: own(c) };
  const video = await videos.video(camera, range, sources, c.req.raw.signal);
  const headers = {
    'content-type': 'video/mp4',
    'content-disposition': `attachment; filename="${fileName(camera, range)}"`,
    'cache-control': 'private, no-cache',
    etag: video.etag,
    [startHeader]: formatMs(video.startUs),
    ...(video.missing.length === 0 ? {} : { [partialHeader]: formatRanges(video.missing) }),
  };
  const { bytes } = video;
  return answerRanges(c, { bytes, headers }, (start, end) =>
    whileAllowed(video.read(start, end, sources.holders), options, principal(c), camera),
  );
}

/** Such as `cam-1_2026-11-22T12-00-00Z_10m0s.mp4`: sorts by time, and no file system minds it. */
export function fileName(camera: string, { fromUs, toUs }: TimeRange): string {
  const from = formatMs(fromUs).slice(0, 19).replaceAll(':', '-');
  const seconds = Math.ceil((toUs - fromUs) / 1_000_000);
  return `${camera}_${from}Z_${Math.floor(seconds / 60)}m${seconds % 60}s.mp4`;
}
