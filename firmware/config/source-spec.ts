/**
 * Where a camera's pictures come from, as a person writes it: `test`, `/dev/video0`, `file:PATH`, or a path that ends
 * like a media file.
 *
 * Invariant: a source is a name, never a piece of a pipeline. What could end a quoted string or begin a new element
 * (control characters, quotes, backslashes, `!`) is refused here, so that no reader of a source has to think of it.
 */
import { accept, type Result, reject } from '../base/result.ts';

/** A source, parsed. `path` is as written, relative or absolute. */
export type SourceSpec =
  | { readonly kind: 'test' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'v4l2'; readonly device: string };

/** Longest source text, in UTF-16 units. */
const sourceLengthMax = 1024;

const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
const pipelineText = /["'`\\!]/;
const v4l2Device = /^\/dev\/video(0|[1-9][0-9]{0,2})$/;
const mediaSuffix = /\.(mp4|m4v|mov|mkv|webm|avi|ts|h264)$/i;

/** Parses a source. The reason reads well after "source: ". */
export function parseSourceSpec(text: string): Result<SourceSpec> {
  if (text.length > sourceLengthMax) return reject(`expected at most ${sourceLengthMax} characters`);
  if (unprintable.test(text)) return reject('expected no control characters');
  const forbidden = pipelineText.exec(text)?.[0];
  if (forbidden !== undefined)
    return reject(`expected a name, not pipeline text: ${forbidden} is not allowed`);
  if (text !== text.trim()) return reject('expected no space at either end');

  if (text === 'test') return accept({ kind: 'test' });
  if (v4l2Device.test(text)) return accept({ kind: 'v4l2', device: text });
  if (text.startsWith('file:')) return filePath(text.slice('file:'.length));
  if (mediaSuffix.test(text) && !text.includes('://')) return filePath(text);
  return reject('expected test, /dev/videoN, file:PATH or the path of a media file');
}

/** The text that parses to `source`. */
export function formatSourceSpec(source: SourceSpec): string {
  if (source.kind === 'file') return `file:${source.path}`;
  return source.kind === 'v4l2' ? source.device : 'test';
}

function filePath(path: string): Result<SourceSpec> {
  if (path === '' || path.endsWith('/')) return reject('expected the path of a file');
  if (path.startsWith('//')) return reject('expected a path, not a URL');
  return accept({ kind: 'file', path });
}
