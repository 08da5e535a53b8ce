/** `GET /metrics`: what Prometheus reads of this server. It tells of all cameras here, so it is for those who may see all. */
import { type Api, describeRoute, principal, Refusal, z } from '../routing.ts';

/** Whoever keeps the figures. */
export interface MetricsAccess {
  /** the exposition, with its content type */
  render(): Promise<{ readonly type: string; readonly text: string }>;
}

export interface MetricsRouteOptions {
  readonly metrics: MetricsAccess;
}

const metricsRoute = describeRoute(
  'viewer',
  {
    method: 'get',
    path: '/metrics',
    summary: 'Figures of this server in the text format of Prometheus',
    description: 'Only for those who may see all cameras. Scrape every server: each tells of itself.',
    responses: {
      200: { content: { 'text/plain': { schema: z.string() } }, description: 'text format 0.0.4' },
    },
  },
  // A scrape every second, and a few at once.
  { limit: { burst: 10, perMinute: 60 } },
);

export function addMetricsRoutes(api: Api, { metrics }: MetricsRouteOptions): void {
  api.openapi(metricsRoute, async (c) => {
    if (principal(c).cameras !== 'all') {
      throw new Refusal(403, 'these figures are of all cameras', 'Use a token that may see all cameras.');
    }
    const { type, text } = await metrics.render();
    return new Response(text, { headers: { 'content-type': type } });
  });
}
