/** The routes that an API serves, as they were declared. */
import type { Access, Api } from './routing.ts';
import { accessKey, forwardedKey } from './routing.ts';

export interface ServedRoute {
  /** in capitals */
  readonly method: string;
  /** with `{names}` */
  readonly path: string;
  readonly access: Access;
  /** other servers may pass this change on */
  readonly forwarded: boolean;
}

/** All of them, in the order they were added. */
export function servedRoutes(api: Api): ServedRoute[] {
  return api.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== 'route') return [];
    const { method, path, [accessKey]: access, [forwardedKey]: forwarded } = definition.route;
    return [{ method: method.toUpperCase(), path, access: access as Access, forwarded: forwarded === true }];
  });
}

/** The methods that a path can be asked with; empty when there is nothing at that path. */
export function allowedMethods(api: Api, path: string): string[] {
  const methods = servedRoutes(api)
    .filter((route) => patternOf(route.path).test(path))
    .map(({ method }) => method);
  return methods.includes('GET') ? [...new Set(['GET', 'HEAD', ...methods])] : [...new Set(methods)];
}

function patternOf(path: string): RegExp {
  const literal = path.replaceAll(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
}
