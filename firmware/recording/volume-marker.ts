/**
 * How a volume is known: the marker file in its folder, and the row of the index that remembers it.
 *
 * The marker is JSON: site and server that record there, and the id of the volume. A folder that the index knows but
 * whose marker is gone is an empty mount point, and nothing is written there. Invariant: the row is committed before
 * the marker is written and says so (`marked: false`), so that a marker torn by a power cut is written again and not
 * taken for damage.
 *
 *   v/<number, three digits>    id, folder, marked
 */
import { join } from 'node:path';
import { flag, struct, text, type ValueOf } from '../base/codec.ts';
import { isId } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';

/** Longest marker that is read; ours are about 100 bytes. */
export const markerBytesMax = 1024;
const volumeIdPattern = /^[0-9a-f]{16}$/;

export interface VolumeMarker {
  readonly site: string;
  readonly server: string;
  /** 16 hexadecimal digits */
  readonly id: string;
}

/** What the index remembers of a volume. */
export const volumeRow = struct({ id: text(16), folder: text(4096), marked: flag });
export type VolumeRow = ValueOf<typeof volumeRow>;

export function volumeKey(number: number): string {
  return `v/${String(number).padStart(3, '0')}`;
}

/** The number in a key of `volumeKey`; undefined when it is none. */
export function numberOfVolumeKey(key: string): number | undefined {
  const match = /^v\/(\d{3})$/.exec(key);
  const number = Number(match?.[1]);
  return match !== null && number <= 255 ? number : undefined;
}

export function markerPath(folder: string): string {
  return join(folder, '.starling-volume');
}

export function formatMarker(marker: VolumeMarker): Buffer {
  const { site, server, id } = marker;
  return Buffer.from(`${JSON.stringify({ site, server, id })}\n`);
}

/** Reads a marker back; anything but a whole one is refused. */
export function parseMarker(bytes: Uint8Array): Result<VolumeMarker> {
  if (bytes.length > markerBytesMax) return reject('too long');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return reject('not JSON');
  }
  if (typeof value !== 'object' || value === null) return reject('not an object');
  const { site, server, id } = value as Record<string, unknown>;
  if (typeof site !== 'string' || !isId(site)) return reject('no site');
  if (typeof server !== 'string' || !isId(server)) return reject('no server');
  if (typeof id !== 'string' || !volumeIdPattern.test(id)) return reject('no id');
  return accept({ site, server, id });
}
