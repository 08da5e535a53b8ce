/**
 * Saves a chosen range as a file: which format, how far it is, what is missing in it. Where the page may not write files
 * it makes a link that ends by itself, and the browser's download does the rest.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { ApiFailure, getRecordings } from './api-client.ts';
import { bytesText } from './bytes-text.ts';
import { checkFile, type FileCheck } from './export-check.ts';
import {
  canWriteFiles,
  chooseFile,
  type ExportProgress,
  type ExportResult,
  type ExportWish,
  exportName,
  writeExport,
} from './export-download.ts';
import { Dialog } from './parts-dialog.tsx';
import { recordedOf } from './recorded.ts';
import { type FileFormat, fileUrl, makeFileLink } from './recording-api.ts';
import type { TimeRange } from './time-range.ts';
import { clockText, durationText, momentText } from './time-text.ts';

export interface ExportDialogProps {
  readonly camera: string;
  /** what people call it */
  readonly name: string;
  readonly range: TimeRange;
  readonly onClose: () => void;
}

type Stage =
  | { readonly is: 'choosing' }
  | { readonly is: 'link'; readonly url: string }
  | { readonly is: 'writing'; readonly progress: ExportProgress }
  | { readonly is: 'written'; readonly bytes: number; readonly check: FileCheck }
  | { readonly is: 'failed'; readonly problem: ApiFailure };

/** Longest file that servers put together first. */
const progressiveMsMax = 2 * 3_600_000;
/** Servers list what is safely on a disk, which takes a moment. */
const listedAfterMs = 5_000;

const formats: readonly (readonly [FileFormat, string, string])[] = [
  [
    'mp4',
    'MP4 for every player and editor',
    'Is put together first, so it begins after a moment. Up to 2 hours.',
  ],
  ['fragmented', 'Fragmented MP4', 'Begins at once, of any length. Plays in browsers, VLC and ffmpeg.'],
];

export function ExportDialog({ camera, name, range, onClose }: ExportDialogProps) {
  const long = range.toMs - range.fromMs > progressiveMsMax;
  const format = useSignal<FileFormat>(long ? 'fragmented' : 'mp4');
  const stage = useSignal<Stage>({ is: 'choosing' });
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const file = exportName(camera, range);
  const begin = async () => {
    stop.current = new AbortController();
    stage.value = await exported(
      { camera, range, format: format.value, name: file },
      stop.current.signal,
      (progress) => {
        stage.value = { is: 'writing', progress };
      },
    );
  };
  const now = stage.value;
  return (
    <Dialog title="Save as a file" onClose={onClose} dirty={now.is === 'writing'}>
      <p>{`${name}, ${momentText(range.fromMs)} – ${clockText(range.toMs)} (${durationText(range.toMs - range.fromMs)})`}</p>
      {(now.is === 'choosing' || now.is === 'failed') && (
        <fieldset class="export-formats">
          <legend class="visually-hidden">Format</legend>
          {formats.map(([value, text, hint]) => (
            <label key={value}>
              <input
                type="radio"
                name="format"
                value={value}
                checked={format.value === value}
                disabled={long && value === 'mp4'}
                onChange={() => {
                  format.value = value;
                }}
              />
              <span>
                <strong>{text}</strong>
                <span class="field-hint">{hint}</span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <NotRecorded camera={camera} range={range} />
      <div role="status" aria-live="polite">
        {now.is === 'failed' && <p class="form-problem">{`${now.problem.message} ${now.problem.advice}`}</p>}
        {now.is === 'written' && <Written bytes={now.bytes} check={now.check} />}
        {now.is === 'link' && <p>The browser saves the file and shows how far it is.</p>}
      </div>
      {now.is === 'writing' && <Progress progress={now.progress} />}
      <div class="dialog-actions">
        {now.is === 'writing' ? (
          <button type="button" onClick={() => stop.current.abort()}>
            Cancel
          </button>
        ) : (
          <button type="button" onClick={onClose}>
            Close
          </button>
        )}
        {now.is === 'link' && (
          <a class="button primary" href={now.url} download={file}>
            {`Download ${file}`}
          </a>
        )}
        {(now.is === 'choosing' || now.is === 'failed') && (
          <button type="button" class="primary" onClick={() => void begin()}>
            {now.is === 'failed' ? 'Try again' : 'Save'}
          </button>
        )}
      </div>
    </Dialog>
  );
}

async function exported(
  wish: ExportWish,
  signal: AbortSignal,
  onProgress: (progress: ExportProgress) => void,
): Promise<Stage> {
  const { camera, range, format } = wish;
  try {
    if (!canWriteFiles()) {
      return { is: 'link', url: (await linkOf(camera, range, format)).url };
    }
    const handle = await chooseFile(wish.name);
    if (handle === undefined) return { is: 'choosing' };
    onProgress({ bytes: 0, share: undefined, reachedMs: undefined });
    const result = await writeExport(wish, handle, { signal, onProgress });
    return { is: 'written', bytes: result.bytes, check: await checked(wish, result, signal) };
  } catch (problem) {
    if (!(problem instanceof ApiFailure)) throw problem;
    return problem.code === 'ABORTED' ? { is: 'choosing' } : { is: 'failed', problem };
  }
}

/** A link that ends by itself; where nobody may make one, the plain address, which the session opens. */
async function linkOf(camera: string, range: TimeRange, format: FileFormat): Promise<{ url: string }> {
  try {
    return await makeFileLink(camera, range, format);
  } catch (problem) {
    if (!(problem instanceof ApiFailure) || (problem.status !== 403 && problem.status !== 404)) throw problem;
    return { url: fileUrl(camera, range, format) };
  }
}

/** What the written file lacks, as the servers say now; the timeline may have asked for none of it. */
async function checked(
  { camera, range, format }: ExportWish,
  { covered, partial, beganMs }: ExportResult,
  signal: AbortSignal,
): Promise<FileCheck> {
  // servers that put the file together first have looked at all of it
  if (format === 'mp4') return { missing: partial, unsure: undefined };
  if (covered === undefined) return { missing: partial, unsure: 'The server did not say when it begins.' };
  try {
    const list = await getRecordings(camera, range, signal);
    const wanted = { ...range, toMs: Math.min(range.toMs, beganMs - listedAfterMs) };
    const check = checkFile(wanted, list, covered);
    return check.missing.length > 0 ? check : { ...check, missing: partial };
  } catch (problem) {
    if (!(problem instanceof ApiFailure)) throw problem;
    return { missing: partial, unsure: problem.code === 'ABORTED' ? 'Cancelled.' : problem.message };
  }
}

function NotRecorded({ camera, range }: { camera: string; range: TimeRange }) {
  const { recordings } = recordedOf(camera);
  const gaps = recordings.rows.filter(
    (row) => row.kind === 'gap' && row.toMs > range.fromMs && row.fromMs < range.toMs,
  );
  const silent = recordings.unreachable;
  return (
    <>
      {gaps.map(
        (row) =>
          row.kind === 'gap' && (
            <p key={row.fromMs} class="quiet">
              {`Not recorded: ${clockText(Math.max(range.fromMs, row.fromMs))} – ${clockText(Math.min(range.toMs, row.toMs))}, ${row.reason}.`}
            </p>
          ),
      )}
      {silent.length > 0 && (
        <p class="notice">{`No answer from ${silent.join(', ')}: what only ${silent.length === 1 ? 'it has' : 'they have'} will be missing.`}</p>
      )}
    </>
  );
}

function Progress({ progress: { bytes, share, reachedMs } }: { progress: ExportProgress }) {
  return (
    <div class="export-progress">
      <progress
        max={1}
        aria-label="Saved so far"
        {...(share === undefined ? {} : { value: Math.min(1, share) })}
      />
      <p>
        {bytes === 0 ? 'Waiting for the servers …' : bytesText(bytes)}
        {reachedMs !== undefined && `, up to ${clockText(reachedMs)}`}
      </p>
    </div>
  );
}

function Written({ bytes, check: { missing, unsure } }: { bytes: number; check: FileCheck }) {
  if (missing.length === 0) {
    return (
      <>
        <p class="export-good">{`Saved: ${bytesText(bytes)}.`}</p>
        {unsure !== undefined && (
          <p class="notice">{`Whether it is complete could not be checked: ${unsure}`}</p>
        )}
      </>
    );
  }
  return (
    <div class="notice notice-bad" role="alert">
      <p>
        <strong>The file is not complete.</strong>
        {` ${bytesText(bytes)} are saved. It lacks, though recorded: `}
        {missing.map(({ fromMs, toMs }) => `${momentText(fromMs)} – ${clockText(toMs)}`).join('; ')}
        {
          '. Try again when all servers answer; where the pictures change their size, save the rest as another file.'
        }
      </p>
      {unsure !== undefined && <p>{`Whether more is missing could not be checked: ${unsure}`}</p>}
    </div>
  );
}
