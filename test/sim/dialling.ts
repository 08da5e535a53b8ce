/**
 * How a connection comes about: TCP and TLS 1.3 take the dialler two round trips, and the listener learns of it half a
 * round trip later. A program that does not run is refused at once, a machine that is off and a path that is cut are
 * tried again after 1 and 3 s and given up after 5. A paused listener finishes the handshake when it resumes.
 */
import type { Address } from '../../firmware/overlay/packets.ts';
import { type FrameLink, noAnswer } from '../../firmware/overlay/surroundings.ts';
import type { Life, Timeline } from './life.ts';
import type { Paths } from './paths.ts';
import { connectEnds, type LinkWatcher } from './sim-link.ts';
import type { SimUnit } from './sim-unit.ts';

const handshakeMs = 5_000;
const synRetriesMs = [1_000, 3_000];

export interface DialOptions {
  readonly timeline: Timeline;
  readonly paths: Paths;
  readonly watcher: LinkWatcher;
  readonly dialler: SimUnit;
  readonly life: Life;
  readonly address: Address;
  readonly target: SimUnit | undefined;
  readonly done: (result: FrameLink | string) => void;
}

/** Dials; `done` is called once, later, if the dialler still runs. */
export function dial(options: DialOptions): void {
  new Dial(options).begin();
}

class Dial {
  private readonly options: DialOptions;
  private settled = false;
  private knocked = false;

  constructor(options: DialOptions) {
    this.options = options;
  }

  begin(): void {
    this.later(handshakeMs, () => this.settle(noAnswer));
    for (const delayMs of [0, ...synRetriesMs]) this.later(delayMs, () => this.knock());
  }

  private later(delayMs: number, task: () => void): void {
    const { timeline } = this.options;
    timeline.heap.plan(timeline.now + delayMs, task);
  }

  private settle(result: FrameLink | string): void {
    if (this.settled) return;
    this.settled = true;
    const { life, done } = this.options;
    life.run(() => done(result));
  }

  /** Whether packets travel both ways now. */
  private isOpen(): boolean {
    const { paths, dialler, target } = this.options;
    if (target === undefined || !target.isOn || !dialler.isAlive) return false;
    return paths.between(dialler.id, target.id).cuts === 0 && paths.between(target.id, dialler.id).cuts === 0;
  }

  /** The first packet of the handshake. */
  private knock(): void {
    if (this.settled || this.knocked || !this.isOpen()) return;
    this.knocked = true;
    const { target } = this.options;
    const halfMs = this.halfMs();
    this.later(halfMs, () => {
      if (target === undefined || !target.isOn) return;
      if (!target.isAlive) return this.later(halfMs, () => this.settle('connect ECONNREFUSED'));
      // The kernel shakes hands; for TLS the program must run.
      target.life?.run(() => this.later(2 * halfMs, () => this.answered(target.life)));
    });
  }

  /** A half round trip. */
  private halfMs(): number {
    const { paths, dialler, target } = this.options;
    return paths.delayMs(paths.between(dialler.id, (target as SimUnit).id));
  }

  private answered(life: Life | undefined): void {
    const { timeline, paths, watcher, dialler, target } = this.options;
    if (this.settled || target === undefined || life === undefined || !this.isOpen()) return;
    if (!life.alive) return this.settle('read ECONNRESET');
    const halfMs = this.halfMs();
    const diallerHalf = { host: dialler, life: this.options.life };
    this.later(halfMs, () => {
      if (this.settled || !this.options.life.alive || !this.isOpen()) return;
      if (!life.alive) return this.settle('read ECONNRESET');
      const acceptorHalf = { host: target, life };
      const [near, far] = connectEnds({
        timeline,
        paths,
        watcher,
        dialler: diallerHalf,
        acceptor: acceptorHalf,
      });
      dialler.adopt(near);
      target.adopt(far);
      this.later(halfMs, () => life.run(() => target.shell?.accept(far)));
      this.settle(near);
    });
  }
}
