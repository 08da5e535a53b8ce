/** The live WebSocket, as far as ordinary requests meet it; `live-door.ts` takes the upgrades. */
import { type Api, cameraParams, describeRoute, Refusal, z } from '../routing.ts';

const liveRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras/{camera}/live',
  tags: ['cameras'],
  summary: 'Live pictures over a WebSocket: LiveMessage as text; init segment and fragments as binary',
  request: {
    params: cameraParams,
    query: z.object({ audio: z.enum(['0', '1']).optional().describe('1: with sound') }),
  },
  responses: {
    101: { description: 'the WebSocket is open' },
    426: { description: 'this is a WebSocket' },
    503: { description: 'the camera is not live, or has too many viewers' },
  },
});

export function addLiveRoutes(api: Api): void {
  api.openapi(liveRoute, () => {
    const upgrade = { upgrade: 'websocket' };
    throw new Refusal(426, 'this is a WebSocket', 'Connect with a WebSocket client.', upgrade);
  });
}
