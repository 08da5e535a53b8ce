/**
 * How a route is declared: path, what it takes and answers (one zod schema for checking, for types and for the OpenAPI
 * document), and who may use it.
 *
 *   const route = describeRoute('viewer', {
 *     method: 'get',
 *     path: '/api/cameras/{camera}/ptz',
 *     summary: 'Where a camera looks',
 *     request: { params: cameraParams },
 *     responses: { 200: json(ptzAnswer, 'where it looks') },
 *   });
 *   api.openapi(route, async (c) => c.json((await ptz.of(c.req.valid('param').camera)) satisfies PtzAnswer));
 *
 * Invariants: rights are checked before anything of the request is looked at, so that an answer to somebody without
 * them tells nothing; a path with {camera} is only for those who may see that camera; what changes something needs the
 * header `x-starling: 1`, is refused to pages of other sites, and to other servers unless it is `forwarded`.
 */
import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { Context, MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { includesRole, type Principal, type Role, seesCamera } from '../access/principal.ts';
import { Failure } from '../base/failure.ts';
import { type Connection, failureAnswer, refuse } from './answers.ts';
import { ownHeader } from './peer-headers.ts';
import type { RateLimit, RateLimits } from './rate-limits.ts';
import { foreignRequest } from './request-purpose.ts';
import { errorAnswer } from './schemas/error-schema.ts';
import { id } from './schemas/fields.ts';

export { z };

/** What a handler finds in its context. */
export type Env = {
  Bindings: Connection;
  Variables: {
    principal: Principal | undefined;
    /** why what was shown is not accepted, where there is no principal */
    unidentified: string | undefined;
    limits: RateLimits;
  };
};

export type Api = OpenAPIHono<Env>;

/** `anyone`: also nobody in particular; otherwise the least role. */
export type Access = 'anyone' | Role;

/** What holds for a route besides its access. */
export interface RouteRules {
  /** A change that another server passes on for a person who asked that one. Then the route must look at `own(c)`. */
  readonly forwarded?: boolean;
  /** how often each principal may ask */
  readonly limit?: RateLimit;
}

/** Where a route's access is kept, in the registry and in the document. */
export const accessKey = 'x-starling-access';
/** Likewise whether other servers may pass a change on. */
export const forwardedKey = 'x-starling-forwarded';

/** Most bytes of a request's body. */
export const bodyBytesMax = 16 * 1024;

/** For paths with {camera}. */
export const cameraParams = z.object({ camera: id });

/** Thrown anywhere in a handler: the answer is an ErrorAnswer with this status. */
export class Refusal extends Error {
  readonly status: number;
  readonly advice: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    advice: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.advice = advice;
    this.headers = headers;
  }
}

/** Content of an answer, or of a request's body, in JSON. */
export function json<T extends z.ZodType>(
  schema: T,
  description: string,
): { content: { 'application/json': { schema: T } }; description: string } {
  return { content: { 'application/json': { schema } }, description };
}

/** A request's body in JSON that must be there. */
export function jsonBody<T extends z.ZodType>(
  schema: T,
): { content: { 'application/json': { schema: T } }; required: true } {
  return { content: { 'application/json': { schema } }, required: true };
}

/** The route as `openapi` takes it; its handler may answer with any Response, as streams and refusals do. */
type Described<R extends RouteConfig> = Omit<R, 'responses' | 'middleware'> & {
  responses: R['responses'] & { 500: { description: string } };
};

/** Declares a route. */
export function describeRoute<
  P extends string,
  R extends Omit<RouteConfig, 'path' | 'middleware'> & { path: P },
>(access: Access, config: R, rules: RouteRules = {}): Described<R> {
  const middleware: MiddlewareHandler<Env>[] = [rightsOf(access)];
  if (config.method !== 'get') middleware.push(purposeOf(rules.forwarded === true));
  if (config.method !== 'get' && config.request?.body === undefined) middleware.push(withoutBody);
  if (rules.limit !== undefined) middleware.push(limitOf(`${config.method} ${config.path}`, rules.limit));
  const route = createRoute({
    operationId: operationIdOf(config.method, config.path),
    ...config,
    middleware,
    [accessKey]: access,
    ...(rules.forwarded === true ? { [forwardedKey]: true } : {}),
    ...(access === 'anyone' ? { security: [] } : {}),
    responses: { ...refusalsOf(access, config, rules), ...config.responses },
  });
  return route as unknown as Described<R>;
}

/** An API without routes. */
export function newApi(): Api {
  const api = new OpenAPIHono<Env>({
    defaultHook: (result) =>
      result.success
        ? undefined
        : refuse(400, faultOf(result.target, result.error), 'See /api/openapi.json for what is expected.'),
  });
  return api;
}

/** Who asks. Refuses with 401 when nobody in particular does. */
export function principal(c: Context<Env>): Principal {
  return c.get('principal') ?? refuseUnidentified(c.get('unidentified'));
}

/** Whether this server must answer from what it has itself, and ask no other. */
export function own(c: Context<Env>): boolean {
  return c.env.peer !== undefined || c.req.header(ownHeader) === '1';
}

/** How another server is told on whose behalf it is asked; nothing for this server's own business. */
export function userOf(asking: Principal | undefined): { readonly user?: string } {
  return asking === undefined || asking.via === 'open' ? {} : { user: asking.name };
}

/** The answer to whatever a handler threw; a bug's message stays inside. */
export function thrownAnswer(thrown: unknown): Response {
  if (thrown instanceof Refusal) return refuse(thrown.status, thrown.message, thrown.advice, thrown.headers);
  if (thrown instanceof HTTPException) {
    return refuse(
      thrown.status,
      lowerFirst(thrown.message),
      'Send JSON with content-type: application/json.',
    );
  }
  return failureAnswer(thrown);
}

/** Whether something that was thrown is an ordinary refusal or failure, and no bug. */
export function isOrdinary(thrown: unknown): boolean {
  return thrown instanceof Refusal || thrown instanceof HTTPException || thrown instanceof Failure;
}

function rightsOf(access: Access): MiddlewareHandler<Env> {
  return async (c, next) => {
    if (access !== 'anyone') checkRights(principal(c), access, c.req.param('camera'));
    await next();
  };
}

/** Refuses with 403 unless `asking` may do what needs `role`, with that camera. */
export function checkRights(asking: Principal, role: Role, camera: string | undefined): void {
  if (!includesRole(asking.role, role)) {
    throw new Refusal(403, `only a person with the role ${role} may do this`, 'Ask an admin of the site.');
  }
  if (camera !== undefined && !seesCamera(asking, camera)) {
    const advice = 'See /api/cameras for those you may see; an admin of the site can add others.';
    throw new Refusal(403, 'this camera is not among yours', advice);
  }
}

/** `reason`: why what was shown is not accepted. */
export function refuseUnidentified(reason = 'this server does not know who asks'): never {
  const advice = 'Sign in, or send a token as `authorization: Bearer …`.';
  throw new Refusal(401, reason, advice, { 'www-authenticate': 'Bearer' });
}

function purposeOf(forwarded: boolean): MiddlewareHandler<Env> {
  return async (c, next) => {
    const fault = c.env.peer !== undefined && forwarded ? undefined : foreignRequest(c.req, c.env.peer);
    if (fault !== undefined) throw new Refusal(403, fault.error, fault.advice);
    await next();
  };
}

/** What is not looked at is not taken either: whoever sends it thinks that it means something. */
const withoutBody: MiddlewareHandler<Env> = async (c, next) => {
  const length = c.req.header('content-length') ?? '0';
  if (length !== '0' || c.req.header('transfer-encoding') !== undefined) {
    const close = { connection: 'close' };
    throw new Refusal(413, 'the request has a body', 'Send the request without a body.', close);
  }
  await next();
};

function limitOf(name: string, limit: RateLimit): MiddlewareHandler<Env> {
  return async (c, next) => {
    const waitSeconds = c.get('limits').take(name, c.get('principal'), limit);
    if (waitSeconds > 0) {
      const headers = { 'retry-after': String(waitSeconds) };
      throw new Refusal(429, 'this was asked too often', `Try again in ${waitSeconds} s.`, headers);
    }
    await next();
  };
}

/** Such as `getCamerasRecordings`, for programs that make clients from the document. */
function operationIdOf(method: string, path: string): string {
  const words = path
    .split(/[/.]/)
    .filter((word) => word !== '' && word !== 'api' && !/^\{(camera|server)\}$/.test(word));
  const named = words
    .map((word) => word.replaceAll(/[{}]/g, ''))
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${method}${named.join('') || 'Page'}`;
}

/** The refusals that a route may answer with, for the document. */
function refusalsOf(
  access: Access,
  config: Omit<RouteConfig, 'path'> & { path: string },
  rules: RouteRules,
): RouteConfig['responses'] {
  const refusals: RouteConfig['responses'] = { default: json(errorAnswer, 'anything else that failed') };
  const add = (status: number, description: string): void => {
    refusals[status] = json(errorAnswer, description);
  };
  if (config.request !== undefined) add(400, 'something in the request makes no sense');
  if (access !== 'anyone') add(401, 'nobody has signed in');
  if (access !== 'anyone' || config.method !== 'get') add(403, 'not allowed');
  if (config.path.includes('{')) add(404, 'there is no such thing');
  if (config.request?.body !== undefined) {
    add(413, 'the body is too large');
    add(415, 'the body is no JSON');
  }
  if (rules.limit !== undefined) add(429, 'asked too often');
  return refusals;
}

/** Such as `query from: expected a string`. */
function faultOf(target: string, { issues }: z.ZodError): string {
  const [issue] = issues;
  if (issue === undefined) return `the ${target} is malformed`;
  const place = [placeNames[target] ?? target, ...issue.path.map((part) => String(part).slice(0, 40))].join(
    ' ',
  );
  return `${place}: ${lowerFirst(issue.message.replace(/^Invalid input: /, '')).slice(0, 200)}`;
}

const placeNames: Readonly<Record<string, string>> = { json: 'body', param: 'path' };

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
