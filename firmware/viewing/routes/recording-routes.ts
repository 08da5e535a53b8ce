/** What is recorded of a camera: the list over all servers, and the files. */
import { formatCoverage, siteCoverage } from '../coverage.ts';
import { peersFor } from '../forwarding.ts';
import { isUnknown, unknownCamera } from '../known-cameras.ts';
import type { ProtectionAccess } from '../protection-access.ts';
import { formatProtection } from '../protection-json.ts';
import { type RecordingSources, rangeOf, sourcesFor } from '../recording-sources.ts';
import { formatRecordings, listRecordings } from '../recordings.ts';
import { type Api, cameraParams, describeRoute, json, own, z } from '../routing.ts';
import { id, timeQuery, wholeNumber } from '../schemas/fields.ts';
import { recordingsAnswer } from '../schemas/recording-schemas.ts';
import { answerSegment } from '../segment-files.ts';

/** A list of recordings without a range goes back this far. */
const defaultSpanUs = 24 * 3600 * 1_000_000;
/** A leap year in seconds: one stretch. */
const resolutionMax = 366 * 86_400;

const listRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/recordings',
  tags: ['recordings'],
  summary: 'What is recorded of a camera, by all servers',
  request: {
    params: cameraParams,
    query: z.object({
      from: timeQuery.optional().describe('by default a day before `to`'),
      to: timeQuery.optional().describe('by default now'),
      resolution: wholeNumber(1, resolutionMax)
        .optional()
        .describe('seconds: `covered` instead of `segments`, holes up to this closed; for long times'),
    }),
  },
  responses: { 200: json(recordingsAnswer, 'segments, and gaps with their reasons') },
});

const malformedName = 'use the urls that the list of recordings gives';

const segmentRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/segments/{server}/{day}/{file}',
  tags: ['recordings'],
  summary: 'A segment as a file, with byte ranges and conditions, or its inside',
  request: {
    params: cameraParams.extend({
      server: id,
      day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/, malformedName),
      file: z.string().regex(/^\d{6}\.\d{3}Z-\d{1,10}-\d{1,10}\.(mp4|json)$/, malformedName),
    }),
  },
  responses: {
    200: {
      content: {
        'video/mp4': { schema: z.string().openapi({ format: 'binary' }) },
        'application/json': { schema: z.looseObject({}) },
      },
      description: 'the whole file; as .json its tracks and fragments, which other servers read',
    },
    206: {
      content: { 'video/mp4': { schema: z.string().openapi({ format: 'binary' }) } },
      description: 'the bytes that were asked for',
    },
    304: { description: 'it has not changed' },
    416: { description: 'the range begins behind the end' },
  },
});

export interface RecordingRouteOptions extends RecordingSources {
  readonly protections: ProtectionAccess;
}

export function addRecordingRoutes(api: Api, options: RecordingRouteOptions): void {
  api.openapi(listRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const nowUs = Math.floor(options.clock.utcMs() * 1000);
    const query = c.req.valid('query');
    const range = rangeOf(query, { toUs: nowUs, spanUs: defaultSpanUs });
    const kept = options.protections
      .of(camera)
      .filter(({ fromUs, toUs }) => toUs > range.fromUs && fromUs < range.toUs)
      .map(formatProtection);
    if (query.resolution !== undefined) {
      const wanted = { ...range, resolutionUs: query.resolution * 1_000_000 };
      const sources = { ...options, peers: peersFor(c, options.peers), own: own(c) };
      const coverage = await siteCoverage(camera, wanted, sources);
      const { covered, unreachable } = coverage;
      if (covered.length === 0 && (await isUnknown(camera, unreachable, options)))
        throw unknownCamera(camera);
      return c.json({ ...formatCoverage(camera, coverage), protected: kept });
    }
    const list = await listRecordings(camera, range, sourcesFor(c, options));
    const { segments, unreachable } = list;
    if (segments.length === 0 && (await isUnknown(camera, unreachable, options))) throw unknownCamera(camera);
    return c.json({ ...formatRecordings(camera, list), protected: kept });
  });
  api.openapi(segmentRoute, (c) => {
    const { camera, server, day, file } = c.req.valid('param');
    const wanted = { camera, server, file: `${day}/${file}`, own: own(c) };
    return answerSegment(c, wanted, { ...options, peers: peersFor(c, options.peers) });
  });
}
