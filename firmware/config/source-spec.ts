/**
 * Where a camera's pictures come from, as a person writes it: `test`, `csi`, `/dev/video0`, `rtsp://HOST/PATH`,
 * `file:PATH`, or a path that ends like a media file.
 *
 * Invariants: a source is a name, never a piece of a pipeline. What could end a quoted string or begin a new element
 * (control characters, quotes, backslashes, `!`) is refused here, so that no reader of a source has to think of it. A
 * source that is printed has no password in it, and no user.
 */
import { accept, type Result, reject } from '../base/result.ts';
import { isHost } from './endpoint.ts';

/** A source, parsed. `path` is as written, relative or absolute. */
export type SourceSpec =
  | { readonly kind: 'test' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'v4l2'; readonly device: string }
  /** `camera`: libcamera's name of one of several */
  | { readonly kind: 'csi'; readonly camera?: string }
  /** `url` is without user and password */
  | { readonly kind: 'rtsp'; readonly url: string; readonly user?: string; readonly password?: string };

/** Longest source text, in UTF-16 units. */
const sourceLengthMax = 1024;

const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
const pipelineText = /["'`\\!]/;
const v4l2Device = /^\/dev\/video(0|[1-9][0-9]{0,2})$/;
const csiCamera = /^\/base\/[\w@,./:+-]{1,200}$/;
const mediaSuffix = /\.(mp4|m4v|mov|mkv|webm|avi|ts|h264)$/i;

/** Parses a source. The reason reads well after "source: ". */
export function parseSourceSpec(text: string): Result<SourceSpec> {
  if (text.length > sourceLengthMax) return reject(`expected at most ${sourceLengthMax} characters`);
  if (unprintable.test(text)) return reject('expected no control characters');
  // First: a password may hold anything, and must not be quoted by what follows.
  if (/^rtsps?:/i.test(text)) return rtspAddress(text);
  const forbidden = pipelineText.exec(text)?.[0];
  if (forbidden !== undefined)
    return reject(`expected a name, not pipeline text: ${forbidden} is not allowed`);
  if (text !== text.trim()) return reject('expected no space at either end');

  if (text === 'test') return accept({ kind: 'test' });
  if (v4l2Device.test(text)) return accept({ kind: 'v4l2', device: text });
  if (text === 'csi') return accept({ kind: 'csi' });
  if (text.startsWith('csi:')) return csiName(text.slice('csi:'.length));
  if (text.startsWith('file:')) return filePath(text.slice('file:'.length));
  if (mediaSuffix.test(text) && !text.includes('://')) return filePath(text);
  return reject('expected test, csi, /dev/videoN, rtsp://HOST/PATH, file:PATH or the path of a media file');
}

/** The text that parses to `source`. */
export function formatSourceSpec(source: SourceSpec): string {
  switch (source.kind) {
    case 'test':
      return 'test';
    case 'file':
      return `file:${source.path}`;
    case 'v4l2':
      return source.device;
    case 'csi':
      return source.camera === undefined ? 'csi' : `csi:${source.camera}`;
    case 'rtsp':
      return source.url;
  }
}

/** A text that may be a source, for a log or a message: without user and password, even when it is no address. */
export function withoutPassword(text: string): string {
  return text.replace(/:(\/\/)?.*@/s, ':$1***@');
}

function csiName(camera: string): Result<SourceSpec> {
  if (csiCamera.test(camera)) return accept({ kind: 'csi', camera });
  return reject("expected csi, or csi: and libcamera's name of the camera, /base/…, as `cam --list` says it");
}

/** RFC 2326 §3.2, RFC 3986 §3: what is before the host are user and password, percent-encoded if need be. */
function rtspAddress(text: string): Result<SourceSpec> {
  const parts = /^(rtsps?):\/\/(?:(?<credentials>[^/?#]*)@)?(?<place>[^/?#@]+)(?<rest>[/?][^#]*)?$/i.exec(
    text,
  );
  const { credentials, place = '', rest = '/' } = parts?.groups ?? {};
  const expected = 'expected rtsp://HOST[:PORT]/PATH, or rtsp://USER:PASSWORD@HOST[:PORT]/PATH';
  if (parts === null || pipelineText.test(place + rest) || /\s/.test(place + rest)) return reject(expected);
  const hostAndPort = /^(\[[0-9a-f:.]{2,45}\]|[^:[\]]{1,253})(?::(\d{1,5}))?$/i.exec(place);
  const [, host = '', port] = hostAndPort ?? [];
  if (!isHost(host.replace(/^\[|\]$/g, ''))) return reject(expected);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return reject(expected);
  const url = `${(parts[1] ?? '').toLowerCase()}://${place}${rest}`;
  if (credentials === undefined) return accept({ kind: 'rtsp', url });
  const [user, password] = decoded(credentials) ?? [];
  if (user === undefined || user === '' || unprintable.test(user + (password ?? '')))
    return reject('expected USER:PASSWORD before the @, with other characters percent-encoded (%40 for @)');
  return accept({ kind: 'rtsp', url, user, ...(password === undefined ? {} : { password }) });
}

/** User and password; undefined when they are not percent-encoded as they should be. */
function decoded(credentials: string): string[] | undefined {
  const colon = credentials.indexOf(':');
  const parts = colon < 0 ? [credentials] : [credentials.slice(0, colon), credentials.slice(colon + 1)];
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function filePath(path: string): Result<SourceSpec> {
  if (path === '' || path.endsWith('/')) return reject('expected the path of a file');
  if (path.startsWith('//')) return reject('expected a path, not a URL');
  return accept({ kind: 'file', path });
}
