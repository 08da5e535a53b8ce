/** Answers about the site: its servers, its cameras, and how this server does. */
import { z } from '@hono/zod-openapi';
import { count, id, time } from './fields.ts';

export const siteAnswer = z
  .object({
    site: z.string(),
    server: id.describe('the one that answers'),
    version: z.string(),
    servers: z.array(
      z.object({
        id,
        state: z.enum(['self', 'reachable', 'unreachable']),
        hops: count.nullable().describe('links between that server and this one; null when unreachable'),
        pageUrl: z.string(),
        cameras: z.array(id),
        name: z.string().describe('what people call it; empty: nothing'),
      }),
    ),
  })
  .openapi('SiteAnswer');

export const cameraAnswer = z
  .object({
    id,
    unit: id.describe('the unit that carries it'),
    manager: id,
    epoch: count,
    state: z.enum(['online', 'offline', 'unreachable']),
    lastFrameAt: time
      .nullable()
      .describe('capture time of the newest frame that reached the manager; null while unknown'),
    durableThrough: time.nullable().describe('everything captured up to here is on a disk'),
    width: count.nullable(),
    height: count.nullable(),
    codecs: z.string().nullable().describe('RFC 6381, such as avc1.42c01e,mp4a.40.2'),
    name: z.string().describe('what people call it; empty: nothing'),
    group: z.string().describe('empty: none'),
    ptz: z
      .object({ pan: z.boolean(), tilt: z.boolean(), zoom: z.boolean() })
      .nullable()
      .describe('which axes move; null when it cannot be turned, or while that is not known'),
    frameRate: z.number().nullable().describe('pictures per second; null while unknown'),
  })
  .openapi('CameraAnswer');

/** Recording has stopped somewhere, whatever the live pictures show. */
export const alarmAnswer = z
  .object({
    id: z.string().describe('camera or volume, a slash, and which; or index'),
    kind: z.string(),
    text: z.string(),
    since: time,
  })
  .openapi('AlarmAnswer');

export const camerasAnswer = z
  .object({
    cameras: z.array(cameraAnswer),
    alarms: z
      .array(alarmAnswer.extend({ server: id }))
      .describe('what is wrong with recording, on all servers that answer'),
    unreachable: z.array(id).describe('servers that did not answer; what they know is missing here'),
  })
  .openapi('CamerasAnswer');

export const statusAnswer = z
  .object({
    server: id,
    version: z.string(),
    startedAt: time,
    uptimeSeconds: z.number(),
    cpuSeconds: z.number(),
    residentBytes: count,
    recordedBytes: count,
    refused: z.record(z.string(), count).describe('packets and connections refused, by reason'),
    alarms: z.array(alarmAnswer).describe('what is wrong with recording here'),
    volumes: z.array(
      z.object({
        number: count,
        id: z.string().describe('as its marker file says'),
        folder: z.string(),
        state: z.enum(['ok', 'missing', 'failed', 'full']),
        reason: z.string().nullable().describe('null while it is ok'),
        totalBytes: count,
        freeBytes: count,
        recordedBytes: count.describe('in sealed segments'),
        reserveBytes: count.describe('kept free'),
      }),
    ),
    cameras: z.array(z.object({ id, receivedBytes: count, samples: count, durableThrough: time.nullable() })),
  })
  .openapi('StatusAnswer');
