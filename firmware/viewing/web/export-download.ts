/**
 * Saves a stretch of recording as a file while it arrives, where the browser lets a page write files (Chromium, over
 * HTTPS or on this device); elsewhere the browser's own download has to do it. Times in ms UTC.
 */
import { ApiFailure, refusal } from './api-client.ts';
import { readRanges } from './export-ranges.ts';
import { type FileFormat, fileUrl } from './recording-api.ts';
import { StoredFileScan } from './stored-file-scan.ts';
import type { TimeRange } from './time-range.ts';

/** Silence for so long is a broken connection. */
const silenceMs = 30_000;
/** A file that is put together first may begin later. */
const firstByteMs = 180_000;

interface SaveWindow {
  readonly showSaveFilePicker?: (options: object) => Promise<FileSystemFileHandle>;
}

export interface ExportWish {
  readonly camera: string;
  readonly range: TimeRange;
  readonly format: FileFormat;
  readonly name: string;
}

export interface ExportProgress {
  readonly bytes: number;
  /** 0 to 1; undefined while it cannot be told */
  readonly share: number | undefined;
  /** up to where in time the file is written; undefined where it cannot be told */
  readonly reachedMs: number | undefined;
}

export interface ExportResult {
  readonly bytes: number;
  /** what the servers said is missing */
  readonly partial: readonly TimeRange[];
  /** what is in the file; undefined where it cannot be told */
  readonly covered: readonly TimeRange[] | undefined;
  /** when the server began to send it */
  readonly beganMs: number;
}

export function canWriteFiles(): boolean {
  return (globalThis as unknown as SaveWindow).showSaveFilePicker !== undefined;
}

/** Asks the person where to; undefined when they would rather not. Must be called from a click. */
export async function chooseFile(name: string): Promise<FileSystemFileHandle | undefined> {
  const types = [{ description: 'MP4 video', accept: { 'video/mp4': ['.mp4'] } }];
  try {
    return await (globalThis as unknown as SaveWindow).showSaveFilePicker?.({ suggestedName: name, types });
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === 'AbortError') return undefined;
    throw problem;
  }
}

/** Writes the file. Rejects with ApiFailure; what was written until then is not kept. */
export async function writeExport(
  wish: ExportWish,
  file: FileSystemFileHandle,
  options: { signal: AbortSignal; onProgress: (progress: ExportProgress) => void },
): Promise<ExportResult> {
  const { camera, range, format } = wish;
  const { signal, onProgress } = options;
  const url = fileUrl(camera, range, format);
  const late = new AbortController();
  signal.addEventListener('abort', () => late.abort());
  let timer = setTimeout(() => late.abort(), firstByteMs);
  const writable = await file.createWritable();
  try {
    const askedAtMs = Date.now();
    const response = await fetch(url, { signal: late.signal, cache: 'no-store' });
    if (!response.ok || response.body === null) throw await refusal(response, url);
    const startMs = Date.parse(response.headers.get('x-starling-start') ?? '');
    const scan = format === 'fragmented' && !Number.isNaN(startMs) ? new StoredFileScan(startMs) : undefined;
    const total = Number(response.headers.get('content-length') ?? Number.NaN);
    let bytes = 0;
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => late.abort(), silenceMs);
      await writable.write(part.value);
      bytes += part.value.length;
      scan?.push(part.value);
      const reachedMs = scan?.covered.at(-1)?.toMs;
      const byTime =
        reachedMs === undefined ? undefined : (reachedMs - range.fromMs) / (range.toMs - range.fromMs);
      onProgress({ bytes, reachedMs, share: total > 0 ? bytes / total : byTime });
    }
    if (scan !== undefined && !scan.whole) throw new TypeError('the file ends too early');
    await writable.close();
    const partial = readRanges(response.headers.get('x-starling-partial'));
    const beganMs = Date.parse(response.headers.get('date') ?? '') || askedAtMs;
    return { bytes, partial, covered: scan?.covered, beganMs };
  } catch (cause) {
    await writable.abort().catch(() => {});
    if (cause instanceof ApiFailure) throw cause;
    if (signal.aborted) throw new ApiFailure('ABORTED', 'Cancelled.', '');
    const advice = 'Nothing was kept of the file. Try again, perhaps with a shorter range.';
    throw new ApiFailure('UNREACHABLE', 'The connection broke before the end of the file.', advice, {
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Such as `cam-1_2026-11-22T12-00-00Z_10m0s.mp4`: sorts by time, and no file system minds it. */
export function exportName(camera: string, { fromMs, toMs }: TimeRange): string {
  const from = new Date(fromMs).toISOString().slice(0, 19).replaceAll(':', '-');
  const seconds = Math.ceil((toMs - fromMs) / 1000);
  return `${camera}_${from}Z_${Math.floor(seconds / 60)}m${seconds % 60}s.mp4`;
}
