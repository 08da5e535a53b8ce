/**
 * Counts the frames that a video element has really shown, and knows when the last one appeared: the only truth about
 * whether a picture is alive. Browsers do not report frames of a video that is scrolled out of view; there the playing
 * position and the decoder's count stand in for them. Ages on the page's monotonic clock, ms.
 */

/** See the top of this file; `watch` begins, `close` ends. */
export class DisplayedFrames {
  /** Frames shown since `watch`. */
  count = 0;
  /** Media time, in seconds, of the newest frame shown. */
  mediaTime: number | undefined;
  /** `performance.now()` when it appeared. */
  shownAt: number | undefined;
  /** The same in ms UTC, by this device's clock. */
  shownAtUtcMs: number | undefined;

  private readonly video: HTMLVideoElement;
  private readonly onFrame: () => void;
  private callback: number | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private polledTime = 0;
  private polledDecoded = 0;

  constructor(video: HTMLVideoElement, onFrame: () => void) {
    this.video = video;
    this.onFrame = onFrame;
  }

  /** Begins to count. */
  watch(): this {
    this.request();
    this.timer = setInterval(() => this.poll(), 200);
    return this;
  }

  /** ms since the newest frame appeared; undefined before the first. */
  get ageMs(): number | undefined {
    return this.shownAt === undefined ? undefined : performance.now() - this.shownAt;
  }

  close(): void {
    clearInterval(this.timer);
    if (this.callback !== undefined) this.video.cancelVideoFrameCallback(this.callback);
    this.callback = undefined;
  }

  private request(): void {
    if (!('requestVideoFrameCallback' in this.video)) return;
    this.callback = this.video.requestVideoFrameCallback((_, metadata) => {
      // a seek to where we are shows the same frame again, which proves nothing
      if (metadata.mediaTime !== this.mediaTime) this.shown(metadata.mediaTime);
      this.request();
    });
  }

  private poll(): void {
    const { currentTime } = this.video;
    const decoded = this.video.getVideoPlaybackQuality().totalVideoFrames;
    const advanced = currentTime !== this.polledTime && decoded !== this.polledDecoded;
    this.polledTime = currentTime;
    this.polledDecoded = decoded;
    if (advanced && !this.video.seeking && (this.callback === undefined || this.outOfView()))
      this.shown(currentTime);
  }

  private outOfView(): boolean {
    const box = this.video.getBoundingClientRect();
    return box.bottom <= 0 || box.right <= 0 || box.top >= innerHeight || box.left >= innerWidth;
  }

  private shown(mediaTime: number): void {
    this.count += 1;
    this.mediaTime = mediaTime;
    this.shownAt = performance.now();
    this.shownAtUtcMs = Date.now();
    this.onFrame();
  }
}
