/**
 * How the command line shows who it is. In this order: the token in STARLING_TOKEN; the key of a server of this machine
 * whose settings were named; the token in ~/.config/starling/token; the key of a server of this machine that was found.
 *
 * Invariants: a key of this machine goes only to the server that wrote it, over the loopback; a token goes over HTTPS or
 * the loopback, never over a network in the clear; a token file that others can read is refused.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { Failure, messageOf } from '../base/failure.ts';
import { isLoopbackHost } from '../config/endpoint.ts';
import { hasErrno } from '../io/text-files.ts';
import { findLocalServer, type LocalServer } from './local-servers.ts';

type Environment = NodeJS.ProcessEnv;

/** The header that says who asks; undefined when there is nothing to show. */
export function authorizationFor(server: string, environment: Environment = process.env): string | undefined {
  const token = tokenFor(server, environment);
  return token === undefined ? undefined : `Bearer ${token}`;
}

function tokenFor(server: string, environment: Environment): string | undefined {
  const given = environment['STARLING_TOKEN'];
  if (given !== undefined && given !== '') return safely(given.trim(), server);
  const local = findLocalServer(environment);
  const key = local !== undefined && isAt(local, server) ? local.key : undefined;
  if (local?.named === true && key !== undefined) return key;
  const kept = readTokenFile(join(settingsFolder(environment), 'token'));
  return kept === undefined ? key : safely(kept, server);
}

/** Certificates by which a server is known to be itself: the system's, and the site's where it is known. */
export function authoritiesFor(environment: Environment = process.env): string[] {
  const named = environment['STARLING_CA'];
  const places = [named, findLocalServer(environment)?.ca, join(settingsFolder(environment), 'ca.crt')];
  const own = places.flatMap((path) => {
    try {
      return path === undefined || path === '' ? [] : [readFileSync(path, 'utf8')];
    } catch (cause) {
      if (path !== named) return [];
      const advice = 'Set STARLING_CA to the certificate that `starling site ca` prints.';
      throw new Failure('FILE_IO', `cannot read ${path}: ${messageOf(cause)}`, { advice, cause });
    }
  });
  return [...rootCertificates, ...own];
}

/** What to do about a server that wants to know who asks. */
export const signInAdvice =
  'Set STARLING_TOKEN to a token, keep one in ~/.config/starling/token, or run this on the server as its user with --config UNIT.YAML.';

function settingsFolder(environment: Environment): string {
  return join(
    environment['XDG_CONFIG_HOME'] || join(environment['HOME'] || homedir(), '.config'),
    'starling',
  );
}

/** Undefined when there is none. */
function readTokenFile(path: string): string | undefined {
  try {
    const { mode, uid } = statSync(path);
    const mine = process.getuid === undefined || uid === process.getuid();
    if ((mode & 0o077) !== 0 || !mine) {
      const advice = `Make it yours alone: chmod 600 ${path}`;
      throw new Failure('ACCESS_DENIED', `others can read or change ${path}`, { advice });
    }
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    if (error instanceof Failure) throw error;
    const advice = 'Check the permissions, or set STARLING_TOKEN.';
    throw new Failure('FILE_IO', `cannot read ${path}: ${messageOf(error)}`, { advice, cause: error });
  }
}

function safely(token: string, server: string): string {
  const { protocol, hostname } = new URL(server);
  if (!/^[\x21-\x7e]{1,200}$/.test(token)) {
    throw new Failure('USAGE', 'what is set as token is none', { advice: 'A token begins with starling_.' });
  }
  if (protocol === 'https:' || isLoopbackHost(bare(hostname))) return token;
  const advice = 'Name the server with https://, or forward its port over SSH.';
  throw new Failure('USAGE', `a token is not sent to ${server} in the clear`, { advice });
}

function isAt({ url }: LocalServer, server: string): boolean {
  const [of, asked] = [new URL(url), new URL(server)];
  const sameHost = isLoopbackHost(bare(of.hostname)) && isLoopbackHost(bare(asked.hostname));
  return sameHost && asked.protocol === 'http:' && of.port === asked.port;
}

function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}
