/**
 * Media playlists (RFC 8216) of parts. Times of a capture go on over its parts, whichever files and servers they are
 * of, so a player sees a discontinuity only where the camera began anew, or where there is a hole.
 *
 * EXT-X-GAP marks parts whose server cannot be reached just now. Times in which nothing was recorded have no parts,
 * and so no lines but EXT-X-DISCONTINUITY and the new EXT-X-PROGRAM-DATE-TIME.
 */
import { follows, type Part } from './hls-parts.ts';
import { formatMs } from './time-query.ts';

export const playlistType = 'application/vnd.apple.mpegurl';

/** To sign the addresses of so many takes a few milliseconds. */
const partsAPiece = 256;

export interface PlaylistOptions {
  readonly camera: string;
  /** number of the first part */
  readonly sequence: number;
  /** discontinuities before the first part */
  readonly discontinuities: number;
  /** nothing will be added */
  readonly ended: boolean;
  /** longest part of all that a live playlist will ever have, s; default: of these */
  readonly targetSeconds?: number;
  /** servers that cannot be reached */
  readonly unreachable: readonly string[];
  /** adds to an address what the player needs to be let in */
  readonly sign: (path: string) => string;
}

/** A playlist, and who could not be asked for it. */
export interface PlaylistText {
  /** undefined when there are no parts */
  readonly text: string | undefined;
  /** servers that do not answer, sorted */
  readonly unreachable: readonly string[];
}

/** Path of a part on any server. */
function partPath(camera: string, { server, name, first, count }: Part): string {
  return `/api/cameras/${camera}/parts/${server}/${name}/${first}-${first + count - 1}.mp4`;
}

function initPath(camera: string, { server, name }: Part): string {
  return `/api/cameras/${camera}/parts/${server}/${name}/init.mp4`;
}

/** The playlist's text, in pieces to be joined. */
export function* formatPlaylist(parts: readonly Part[], options: PlaylistOptions): Generator<string> {
  let longest = 1;
  for (const [place, part] of parts.entries()) longest = Math.max(longest, secondsOf(part, parts[place + 1]));
  const head = [
    '#EXTM3U',
    '#EXT-X-VERSION:8',
    `#EXT-X-TARGETDURATION:${Math.max(Math.round(longest), options.targetSeconds ?? 0)}`,
    `#EXT-X-MEDIA-SEQUENCE:${options.sequence}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${options.discontinuities}`,
  ];
  if (options.ended) head.push('#EXT-X-PLAYLIST-TYPE:VOD');
  yield `${head.join('\n')}\n`;
  for (let at = 0; at < parts.length; at += partsAPiece) {
    const lines: string[] = [];
    for (let place = at; place < Math.min(at + partsAPiece, parts.length); place++)
      lines.push(...linesOf(place, parts, options));
    yield `${lines.join('\n')}\n`;
  }
  if (options.ended) yield '#EXT-X-ENDLIST\n';
}

function linesOf(place: number, parts: readonly Part[], options: PlaylistOptions): string[] {
  const { camera, sign, unreachable } = options;
  const part = parts[place];
  if (part === undefined) return [];
  const before = parts[place - 1];
  const lines: string[] = [];
  const anew = before === undefined || !follows(part, before);
  if (before !== undefined && anew) lines.push('#EXT-X-DISCONTINUITY');
  if (anew) lines.push(`#EXT-X-MAP:URI="${sign(initPath(camera, part))}"`);
  if (anew || before.name !== part.name) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${formatMs(part.fromPtsUs + part.offsetUs)}`);
  }
  lines.push(`#EXTINF:${secondsOf(part, parts[place + 1]).toFixed(6)},`);
  if (unreachable.includes(part.server)) lines.push('#EXT-X-GAP');
  lines.push(sign(partPath(camera, part)));
  return lines;
}

/** To the beginning of the next part where that follows, so that nothing adds up over hours. */
function secondsOf(part: Part, next: Part | undefined): number {
  const endUs = next !== undefined && follows(next, part) ? next.fromPtsUs : part.toPtsUs;
  return Math.max(0.001, (endUs - part.fromPtsUs) / 1_000_000);
}
