/** Answers about the network of servers: the patent's tables, who has a camera, a server's log. */
import { z } from '@hono/zod-openapi';
import { count, id, time } from './fields.ts';

/** A reading of the network's clock, by which "joined earlier" is decided. */
export const networkTimeAnswer = z
  .object({ at: time, count: count.describe('orders what happened within one ms') })
  .openapi('NetworkTimeAnswer');

export const addressAnswer = z.object({ host: z.string(), port: count }).openapi('AddressAnswer');

/** A server's uninterrupted management of a camera. */
export const tenureAnswer = z
  .object({
    server: z.string().describe('`unknown` where nobody knows who it was'),
    firstEpoch: count,
    lastEpoch: count,
    from: time.nullable().describe('null when nobody knows'),
    to: time.nullable().describe('null while it lasts, and for an earlier one when nobody has told its end'),
  })
  .openapi('TenureAnswer');

const linkCostMs = z.number();

/** The patent's Tables 1 to 3 of the server that is asked. */
export const tablesAnswer = z
  .object({
    server: id,
    network: z.object({
      founder: id,
      founded: networkTimeAnswer,
      standing: z
        .enum(['established', 'provisional'])
        .describe('a server that has met no other yet is a provisional network'),
      trusted: z.boolean().describe("whether the founder's clock was set"),
    }),
    neighbor: z
      .object({
        joinTime: networkTimeAnswer,
        oneHop: z.array(
          z.object({
            server: id,
            linkCostMs: linkCostMs.describe('round trip; 0 while it is not known'),
            joinTime: networkTimeAnswer,
            address: addressAnswer,
            incarnation: count,
            suspected: z.boolean(),
            load: z.number().describe('share of its capacity in use, 0 to 1'),
            neighbors: z.array(id),
          }),
        ),
        twoHop: z.array(
          z.object({
            server: id,
            from: z.array(id).describe('the 1-hop neighbors it is reached by, the cheapest first'),
            linkCostMs,
            joinTime: networkTimeAnswer,
            address: addressAnswer,
            incarnation: count,
            neighbors: z.array(id),
          }),
        ),
      })
      .describe('Table 1'),
    query: z
      .object({
        direct: z.array(id),
        indirect: z.object({ oneHop: z.array(id), further: z.array(id) }),
        servers: z.array(
          z.object({
            server: id,
            hops: z.union([z.literal(1), z.literal(2)]),
            direct: z.array(id),
            indirect1: z.array(id),
            indirect2: z.array(id),
          }),
        ),
      })
      .describe('Table 2: ids of cameras'),
    history: z
      .array(
        z.object({
          camera: id,
          state: z.enum(['online', 'offline', 'indirectly']),
          previousOwners: z.array(id),
          tenures: z.array(tenureAnswer),
        }),
      )
      .describe('Table 3'),
  })
  .openapi('TablesAnswer');

export const whereAnswer = z
  .object({
    camera: id,
    manager: id.nullable().describe('null when nobody manages it and only its history is known'),
    address: addressAnswer.nullable().describe('where other units reach the manager'),
    pageUrl: z.string().nullable().describe("where people reach the manager's page"),
    epoch: count,
    state: z
      .enum(['online', 'offline', 'unknown', 'unreachable'])
      .describe('unreachable: the manager did not answer, the rest is what was known last'),
    tenures: z.array(tenureAnswer).describe('present and previous managers, oldest first'),
  })
  .openapi('WhereAnswer');

export const logAnswer = z
  .object({
    server: id,
    newest: count.describe(
      'number of the newest entry there is; smaller than before: the server was started again',
    ),
    entries: z
      .array(
        z.object({
          number: count,
          time,
          level: z.enum(['debug', 'info', 'warn', 'error']),
          text: z.string(),
        }),
      )
      .describe('oldest first'),
  })
  .openapi('LogAnswer');

/** The server has begun to leave; it answers until it has. */
export const leaveAnswer = z.object({ server: id }).openapi('LeaveAnswer');
