/**
 * One MediaSource on one video element, fed through a bounded queue: a SourceBuffer takes one operation at a time, so
 * appends, removals and the end wait here in order. When the browser's quota is full, what lies behind the playing
 * position goes first; if that is not enough, the queue waits until more was played, and it is trouble if it grows too
 * long meanwhile. Times in seconds.
 */

/** Longer than any video: a year. */
const anySeconds = 366 * 86_400;
/** So often a browser that is full is asked again. */
const retryMs = 500;

export interface MediaFeedOptions {
  /** Bytes that may wait; more is trouble. */
  readonly queueBytesMax: number;
  /** The feed is of no more use: open another. Called once. */
  readonly onTrouble: (reason: string) => void;
  /** Something was appended or removed. */
  readonly onChange: () => void;
}

type Operation =
  | { readonly kind: 'append'; readonly bytes: Uint8Array; readonly offset: number | undefined }
  | { readonly kind: 'remove'; readonly from: number; readonly to: number }
  | { readonly kind: 'type'; readonly mime: string }
  | { readonly kind: 'end' };

interface ManagedWindow {
  readonly ManagedMediaSource?: typeof MediaSource;
}

/** The browser's MediaSource: the managed one on phones that have no other. */
function mediaSourceClass(): typeof MediaSource | undefined {
  return globalThis.MediaSource ?? (globalThis as unknown as ManagedWindow).ManagedMediaSource;
}

/** Opens a feed; `undefined` when this browser cannot play the type. The video's picture is replaced. */
export function openMediaFeed(
  video: HTMLVideoElement,
  mime: string,
  options: MediaFeedOptions,
): MediaFeed | undefined {
  const Source = mediaSourceClass();
  if (Source === undefined || !Source.isTypeSupported(mime)) return undefined;
  const feed = new MediaFeed(video, mime, new Source(), options);
  feed.open();
  return feed;
}

/** See the top of this file; made by `openMediaFeed`. */
export class MediaFeed {
  readonly mime: string;
  private readonly video: HTMLVideoElement;
  private readonly source: MediaSource;
  private readonly options: MediaFeedOptions;
  private readonly stop = new AbortController();
  private queue: Operation[] = [];
  private queuedBytes = 0;
  private buffer: SourceBuffer | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private whenIdle: (() => void)[] = [];

  constructor(video: HTMLVideoElement, mime: string, source: MediaSource, options: MediaFeedOptions) {
    this.video = video;
    this.mime = mime;
    this.source = source;
    this.options = options;
  }

  /** Takes the video element over. */
  open(): void {
    const { signal } = this.stop;
    const url = URL.createObjectURL(this.source);
    this.video.disableRemotePlayback = true;
    this.video.src = url;
    this.video.addEventListener('error', () => this.fail(this.video.error?.message ?? 'decode error'), {
      signal,
    });
    this.source.addEventListener(
      'sourceopen',
      () => {
        URL.revokeObjectURL(url);
        // a browser ignores a seek to what is not seekable, and where nothing is buffered nothing would be
        this.source.setLiveSeekableRange(0, anySeconds);
        this.buffer = this.source.addSourceBuffer(this.mime);
        this.buffer.addEventListener('updateend', () => this.updated(), { signal });
        this.pump();
        this.settle();
      },
      { once: true, signal },
    );
  }

  /** What can be played; empty before the first append. */
  get ranges(): readonly { readonly start: number; readonly end: number }[] {
    const { buffered } = this.video;
    return Array.from({ length: buffered.length }, (_, i) => ({
      start: buffered.start(i),
      end: buffered.end(i),
    }));
  }

  /** Whole init segments or whole fragments only. `offset` is added to their times. */
  append(bytes: Uint8Array, offset?: number): void {
    if (this.queuedBytes + bytes.length > this.options.queueBytesMax) {
      this.fail('the browser takes the video more slowly than it comes');
      return;
    }
    this.queuedBytes += bytes.length;
    this.enqueue({ kind: 'append', bytes, offset });
  }

  /** Forgets what lies between two times; up to the end by default. */
  remove(from: number, to = Number.POSITIVE_INFINITY): void {
    if (to > from) this.enqueue({ kind: 'remove', from, to });
  }

  /** What follows is of another type of the same shape. */
  changeType(mime: string): void {
    this.enqueue({ kind: 'type', mime });
  }

  /** Nothing follows, until the next append. */
  end(): void {
    this.enqueue({ kind: 'end' });
  }

  /** Forgets what waits and everything buffered; resolves when it is gone and the video may be filled anew. */
  clear(): Promise<void> {
    this.queue = [];
    this.queuedBytes = 0;
    this.remove(0);
    return new Promise((resolve) => {
      this.whenIdle.push(resolve);
      this.settle();
    });
  }

  /** Whether everything given has reached the browser. */
  get idle(): boolean {
    return this.queue.length === 0 && this.buffer?.updating === false;
  }

  /** Whether the browser takes nothing more until more of what it has was played. */
  get full(): boolean {
    return this.retry !== undefined;
  }

  /** Bytes that have not reached the browser. */
  get waitingBytes(): number {
    return this.queuedBytes;
  }

  /** Leaves the video element's last picture alone. */
  close(): void {
    this.stop.abort();
    this.stopWaiting();
    this.queue = [];
    this.queuedBytes = 0;
    this.settle();
  }

  /** Those who wait for the browser wait no longer. */
  private settle(): void {
    if (!this.idle && !this.stop.signal.aborted) return;
    const waiting = this.whenIdle;
    this.whenIdle = [];
    for (const resolve of waiting) resolve();
  }

  private enqueue(operation: Operation): void {
    if (this.stop.signal.aborted) return;
    this.queue.push(operation);
    this.pump();
  }

  private updated(): void {
    const { source } = this;
    // the end that was said is not the end any more: beyond it nothing could be sought
    if (source.readyState === 'open' && Number.isFinite(source.duration)) {
      source.duration = Number.POSITIVE_INFINITY;
    }
    this.pump();
    this.settle();
    this.options.onChange();
  }

  private pump(): void {
    const { buffer, source } = this;
    this.stopWaiting();
    while (buffer !== undefined && !buffer.updating && !this.stop.signal.aborted) {
      const next = this.queue[0];
      if (next === undefined) return;
      try {
        perform(next, buffer, source);
      } catch (problem) {
        if (isQuota(problem)) this.makeRoom(buffer);
        else this.fail(problem instanceof Error ? problem.message : String(problem));
        return;
      }
      this.queue.shift();
      if (next.kind === 'append') this.queuedBytes -= next.bytes.length;
    }
  }

  private makeRoom(buffer: SourceBuffer): void {
    const first = this.ranges[0]?.start ?? 0;
    const keepFrom = this.video.currentTime - 2;
    if (keepFrom > first + 1) {
      buffer.remove(0, keepFrom);
      return;
    }
    this.retry = setTimeout(() => this.pump(), retryMs);
  }

  private stopWaiting(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
  }

  private fail(reason: string): void {
    if (this.stop.signal.aborted) return;
    this.close();
    this.options.onTrouble(reason);
  }
}

function perform(operation: Operation, buffer: SourceBuffer, source: MediaSource): void {
  switch (operation.kind) {
    case 'append':
      if (operation.offset !== undefined && buffer.timestampOffset !== operation.offset) {
        buffer.timestampOffset = operation.offset;
      }
      buffer.appendBuffer(operation.bytes as Uint8Array<ArrayBuffer>);
      break;
    case 'remove':
      if (buffer.buffered.length > 0) buffer.remove(operation.from, operation.to);
      break;
    case 'type':
      buffer.changeType(operation.mime);
      break;
    case 'end':
      if (source.readyState === 'open') source.endOfStream();
      break;
  }
}

function isQuota(problem: unknown): boolean {
  return problem instanceof Error && problem.name === 'QuotaExceededError';
}
