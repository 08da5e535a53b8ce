/** The page's files. They are for anyone, since signing in is done there; they say nothing of the site. */

import { matchesEtag } from '../byte-range.ts';
import { type PageAssets, pageFiles } from '../page-shell.ts';
import { type Api, describeRoute, z } from '../routing.ts';

export function addPageRoutes(api: Api, { assets }: { readonly assets: PageAssets }): void {
  for (const [path, { type, text, etag }] of pageFiles(assets)) {
    const headers = { etag, 'content-type': type, 'cache-control': 'no-cache' };
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
    api.openapi(route, (c) =>
      matchesEtag(c.req.header('if-none-match'), etag)
        ? new Response(null, { status: 304, headers })
        : new Response(text, { headers }),
    );
  }
}
