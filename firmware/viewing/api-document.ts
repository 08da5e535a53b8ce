/**
 * The OpenAPI 3.1 document, made from the schemas that check requests and answers.
 *
 * What is checked before any schema is added here: the header that says that a change is meant, and the ways to show who
 * one is.
 */
import type { Api } from './routing.ts';

const description = [
  'A surveillance network without a centre: any server answers for any camera.',
  'Times are ISO 8601 in UTC with milliseconds. Every answer of 400 and above is an ErrorAnswer.',
  'With the header `x-starling-own: 1` a server answers from what it has itself and asks no other.',
  'The least role is in `x-starling-access`; what has {camera} in its path is for those who may see that camera.',
].join(' ');

const securitySchemes = {
  token: { type: 'http', scheme: 'bearer', description: 'a token that an admin has made' },
  link: {
    type: 'apiKey',
    in: 'query',
    name: 'signature',
    description: 'as in a url from POST /api/cameras/{camera}/links, with `user` and `expires`',
  },
} as const;

function sessionScheme(site: string): object {
  const description = 'what POST /api/session gives a browser; without HTTPS its name lacks `__Host-`';
  return { type: 'apiKey', in: 'cookie', name: `__Host-starling-${site}`, description };
}

/** By GET, for players that cannot sign in. */
const linkedPath = '/api/cameras/{camera}/';

const meantHeader = {
  name: 'x-starling',
  in: 'header',
  required: true,
  description: 'says that it is meant, which a page of another site cannot',
  schema: { type: 'string', const: '1' },
};

interface Operation {
  parameters?: object[];
  security?: object[];
}

/** The document of everything that `api` serves. */
export function openApiDocument(api: Api, { version, site }: { version: string; site: string }): object {
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Starling',
      version,
      description,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ session: [] }, { token: [] }],
  });
  const paths = document.paths as Record<string, Record<string, Operation>> | undefined;
  for (const [path, operations] of Object.entries(paths ?? {})) {
    for (const [method, operation] of Object.entries(operations)) complete(path, method, operation);
  }
  const schemes = { session: sessionScheme(site), ...securitySchemes };
  return { ...document, components: { ...document.components, securitySchemes: schemes } };
}

function complete(path: string, method: string, operation: Operation): void {
  if (method !== 'get') operation.parameters = [...(operation.parameters ?? []), meantHeader];
  else if (path.startsWith(linkedPath)) operation.security = [{ session: [] }, { token: [] }, { link: [] }];
}
