/**
 * A camera that was taken off the site's lists is nobody's any more: the broker and Home Assistant forget it. Every
 * server says so, in every session: its last manager may have had none then, or may never come back. Where the camera is
 * back meanwhile and this server does not know, its manager says it again.
 *
 * Invariants: a server that has just started says nothing, for what it knows of the site may be old; a camera that was
 * back in between is said to be gone again, for others have told of it.
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
  /** what the broker retains of a camera */
  readonly topicsOf: (camera: string) => readonly string[];
  /** by topic, what this server has said last */
  readonly last: Map<string, string>;
  /** Publishes what is retained; nothing empties a topic. */
  readonly say: (topic: string, payload: string) => void;
}

export class RemovedCameras {
  private readonly options: RemovedCamerasOptions;
  private nextMs: number;
  /** of which something was emptied, and which were on no list since */
  private readonly forgotten = new Set<string>();

  constructor(options: RemovedCamerasOptions) {
    this.options = options;
    this.nextMs = options.clock.monotonicMs() + settledGones * options.goneMs;
  }

  /** To be called often. */
  look(): void {
    const { clock, directory, removed } = this.options;
    const nowMs = clock.monotonicMs();
    const isDue = nowMs >= this.nextMs;
    if (!isDue && this.forgotten.size === 0) return;
    const listed = new Set(directory.cameras().map(({ id }) => id));
    for (const camera of this.forgotten) if (listed.has(camera)) this.isBack(camera);
    if (!isDue) return;
    let told = 0;
    for (const camera of removed()) {
      if (listed.has(camera) || !this.forget(camera)) continue;
      told += 1;
      if (told === camerasAtOnce) return;
    }
    this.nextMs = nowMs + everyMs;
  }

  /** Whether the broker had not been told so already. */
  private forget(camera: string): boolean {
    const { topicsOf, last, say } = this.options;
    const kept = topicsOf(camera).filter((topic) => last.get(topic) !== '');
    for (const topic of kept) say(topic, '');
    this.forgotten.add(camera);
    return kept.length > 0;
  }

  /** Its manager has filled what was emptied. */
  private isBack(camera: string): void {
    const { topicsOf, last } = this.options;
    this.forgotten.delete(camera);
    for (const topic of topicsOf(camera)) if (last.get(topic) === '') last.delete(topic);
  }
}
