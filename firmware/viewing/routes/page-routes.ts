/** The page's files. They are for anyone, since signing in is done there; they say nothing of the site. */

import { matchesEtag } from '../byte-range.ts';
import { type PageAssets, pageFiles } from '../page-shell.ts';
import { type Api, describeRoute, z } from '../routing.ts';

export function addPageRoutes(api: Api, { assets }: { readonly assets: PageAssets }): void {
  for (const [path, { type, text, gzip, etag }] of pageFiles(assets)) {
    const headers = {
      etag: `W/${etag}`,
      'content-type': type,
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
    };
    const route = describeRoute('anyone', {
      method: 'get',
      path,
      tags: ['page'],
      summary: path === '/' ? 'The page' : 'A file of the page',
      responses: {
        200: { content: { [type]: { schema: z.string() } }, description: 'the file' },
        304: { description: 'it has not changed' },
      },
    });
    api.openapi(route, (c) => {
      if (matchesEtag(c.req.header('if-none-match'), etag))
        return new Response(null, { status: 304, headers });
      if (!takesGzip(c.req.header('accept-encoding'))) return new Response(text, { headers });
      return new Response(gzip, { headers: { ...headers, 'content-encoding': 'gzip' } });
    });
  }
}

/** Whether gzip is named and not ruled out by `q=0` (RFC 9110 §12.5.3). */
function takesGzip(acceptEncoding: string | undefined): boolean {
  return (acceptEncoding ?? '').split(',').some((one) => {
    const [coding = '', weight = 'q=1'] = one.split(';').map((part) => part.trim().toLowerCase());
    return (coding === 'gzip' || coding === '*') && !/^q=0(\.0*)?$/.test(weight);
  });
}
