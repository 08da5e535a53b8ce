/**
 * Protected ranges: what is kept of a camera, to keep more, to keep it no longer. Every server of the site knows them,
 * so this server's answer is everybody's.
 */
import type { ProtectedAnswer, ProtectedRangeAnswer } from '../api.ts';
import { describeDone } from '../audited-requests.ts';
import { type CameraSources, isKnown, unknownCamera } from '../known-cameras.ts';
import type { ProtectionAccess } from '../protection-access.ts';
import { formatProtection } from '../protection-json.ts';
import { rangeOf } from '../recording-sources.ts';
import { type Api, cameraParams, describeRoute, json, jsonBody, principal, Refusal, z } from '../routing.ts';
import { protectedAnswer, protectedRangeAnswer, protectWish } from '../schemas/recording-schemas.ts';

export interface ProtectionRouteOptions extends CameraSources {
  readonly protections: ProtectionAccess;
}

const path = '/api/cameras/{camera}/protected';

const listRoute = describeRoute('viewer', {
  method: 'get',
  path,
  tags: ['recordings'],
  summary: 'What is kept of a camera whatever retention says',
  request: { params: cameraParams },
  responses: { 200: json(protectedAnswer, 'by start') },
});

const addRoute = describeRoute('operator', {
  method: 'post',
  path,
  tags: ['recordings'],
  summary: 'Keeps a stretch on every server',
  request: { params: cameraParams, body: jsonBody(protectWish) },
  responses: {
    201: json(protectedRangeAnswer, 'it is kept'),
    409: { description: 'too much is kept already' },
  },
});

const removeRoute = describeRoute('operator', {
  method: 'delete',
  path: `${path}/{range}`,
  tags: ['recordings'],
  summary: 'Keeps a range no longer',
  request: { params: cameraParams.extend({ range: z.string().max(128, 'expected the id of a range') }) },
  responses: { 200: json(protectedAnswer, 'what is left') },
});

export function addProtectionRoutes(api: Api, options: ProtectionRouteOptions): void {
  const { protections } = options;
  const listOf = (camera: string): ProtectedAnswer => {
    return { camera, ranges: protections.of(camera).map(formatProtection) };
  };
  api.openapi(listRoute, (c) => c.json(listOf(c.req.valid('param').camera)));
  api.openapi(addRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const { note, by = '', ...wish } = c.req.valid('json');
    const range = rangeOf(wish);
    // A typing error would protect nothing, for ever.
    if (!(await isKnown(camera, options))) throw unknownCamera(camera);
    const asking = principal(c);
    const added = protections.add({ camera, ...range, note, by: asking.via === 'open' ? by : asking.name });
    if (added.ok) {
      const kept = formatProtection(added.value);
      describeDone(c, { detail: rangeText(kept) });
      return c.json(kept, 201);
    }
    const advice = 'Shorten the note, or remove ranges that need not be kept any longer.';
    throw new Refusal(409, added.reason, advice);
  });
  api.openapi(removeRoute, (c) => {
    const { camera, range } = c.req.valid('param');
    const kept = listOf(camera).ranges.find(({ id }) => id === range);
    if (kept === undefined || !protections.remove(camera, range)) {
      throw new Refusal(404, `no protected range of ${camera} has this id`, 'List them for those there are.');
    }
    describeDone(c, { detail: `kept no longer: ${rangeText(kept)}` });
    return c.json(listOf(camera));
  });
}

function rangeText({ from, to, note }: ProtectedRangeAnswer): string {
  return `${from} to ${to}${note === '' ? '' : `: ${note}`}`;
}
