/**
 * Stored segments as files: `…/segments/{server}/{name}.mp4` with byte ranges and conditions, and `{name}.json`, its
 * inside, which other servers read for playback. Another server's segment is passed through from there.
 *
 * Invariant: the length of an answer is fixed when it begins; a segment that is still written is as long as it was
 * at that moment.
 */
import { Failure } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { Archive } from '../recording/archive.ts';
import { refuse } from './answers.ts';
import type { Directory } from './directory.ts';
import { answerHeld, answerRanges, type FileContext } from './held-files.ts';
import type { PeerAccess } from './holders.ts';
import { formatDetail, segmentNamePattern } from './segment-json.ts';

const chunkBytes = 256 * 1024;
/** `YYYY-MM-DD/HHMMSS.mmmZ-<epoch>-<sequence>`. */
const filePattern = new RegExp(`^(${segmentNamePattern})\\.(mp4|json)$`);

export interface SegmentFile {
  readonly camera: string;
  readonly server: string;
  /** name with its ending */
  readonly file: string;
  /** only this server may be asked */
  readonly own: boolean;
}

export interface SegmentFileSources extends PeerAccess {
  readonly directory: Directory;
  readonly archive: Archive;
}

/** Answers for one segment of this or another server. */
export async function answerSegment(
  c: FileContext,
  wanted: SegmentFile,
  sources: SegmentFileSources,
): Promise<Response> {
  const [, name, ending] = filePattern.exec(wanted.file) ?? [];
  if (!isId(wanted.server) || name === undefined) {
    return refuse(400, 'malformed segment name', 'Use the urls that the list of recordings gives.');
  }
  const { camera, server, own } = wanted;
  const path = `/api/cameras/${camera}/segments/${server}/${wanted.file}`;
  return answerHeld(c, { server, path, own }, sources, () =>
    ending === 'json'
      ? answerDetail(camera, name, sources.archive)
      : answerFile(c, { camera, name, archive: sources.archive }),
  );
}

function missing(name: string): Response {
  return refuse(
    404,
    `there is no segment ${name} here`,
    'It may be older than retention; ask for the list again.',
  );
}

async function answerDetail(camera: string, name: string, archive: Archive): Promise<Response> {
  const detail = await archive.detail(camera, name);
  if (detail === undefined) return missing(name);
  return new Response(formatDetail(detail), { headers: { 'content-type': 'application/json' } });
}

interface StoredFile {
  readonly camera: string;
  readonly name: string;
  readonly archive: Archive;
}

async function answerFile(c: FileContext, file: StoredFile): Promise<Response> {
  const listing = (await file.archive.detail(file.camera, file.name))?.listing;
  if (listing === undefined) return missing(file.name);
  // Written once and only ever appended to: its start and its length say everything.
  const etag = `"${listing.fromUs.toString(36)}-${listing.bytes.toString(36)}"`;
  const headers = { 'content-type': 'video/mp4', etag };
  return answerRanges(c, { bytes: listing.bytes, headers }, (start, end) => bytesOf(file, start, end));
}

async function* bytesOf(file: StoredFile, start: number, end: number): AsyncGenerator<Buffer, void, void> {
  for (let at = start; at < end; ) {
    const bytes = await file.archive.read(file.camera, file.name, at, Math.min(chunkBytes, end - at));
    if (bytes.length === 0) {
      const advice = 'Run starling check on this server.';
      throw new Failure('FILE_IO', `${file.name} is shorter than its index says`, { advice });
    }
    yield bytes;
    at += bytes.length;
  }
}
