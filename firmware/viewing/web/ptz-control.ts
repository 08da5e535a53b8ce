/**
 * Steers one camera: one command is on its way at a time, and of those that wait only the newest matters. A held button
 * says again and again that the camera shall turn, because a camera that hears nothing stops by itself. Degrees; zoom is
 * a factor.
 */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { PtzAnswer } from '../api.ts';
import { ApiFailure, cameraPath, getJson, sendJson } from './api-client.ts';
import type { LivePointing } from './live-player.ts';

const renewMs = 400;
/** The live picture says where it looks; what else there is to know, such as presets, changes seldom. */
const lookMs = 5_000;

/** Shares of full speed, −1 to 1. */
export interface Velocity {
  readonly pan?: number;
  readonly tilt?: number;
  readonly zoom?: number;
}

type Command =
  | { pan?: number; tilt?: number; zoom?: number; relative?: true }
  | { velocity: Velocity }
  | { preset: string }
  | { stop: true };

/** See the top of this file; `open` begins, `close` ends. */
export class PtzControl {
  private readonly path: string;
  private readonly stop = new AbortController();
  private readonly known = signal<PtzAnswer | undefined>(undefined);
  private readonly refused = signal<string | undefined>(undefined);
  private waiting: Command | undefined;
  private busy = false;
  private held: ReturnType<typeof setInterval> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(camera: string) {
    this.path = `${cameraPath(camera)}/ptz`;
  }

  /** Where it looks, as it said last. */
  get answer(): ReadonlySignal<PtzAnswer | undefined> {
    return this.known;
  }

  /** Why it does not do what it is told; undefined while it does. */
  get problem(): ReadonlySignal<string | undefined> {
    return this.refused;
  }

  open(): this {
    const { signal } = this.stop;
    // nobody can let go of a button in a window that is not seen
    document.addEventListener('visibilitychange', () => this.release(), { signal });
    addEventListener('blur', () => this.release(), { signal });
    void this.look();
    return this;
  }

  close(): void {
    this.release();
    this.stop.abort();
    clearTimeout(this.timer);
  }

  /** What came with the live picture. */
  readonly pointed = ({ position, moving }: LivePointing): void => {
    const before = this.known.peek();
    if (before !== undefined) this.known.value = { ...before, position, moving };
  };

  /** Turns until `release`. */
  hold(velocity: Velocity): void {
    clearInterval(this.held);
    const say = () => this.send({ velocity });
    this.held = setInterval(say, renewMs);
    say();
  }

  release(): void {
    if (this.held === undefined) return;
    clearInterval(this.held);
    this.held = undefined;
    this.send({ stop: true });
  }

  goTo(target: { pan?: number; tilt?: number; zoom?: number }): void {
    this.send(target);
  }

  goToPreset(preset: string): void {
    this.send({ preset });
  }

  /** Keeps where it looks now under a name. Rejects with ApiFailure. */
  async save(preset: string): Promise<void> {
    await sendJson('PUT', this.presetPath(preset), undefined);
    await this.look();
  }

  /** Forgets a preset. Rejects with ApiFailure. */
  async forget(preset: string): Promise<void> {
    await sendJson('DELETE', this.presetPath(preset), undefined);
    await this.look();
  }

  private presetPath(preset: string): string {
    return `${this.path.replace(/ptz$/, 'presets')}/${encodeURIComponent(preset)}`;
  }

  private send(command: Command): void {
    this.waiting = command;
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.waiting !== undefined) {
      const command = this.waiting;
      this.waiting = undefined;
      await this.ask(() => sendJson<PtzAnswer>('POST', this.path, command));
    }
    this.busy = false;
    this.later();
  }

  private async look(): Promise<void> {
    if (!document.hidden && !this.busy) {
      await this.ask(() => getJson<PtzAnswer>(this.path, this.stop.signal));
    }
    this.later();
  }

  private later(): void {
    clearTimeout(this.timer);
    if (this.stop.signal.aborted) return;
    this.timer = setTimeout(() => void this.look(), lookMs);
  }

  private async ask(question: () => Promise<PtzAnswer>): Promise<void> {
    try {
      this.known.value = await question();
      this.refused.value = undefined;
    } catch (problem) {
      if (!(problem instanceof ApiFailure)) throw problem;
      if (problem.code !== 'ABORTED') this.refused.value = `${problem.message} ${problem.advice}`.trim();
    }
  }
}
