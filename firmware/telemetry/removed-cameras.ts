/**
 * A camera that was taken off the site's lists is nobody's any more: the broker and Home Assistant forget it. Every
 * server says so, in every session: its last manager may have had none then, or may never come back. Where the camera is
 * back meanwhile and this server does not know, its manager says it again.
 *
 * Invariant: a server that has just started says nothing, for what it knows of the site may be old.
 */
import type { Clock } from '../base/clock.ts';
import type { Directory } from '../viewing/directory.ts';

/** What a server knows is not old any more so many times `goneMs` after it began. */
const settledGones = 20;
const everyMs = 10_000;
/** Cameras at a time: what is new of others comes in between. */
const camerasAtOnce = 16;

export interface RemovedCamerasOptions {
  readonly clock: Clock;
  readonly goneMs: number;
  readonly directory: Pick<Directory, 'cameras'>;
  /** cameras that somebody took off the site's lists; one that came back may be among them */
  readonly removed: () => readonly string[];
  /** Has the broker forget what it retains of a camera; false when it has been told so already. */
  readonly forget: (camera: string) => boolean;
}

export class RemovedCameras {
  private readonly options: RemovedCamerasOptions;
  private nextMs: number;

  constructor(options: RemovedCamerasOptions) {
    this.options = options;
    this.nextMs = options.clock.monotonicMs() + settledGones * options.goneMs;
  }

  /** To be called often. */
  look(): void {
    const { clock, directory, removed, forget } = this.options;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.nextMs) return;
    const listed = new Set(directory.cameras().map(({ id }) => id));
    let told = 0;
    for (const camera of removed()) {
      if (listed.has(camera) || !forget(camera)) continue;
      told += 1;
      if (told === camerasAtOnce) return;
    }
    this.nextMs = nowMs + everyMs;
  }
}
