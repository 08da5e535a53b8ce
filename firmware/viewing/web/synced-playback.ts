/**
 * Several cameras played by one clock. The clock stands still while somebody pauses it and while a camera that should
 * show something has nothing yet, but not for long: one that stays behind is left behind, and says so. Where no camera
 * recorded anything it jumps on to the next recording. Times in ms UTC.
 */
import { PlaybackClock } from './playback-clock.ts';
import { recordedOf } from './recorded.ts';
import { SyncedPlayer, type SyncedStatus } from './synced-player.ts';

const everyMs = 100;
const patienceMs = 4_000;
/** Who steps to a picture goes so far into it. */
const intoMs = 1;
/** The clock gives way when the players are so far from it. */
const clockSeconds = 0.06;

export interface SyncedPlaybackStatus {
  readonly atMs: number;
  readonly paused: boolean;
  /** it waits for a camera */
  readonly waiting: boolean;
  readonly players: readonly SyncedStatus[];
}

export class SyncedPlayback {
  readonly clock: PlaybackClock;
  private readonly players: SyncedPlayer[] = [];
  private readonly onStatus: (status: SyncedPlaybackStatus) => void;
  private readonly timer: ReturnType<typeof setInterval>;
  private paused = false;

  constructor(atMs: number, onStatus: (status: SyncedPlaybackStatus) => void) {
    this.clock = new PlaybackClock(atMs, () => performance.now());
    this.onStatus = onStatus;
    this.timer = setInterval(() => this.steer(), everyMs);
  }

  /** Adds a camera; returns how to take it away. */
  add(video: HTMLVideoElement, camera: string): () => void {
    const player = new SyncedPlayer(video, camera, this.clock);
    this.players.push(player);
    return () => {
      this.players.splice(this.players.indexOf(player), 1);
      player.close();
    };
  }

  close(): void {
    clearInterval(this.timer);
    for (const player of this.players) player.close();
  }

  seek(ms: number): void {
    this.clock.set(Math.min(ms, Date.now()));
    for (const player of this.players) player.loadingSince = undefined;
    this.steer();
  }

  toggle(): void {
    this.paused = !this.paused;
    this.steer();
  }

  /**
   * Pauses, and goes to where the picture of any camera changes next (1) or changed before (−1); or where there is a
   * keyframe. From where the clock is, as pictures of earlier steps may not be shown yet.
   */
  step(direction: 1 | -1, keyframes: boolean): void {
    this.paused = true;
    this.clock.hold();
    const { atMs } = this.clock;
    const changedMs = Math.max(...this.players.map((player) => player.changedMs(atMs) ?? 0)) || atMs;
    const fromMs = direction > 0 ? atMs : changedMs;
    const times = this.players.flatMap((player) => player.beside(fromMs, direction, keyframes) ?? []);
    if (times.length === 0) return;
    const to = direction > 0 ? Math.min(...times) : Math.max(...times);
    this.seek(to + intoMs);
  }

  private steer(): void {
    for (const player of this.players) player.steer();
    const now = performance.now();
    const waiting = this.players.some(
      ({ loadingSince }) => loadingSince !== undefined && now - loadingSince < patienceMs,
    );
    if (this.paused || waiting) this.clock.hold();
    else this.clock.run();
    if (this.clock.running) {
      this.settle();
      this.skipGap();
    }
    if (this.clock.atMs > Date.now() - 1_000) this.clock.set(Date.now() - 1_000);
    this.onStatus({
      atMs: this.clock.atMs,
      paused: this.paused,
      waiting: waiting && !this.paused,
      players: this.players.map(({ status }) => status),
    });
  }

  /** Where most are behind, as all are when they start, it is the clock that is wrong. */
  private settle(): void {
    const ahead = this.players
      .flatMap(({ aheadSeconds }) => aheadSeconds ?? [])
      .sort((one, other) => one - other);
    const median = ahead[Math.floor(ahead.length / 2)];
    if (median === undefined || Math.abs(median) < clockSeconds || Math.abs(median) > 2) return;
    this.clock.set(this.clock.atMs + median * 1_000);
  }

  /** Nobody has anything now: on to who has something first. */
  private skipGap(): void {
    if (this.players.length === 0 || this.players.some(({ status }) => status.state !== 'gap')) return;
    const ms = this.clock.atMs;
    const ends = this.players.flatMap(({ camera }) => {
      const place = recordedOf(camera).recordings.at(ms);
      return place?.kind === 'gap' ? place.toMs : [];
    });
    const next = Math.min(...ends);
    if (next - ms > 2_000 && next < Date.now()) this.seek(next - 500);
  }
}
