/** Recordings in other shapes: the days of a month, HLS playlists and their parts. */
import type { Context } from 'hono';
import type { DaysAnswer } from '../api.ts';
import { siteCoverage } from '../coverage.ts';
import { peersFor } from '../forwarding.ts';
import { Gate } from '../gate.ts';
import { answerHeld, answerRanges } from '../held-files.ts';
import { openPart, parsePartFile } from '../hls-part-files.ts';
import { openSegments, partsOf } from '../hls-parts.ts';
import { formatPlaylist, type PlaylistText, playlistType } from '../hls-playlist.ts';
import { inTurns } from '../in-turns.ts';
import { isUnknown, nothingRecorded, unknownCamera, unreachableHeaders } from '../known-cameras.ts';
import { LivePlaylists } from '../live-playlists.ts';
import { parseMonth, secondsByDay } from '../recorded-month.ts';
import { type RecordingSources, rangeOf, sourcesFor } from '../recording-sources.ts';
import { listAllRecordings } from '../recordings.ts';
import { type Api, cameraParams, describeRoute, type Env, json, own, Refusal } from '../routing.ts';
import { binary } from '../schemas/fields.ts';
import { daysAnswer, daysQuery, playlistQuery, segmentParams } from '../schemas/media-schemas.ts';
import type { TimeRange } from '../time-query.ts';

export interface MediaRouteOptions extends RecordingSources {
  /** for a request with a signed link (path and query): signs the addresses that its answer names */
  readonly signLinks?: (target: string) => (path: string) => string;
}

/** Longest playlist, a day: some 20,000 parts. */
const playlistUsMax = 86_400_000_000;
/** A part of a playlist of the past is at least this long. */
const partUs = 4_000_000;
/** A day's playlist needs some 50 MB and hundreds of ms while it is made. */
const playlistsAtOnce = 2;
const playlistsWaitingMax = 16;
const daysResolutionUs = 1_000_000;

const daysRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/days',
  tags: ['recordings'],
  summary: 'How much of each day of a month is recorded',
  request: { params: cameraParams, query: daysQuery },
  responses: { 200: json(daysAnswer, 'over all servers') },
});

const playlistRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/playlist.m3u8',
  tags: ['recordings'],
  summary: 'HLS playlist of a time, or of what is stored right now',
  request: { params: cameraParams, query: playlistQuery },
  responses: {
    200: binary(
      playlistType,
      'media playlist (RFC 8216); x-starling-unreachable, also with 404, names the servers that do not answer',
    ),
  },
});

const partRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/parts/{server}/{day}/{segment}/{file}',
  tags: ['recordings'],
  summary: 'A part of a playlist',
  request: { params: segmentParams },
  responses: {
    200: binary('video/mp4', 'fragments on the clock of the camera'),
    206: { description: 'a range of it' },
  },
});

export function addMediaRoutes(api: Api, options: MediaRouteOptions): void {
  const { archive, peers } = options;
  const playlists = new LivePlaylists(options);
  const gate = new Gate('a playlist', { atOnce: playlistsAtOnce, waitingMax: playlistsWaitingMax });
  api.openapi(daysRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const { month: text, offset } = c.req.valid('query');
    const month = parseMonth(text, offset);
    if (!month.ok) throw new Refusal(400, month.reason, 'Ask for ?month=2026-11&offset=60.');
    const wanted = { ...month.value.range, resolutionUs: daysResolutionUs };
    const sources = { ...options, peers: peersFor(c, peers), own: own(c) };
    const { covered, unreachable } = await siteCoverage(camera, wanted, sources);
    if (covered.length === 0 && (await isUnknown(camera, unreachable, options))) throw unknownCamera(camera);
    const days = secondsByDay(month.value, covered);
    return c.json({ camera, month: text, days, unreachable: [...unreachable] } satisfies DaysAnswer);
  });
  api.openapi(playlistRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const { from, to } = c.req.valid('query');
    const range = from === undefined && to === undefined ? undefined : playlistRange(from, to);
    const { text, unreachable } =
      range === undefined
        ? await playlists.of({ camera, own: own(c) }, signerOf(c, options))
        : await gate.run(() => storedPlaylist(c, camera, range, options));
    if (text === undefined) {
      if (await isUnknown(camera, unreachable, options)) throw unknownCamera(camera);
      throw nothingRecorded(camera, range === undefined ? 'now' : 'then', unreachable);
    }
    return c.body(text, 200, { 'content-type': playlistType, ...unreachableHeaders(unreachable) });
  });
  api.openapi(partRoute, async (c) => {
    const { camera, server, day, segment, file } = c.req.valid('param');
    const part = parsePartFile(file);
    if (part === undefined) throw new Refusal(400, 'malformed name of a part', 'Use the urls of a playlist.');
    const name = `${day}/${segment}`;
    const path = `/api/cameras/${camera}/parts/${server}/${name}/${file}`;
    return answerHeld(
      c,
      { server, path, own: own(c) },
      { ...options, peers: peersFor(c, peers) },
      async () => {
        const opened = await openPart(archive, { camera, name, part: part === 'init' ? undefined : part });
        if (opened === undefined)
          throw new Refusal(404, 'there is no such part here', 'Ask for the playlist again.');
        // Fragments are never changed, so their numbers say everything.
        const etag = `"${segment}-${file.slice(0, -4)}"`;
        const headers = { 'content-type': 'video/mp4', etag };
        return answerRanges(c, { bytes: opened.bytes, headers }, opened.read);
      },
    );
  });
}

function signerOf(c: Context<Env>, { signLinks }: MediaRouteOptions): (path: string) => string {
  const { pathname, search } = new URL(c.req.url);
  return signLinks?.(`${pathname}${search}`) ?? ((path) => path);
}

/** What may be in one playlist. */
function playlistRange(from: string | undefined, to: string | undefined): TimeRange {
  const range = rangeOf({ from, to });
  if (range.toUs - range.fromUs <= playlistUsMax) return range;
  throw new Refusal(400, 'more than a day in one playlist', 'Ask for several shorter ones.');
}

async function storedPlaylist(
  c: Context<Env>,
  camera: string,
  range: TimeRange,
  options: MediaRouteOptions,
): Promise<PlaylistText> {
  const sources = sourcesFor(c, options);
  const list = await listAllRecordings(camera, range, sources);
  const { opened, failed } = await openSegments(list.segments, sources.holders);
  const parts = (await inTurns(partsOf(opened, { range, partUs, unfinished: true }), options.clock)).flat();
  const unreachable = [...new Set([...list.unreachable, ...failed])].sort();
  if (parts.length === 0) return { text: undefined, unreachable };
  const sign = signerOf(c, options);
  const pieces = formatPlaylist(parts, {
    camera,
    sequence: 0,
    discontinuities: 0,
    ended: true,
    unreachable: [],
    sign,
  });
  return { text: (await inTurns(pieces, options.clock)).join(''), unreachable };
}
