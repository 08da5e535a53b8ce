/**
 * FILE.part: an export while it grows, and where it stopped when it was interrupted. Beside it FILE.part.json says
 * what it is a part of.
 *
 * Invariants: a part is gone on with only if it is of the same camera and range, and was written since the machine was
 * started (what a power cut left of it may have holes that no box shows); then it is cut behind its last whole
 * fragment. Times are µs, those of the file from its start.
 */
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { Failure, messageOf } from '../base/failure.ts';
import {
  type ParsedInit,
  parseInit,
  type ReadAt,
  type ScannedFragment,
  walkFragments,
} from '../media/mp4-scanner.ts';
import type { RemuxedSoFar } from '../viewing/remuxer.ts';
import type { TimeRange } from '../viewing/time-query.ts';
import { mergeRanges } from '../viewing/time-ranges.ts';

const initBytesMax = 256 * 1024;
/** Shorter holes are the seams of fragments. */
const seamUs = 1_000_000;
const rangesMax = 1_000;

/** What is exported; times are ISO 8601. */
export interface ExportRequest {
  readonly camera: string;
  readonly from: string;
  readonly to: string;
}

/** Where a part ends. */
export interface PartEnd extends Omit<RemuxedSoFar, 'shiftUs'> {
  readonly bytes: number;
  /** its last sample that a stream which goes on must have, at file time */
  readonly joint: { readonly trackId: number; readonly sequence: number; readonly ptsUs: number };
  /** UTC of the last fragment's start */
  readonly lastUs: number;
  /** the stretches of UTC that the part holds */
  readonly holds: readonly TimeRange[];
}

/** What an earlier call knew to be missing. */
interface Note extends ExportRequest {
  readonly boot: string;
  readonly missing: readonly string[];
}

export class PartFile implements AsyncDisposable {
  readonly path: string;
  /** where an earlier call stopped */
  readonly end: PartEnd | undefined;
  /** what that call knew to be missing, ISO 8601 intervals */
  readonly knownMissing: readonly string[];
  bytes: number;
  private readonly file: FileHandle;
  private readonly request: ExportRequest;

  private constructor(
    path: string,
    file: FileHandle,
    parts: { request: ExportRequest; end: PartEnd | undefined; knownMissing: readonly string[] },
  ) {
    this.path = path;
    this.file = file;
    this.request = parts.request;
    this.end = parts.end;
    this.knownMissing = parts.knownMissing;
    this.bytes = parts.end?.bytes ?? 0;
  }

  /** Opens the part of an interrupted export, or begins one. `anew`: whatever is there is thrown away. */
  static async open(output: string, request: ExportRequest, anew: boolean): Promise<PartFile> {
    const path = `${output}.part`;
    return guarded(path, async () => {
      const note = anew ? undefined : await readNote(path, request);
      if (note !== undefined) {
        const file = await open(path, 'r+').catch(() => undefined);
        const end = file === undefined ? undefined : await endOf(file, request.camera);
        if (file !== undefined && end !== undefined) {
          await file.truncate(end.bytes);
          return new PartFile(path, file, { request, end, knownMissing: note.missing });
        }
        await file?.close();
      }
      const file = await open(path, 'w+');
      return new PartFile(path, file, { request, end: undefined, knownMissing: [] });
    });
  }

  /** Notes what the file is a part of, and what is known to be missing in it. */
  async note(missing: readonly string[]): Promise<void> {
    const note: Note = { ...this.request, boot: await bootId(), missing };
    await guarded(this.path, () => writeFile(`${this.path}.json`, `${JSON.stringify(note)}\n`));
  }

  async append(bytes: Buffer): Promise<void> {
    await guarded(this.path, () => writeAll(this.file, bytes, this.bytes));
    this.bytes += bytes.length;
  }

  /** For whoever makes another file of it. */
  readonly read: ReadAt = async (offset, length) => readAt(this.file, offset, length);

  sync(): Promise<void> {
    return guarded(this.path, () => this.file.sync());
  }

  /** The whole file gets its name. */
  async finish(output: string): Promise<void> {
    await this.sync();
    await guarded(output, () => rename(this.path, output));
    await rm(`${this.path}.json`, { force: true });
  }

  /** Nothing is left of it. */
  async discard(): Promise<void> {
    await Promise.all([this.path, `${this.path}.json`].map((path) => rm(path, { force: true })));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}

/** Writes a file that is on the disk and has its name when this resolves. */
export async function writeWholeFile(
  output: string,
  write: (append: (bytes: Buffer) => Promise<void>) => Promise<void>,
): Promise<number> {
  const path = `${output}.progressive.part`;
  let at = 0;
  const file = await guarded(path, () => open(path, 'w'));
  try {
    await write(async (bytes) => {
      await guarded(path, () => writeAll(file, bytes, at));
      at += bytes.length;
    });
    await guarded(path, () => file.sync());
    await guarded(output, () => rename(path, output));
    return at;
  } catch (thrown) {
    await rm(path, { force: true });
    throw thrown;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const advice = 'Check the folder, its permissions and the free space.';
    throw new Failure('FILE_IO', `cannot write ${path}: ${messageOf(cause)}`, { advice, cause });
  }
}

/** The note beside a part, if it is of this request and may be trusted. */
async function readNote(path: string, request: ExportRequest): Promise<Note | undefined> {
  try {
    const note = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Partial<Note>;
    const { camera, from, to } = request;
    if (note.camera !== camera || note.from !== from || note.to !== to) return undefined;
    if (note.boot !== (await bootId()) || !Array.isArray(note.missing)) return undefined;
    return { ...request, boot: note.boot, missing: note.missing.filter((text) => typeof text === 'string') };
  } catch {
    return undefined;
  }
}

/** Changes with every start of the machine; empty where there is none. */
async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();
}

/** Reads a part through to its last whole fragment; undefined when there is none. */
async function endOf(file: FileHandle, camera: string): Promise<PartEnd | undefined> {
  const { size } = await file.stat();
  const read: ReadAt = (offset, length) => readAt(file, offset, length);
  const init = parseInit(await read(0, Math.min(size, initBytesMax)));
  if (!init.ok || init.value.tracks[0]?.camera !== camera) return undefined;
  const end = new EndOfPart(init.value);
  for await (const scanned of walkFragments(read, size, init.value)) end.add(scanned);
  return end.found;
}

/** What the fragments say, one after another. */
class EndOfPart {
  found: PartEnd | undefined;
  private readonly init: ParsedInit;

  constructor(init: ParsedInit) {
    this.init = init;
  }

  add({ listing, captureId = '', runs }: ScannedFragment): void {
    const before = this.found;
    const next = before?.captureId === captureId ? [...before.next] : this.init.tracks.map(() => undefined);
    for (const { trackId, firstSequence, count } of listing.tracks) next[trackId - 1] = firstSequence + count;
    const { offsetUs } = listing.mapping;
    const [run, track] = [runs[0], listing.tracks[0]];
    const last = run?.samples.at(-1);
    if (run === undefined || track === undefined || last === undefined) return;
    const hold = { fromUs: listing.fromPtsUs + offsetUs, toUs: listing.toPtsUs + offsetUs };
    const holds = [...(before?.holds ?? []), hold];
    this.found = {
      tracks: this.init.tracks,
      startUs: before?.startUs ?? offsetUs,
      captureId,
      next,
      endUs: Math.max(before?.endUs ?? 0, listing.toPtsUs),
      count: (before?.count ?? 0) + 1,
      bytes: listing.offset + listing.bytes,
      joint: { trackId: run.trackId, sequence: track.firstSequence + track.count - 1, ptsUs: last.ptsUs },
      lastUs: hold.fromUs,
      holds: holds.length > 2 ? joined(holds) : holds,
    };
  }
}

/** Of too many, the oldest holes are forgotten: then they are not named a second time. */
function joined(holds: readonly TimeRange[]): TimeRange[] {
  const last = holds.at(-1) as TimeRange;
  const previous = holds.at(-2) as TimeRange;
  const follows = last.fromUs <= previous.toUs + seamUs && last.fromUs >= previous.fromUs;
  const ranges = follows ? [...holds.slice(0, -2), ...mergeRanges([previous, last], seamUs)] : [...holds];
  if (ranges.length <= rangesMax) return ranges;
  const [first, second] = ranges as [TimeRange, TimeRange];
  return [{ fromUs: first.fromUs, toUs: second.toUs }, ...ranges.slice(2)];
}
