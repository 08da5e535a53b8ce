/** Answers about what sensors of cameras saw. */
import { z } from '@hono/zod-openapi';
import { id, time, timeQuery, wholeNumber } from './fields.ts';

export const eventsPerAnswerMax = 1_000;

export const eventsQuery = z.object({
  from: timeQuery.optional().openapi({ description: 'by default a day before `to`' }),
  to: timeQuery.optional().openapi({ description: 'by default now' }),
  camera: id.optional().openapi({ description: 'only of this camera' }),
  limit: wholeNumber(1, eventsPerAnswerMax).optional().openapi({ description: 'by default 100' }),
});

const eventAnswer = z
  .object({
    camera: id,
    kind: z.string().describe('motion, button, end-stop; cameras may have others'),
    sensor: z
      .string()
      .describe('which of several sensors of one kind, such as pan-min; empty where there is one'),
    from: time,
    to: time.nullable().describe('null while nobody has seen its end'),
    server: id.describe('a server that has it in its index'),
  })
  .openapi('EventAnswer');

export const eventsAnswer = z
  .object({
    events: z.array(eventAnswer).describe('the newest first'),
    unreachable: z.array(id).describe('servers that did not answer'),
    truncated: z.boolean().describe('there may be older ones'),
    next: time
      .nullable()
      .describe(
        'ask for older ones with this as `to`; null when there are none. Not later than `from`: only such as began before `from` are left. There may be fewer events than `limit`, or none, where a server had to look at too many',
      ),
  })
  .openapi('EventsAnswer');
