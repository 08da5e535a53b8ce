/** What is asked of, and answered about, sessions, users, tokens, links and the audit log. */
import { z } from '@hono/zod-openapi';
import { id, time, timeQuery, wholeNumber } from './fields.ts';

const userText = z.string().min(1, 'expected a name').max(64, 'expected 64 characters at most');
/** The rules of passwords are those of `access`; this is a bound. */
const passwordText = z.string().min(1, 'expected a password').max(1_024, 'is too long');

const role = z.enum(['viewer', 'operator', 'admin'], 'expected viewer, operator or admin');
/** Longest list of cameras; what fits into a row of the site document is less when their names are long. */
const camerasMax = 1_000;
const cameras = z
  .union([z.literal('all'), z.array(id).max(camerasMax)], 'expected "all" or a list of camera ids')
  .openapi({ description: '`all`, or the ids of cameras', example: 'all' });
const rights = { role, cameras };

export const sessionAnswer = z
  .object({
    user: z.string().describe('name of a user, or `token:ID`; `everybody` where nobody is asked'),
    ...rights,
    via: z.enum(['session', 'token', 'open']),
    expiresAt: time.nullable().describe('null: it does not end by itself'),
  })
  .openapi('SessionAnswer');

export const signInWish = z.strictObject({ user: userText, password: passwordText }).openapi('SignIn');

export const passwordChange = z
  .strictObject({ old: passwordText, new: passwordText })
  .openapi('PasswordChange');

export const userParams = z.object({ user: userText });
export const userConditions = z.object({
  'if-match': z
    .literal('*', 'expected *')
    .optional()
    .describe('`*`: only change the user; one that is not there is not made'),
  'if-none-match': z
    .literal('*', 'expected *')
    .optional()
    .describe('`*`: only make the user; one that is there already stays as it is'),
});
export const userWish = z
  .strictObject({ ...rights, password: passwordText.optional() })
  .openapi('UserChange');
export const userAnswer = z.object({ user: z.string(), ...rights, createdAt: time }).openapi('UserAnswer');
export const usersAnswer = z
  .object({ users: z.array(userAnswer).describe('by name') })
  .openapi('UsersAnswer');

const tokenNameMax = 100;
export const tokenParams = z.object({ token: z.string().max(48, 'expected the id of a token') });
export const tokenWish = z
  .strictObject({
    name: z.string().min(1, 'expected what it is for').max(tokenNameMax, 'is too long'),
    ...rights,
    days: z.number().positive().max(3_650, 'expected up to 3650').optional().describe('until it expires'),
  })
  .openapi('TokenWish');
export const tokenAnswer = z
  .object({
    id: z.string(),
    name: z.string(),
    ...rights,
    createdAt: time,
    createdBy: z.string(),
    expiresAt: time.nullable(),
  })
  .openapi('TokenAnswer');
export const tokensAnswer = z
  .object({ tokens: z.array(tokenAnswer).describe('by id') })
  .openapi('TokensAnswer');
export const newTokenAnswer = tokenAnswer
  .extend({ token: z.string().describe('the token itself; it is never shown again') })
  .openapi('NewTokenAnswer');

export const linkWish = z
  .strictObject({
    what: z.enum(['live', 'video', 'playlist', 'frame']),
    from: timeQuery.optional(),
    to: timeQuery.optional(),
    format: z
      .enum(['fragmented', 'mp4'], 'expected fragmented or mp4')
      .optional()
      .describe('of a video, as video.mp4 takes it: it is signed, too, and cannot be added later'),
    seconds: z
      .int()
      .min(60, 'expected 60..604800')
      .max(604_800, 'expected 60..604800')
      .optional()
      .describe('until the link expires; by default a day'),
  })
  .openapi('LinkWish');
export const linkAnswer = z
  .object({ url: z.string().describe('path and query, on any server of the site'), expiresAt: time })
  .openapi('LinkAnswer');

/** Most entries of one answer. */
const auditEntriesMax = 500;
export const auditQuery = z.object({
  before: timeQuery.optional().describe('entries before this; by default the newest'),
  limit: wholeNumber(1, auditEntriesMax).optional(),
  user: z.string().max(100).optional(),
  camera: id.optional(),
});
export const auditAnswer = z
  .object({
    entries: z
      .array(
        z.object({
          at: time,
          server: id.describe('where it was done'),
          user: z.string(),
          action: z.string(),
          camera: id.nullable(),
          detail: z.string(),
          from: z.string().describe('IP address'),
        }),
      )
      .describe('of all servers, the newest first'),
    unreachable: z.array(id).describe('servers that did not answer; what was done there is missing here'),
    more: z.boolean(),
    next: time.nullable().describe('ask for those before this; null when there are no more'),
  })
  .openapi('AuditAnswer');
