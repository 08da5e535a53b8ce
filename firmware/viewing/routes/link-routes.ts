/** Links that show one thing of one camera to whoever has them, for a limited time. */
import type { Access } from '../../access/access.ts';
import { timeText } from '../access-answers.ts';
import type { LinkAnswer } from '../api.ts';
import { rangeOf } from '../recording-sources.ts';
import {
  type Api,
  cameraParams,
  describeRoute,
  json,
  jsonBody,
  principal,
  Refusal,
  type z,
} from '../routing.ts';
import { linkAnswer, linkWish } from '../schemas/access-schemas.ts';
import { parseTime } from '../time-query.ts';

export interface LinkRouteOptions {
  readonly accounts: Access;
}

const secondsDefault = 24 * 3600;

const linkRoute = describeRoute('viewer', {
  method: 'post',
  path: '/api/cameras/{camera}/links',
  tags: ['cameras'],
  summary: 'Makes a link for a player that cannot sign in',
  request: { params: cameraParams, body: jsonBody(linkWish) },
  responses: {
    201: json(linkAnswer, 'it ends with the rights, the password or the role of whoever made it'),
  },
});

export function addLinkRoutes(api: Api, { accounts }: LinkRouteOptions): void {
  api.openapi(linkRoute, (c) => {
    const { camera } = c.req.valid('param');
    const wish = c.req.valid('json');
    const asking = principal(c);
    const expiresAtMs =
      Math.ceil(accounts.accounts.clock.nowMs() / 1000 + (wish.seconds ?? secondsDefault)) * 1000;
    const target = `/api/cameras/${camera}/${targetOf(wish)}`;
    // Where nobody is asked who they are, a link needs no signature.
    const url =
      asking.via === 'open' ? target : accounts.links.sign(target, { user: asking.name, expiresAtMs });
    if (url === undefined) {
      throw new Refusal(503, 'this server cannot sign links', 'Give it the seal key of its site.');
    }
    return c.json({ url, expiresAt: timeText(expiresAtMs) } satisfies LinkAnswer, 201);
  });
}

function targetOf({ what, from, to, format }: z.infer<typeof linkWish>): string {
  if (format !== undefined && what !== 'video') {
    throw new Refusal(400, 'only a video has a format', 'Leave out the format, or send what: video.');
  }
  if (what === 'live') return 'playlist.m3u8';
  if (what === 'frame') {
    if (from === undefined) return 'frame.jpg';
    const at = parseTime(from);
    if (!at.ok) throw new Refusal(400, `from ${at.reason}`, 'Send from: 2026-11-22T12:00:00Z.');
    return `frame.jpg?${new URLSearchParams({ at: from }).toString()}`;
  }
  rangeOf({ from, to });
  const range = { from: from ?? '', to: to ?? '', ...(format === undefined ? {} : { format }) };
  const file = what === 'video' ? 'video.mp4' : 'playlist.m3u8';
  return `${file}?${new URLSearchParams(range).toString()}`;
}
