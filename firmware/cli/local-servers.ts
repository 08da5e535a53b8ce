/**
 * Servers of this machine that the command line finds by their settings: the unit.yaml that `--config` or
 * STARLING_CONFIG names, else `./unit.yaml` and `/etc/starling/unit.yaml`. A server that runs has its address and the
 * key of this machine in its data folder, readable for its own user.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';
import { parseUnitConfig, type ServerUnitConfig } from '../config/unit-config.ts';
import { localKeyName, parseLocalKey } from '../io/local-key-file.ts';
import { hasErrno } from '../io/text-files.ts';

const defaultPlaces = ['unit.yaml', '/etc/starling/unit.yaml'];

export interface LocalServer {
  /** of its page, without a slash at the end */
  readonly url: string;
  /** what to show it; undefined when it does not run, or belongs to another user */
  readonly key: string | undefined;
  /** path of the certificate of its site's authority */
  readonly ca: string;
  /** its settings were named, not just found */
  readonly named: boolean;
}

/** The first there is. Throws a Failure when the settings that were named are no server's. */
export function findLocalServer(environment: NodeJS.ProcessEnv = process.env): LocalServer | undefined {
  const named = environment['STARLING_CONFIG'];
  if (named !== undefined && named !== '') return serverOf(named, true);
  for (const place of defaultPlaces) {
    const found = tryPlace(place);
    if (found !== undefined) return found;
  }
  return undefined;
}

function tryPlace(path: string): LocalServer | undefined {
  try {
    return serverOf(path, false);
  } catch (error) {
    // Whatever else lies about there is not meant.
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function serverOf(path: string, named: boolean): LocalServer {
  const advice = 'Give the unit.yaml of a server on this machine, or name a server with --server.';
  const config = parseUnitConfig(read(path, advice), dirname(resolve(path)));
  if (config.role !== 'server') throw new Failure('USAGE', `${path} is of a camera`, { advice });
  const running = readKey(config);
  const url = running?.url ?? urlOf(config);
  return { url: url.replace(/\/+$/, ''), key: running?.key, ca: config.site.ca, named };
}

function read(path: string, advice: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = hasErrno(cause, 'ENOENT') ? 'FILE_MISSING' : 'FILE_IO';
    throw new Failure(code, `cannot read ${path}: ${messageOf(cause)}`, { advice, cause });
  }
}

/** Undefined when there is none to be had; then other ways to sign in are tried. */
function readKey({ data }: ServerUnitConfig): { url: string; key: string } | undefined {
  try {
    return parseLocalKey(readFileSync(join(data, localKeyName), 'utf8'));
  } catch {
    return undefined;
  }
}

function urlOf({ server: { http } }: ServerUnitConfig): string {
  return `http://${http.host.includes(':') ? `[${http.host}]` : http.host}:${http.port}`;
}
