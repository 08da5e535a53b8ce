/**
 * Shows the keyframe nearest before a time on a video element of its own, as fast as somebody drags: at most one request
 * is under way, the newest wish wins, and what was fetched is kept. Times in ms UTC.
 *
 * Every keyframe is appended at a media time of its own, one after the other, and the stream is ended behind it, so that
 * a decoder gives the picture out at once instead of waiting for more.
 */
import { ApiFailure } from './api-client.ts';
import { readInit } from './fmp4-boxes.ts';
import { type CachedKeyframe, KeyframeCache } from './keyframe-cache.ts';
import { type MediaFeed, openMediaFeed } from './media-feed.ts';
import { getKeyframe } from './recording-api.ts';

const bounds = { entries: 96, bytes: 24 * 1024 * 1024 };
/** Where the next keyframe is not known yet, this one counts for so long. */
const newestMs = 1_000;
/** What was answered while some servers were silent counts for so long: they may be back, with a nearer one. */
const unsureMs = 2_000;
/** media seconds between two keyframes */
const spacing = 10;

export interface ScrubberEvents {
  /** This picture is on the screen. */
  readonly onPicture: (keyframe: CachedKeyframe) => void;
  /** There is no picture before this time, or (`failed`) none came. */
  readonly onNothing: (ms: number, failed: boolean) => void;
}

/** See the top of this file; a new one for every camera. */
export class Scrubber {
  private readonly video: HTMLVideoElement;
  private readonly camera: string;
  private readonly events: ScrubberEvents;
  private readonly stop = new AbortController();
  private readonly cache = new KeyframeCache(bounds);
  private feed: MediaFeed | undefined;
  private mime = '';
  private wantedMs: number | undefined;
  private asking = false;
  private shown: CachedKeyframe | undefined;
  private place = 0;
  private appended: () => void = () => {};

  constructor(video: HTMLVideoElement, camera: string, events: ScrubberEvents) {
    this.video = video;
    this.camera = camera;
    this.events = events;
  }

  /** Wishes for the picture of a time. */
  show(ms: number): void {
    this.wantedMs = ms;
    void this.work();
  }

  close(): void {
    this.stop.abort();
    this.feed?.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  private async work(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      while (this.wantedMs !== undefined && !this.stop.signal.aborted) {
        const ms = this.wantedMs;
        const found = this.cache.find(ms, performance.now()) ?? (await this.fetch(ms));
        if (this.stop.signal.aborted) return;
        if (this.wantedMs === ms) this.wantedMs = undefined;
        if (found === undefined) this.events.onNothing(ms, true);
        else await this.present(found, ms);
      }
    } finally {
      this.asking = false;
    }
  }

  private async fetch(ms: number): Promise<CachedKeyframe | undefined> {
    try {
      const { bytes, atMs, nextMs, unsure } = await getKeyframe(this.camera, ms, this.stop.signal);
      const from = atMs ?? ms;
      // the end of the recording grows, and behind a hole there is nothing until the next one
      const end = nextMs ?? Math.max(ms, from) + newestMs;
      const staleAt = unsure ? performance.now() + unsureMs : undefined;
      const fresh = { atMs: from, nextMs: Math.max(end, from + 1), bytes, staleAt };
      this.cache.add(fresh);
      return fresh;
    } catch (problem) {
      if (!(problem instanceof ApiFailure)) throw problem;
      return undefined;
    }
  }

  private async present(keyframe: CachedKeyframe, ms: number): Promise<void> {
    const { bytes } = keyframe;
    if (bytes === undefined) return this.events.onNothing(ms, false);
    if (keyframe === this.shown) return this.events.onPicture(keyframe);
    const init = readInit(bytes);
    if (init === undefined) return this.events.onNothing(ms, true);
    if (this.feed === undefined) this.open(init.mime);
    else if (this.mime !== init.mime) this.feed.changeType(init.mime);
    this.mime = init.mime;
    const { feed } = this;
    if (feed === undefined) return this.events.onNothing(ms, true);
    this.place += spacing;
    const at = this.place;
    if (at > 3 * spacing) feed.remove(0, at - 2 * spacing);
    feed.append(bytes, at);
    feed.end();
    await this.seek(at);
    if (this.feed !== feed) return this.events.onNothing(ms, true);
    this.shown = keyframe;
    this.events.onPicture(keyframe);
  }

  private open(mime: string): void {
    this.feed = openMediaFeed(this.video, mime, {
      queueBytesMax: bounds.bytes,
      onChange: () => this.appended(),
      onTrouble: () => {
        this.feed?.close();
        this.feed = undefined;
        this.shown = undefined;
      },
    });
  }

  /** Until the picture at a media time is decoded; not for ever, because a damaged one never is. */
  private seek(at: number): Promise<void> {
    const { video } = this;
    return new Promise((resolve) => {
      const done = new AbortController();
      const { signal } = done;
      const settle = () => {
        done.abort();
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(settle, 1_000);
      const check = () => {
        const { buffered } = video;
        const last = buffered.length - 1;
        if (video.readyState < HTMLMediaElement.HAVE_METADATA || last < 0 || buffered.end(last) <= at) return;
        const to = Math.max(at, buffered.start(last));
        if (video.currentTime !== to) video.currentTime = to;
      };
      video.addEventListener('seeked', settle, { signal });
      video.addEventListener('loadedmetadata', check, { signal });
      this.appended = check;
      this.stop.signal.addEventListener('abort', settle, { signal });
      check();
    });
  }
}
