/**
 * What a camera unit streams to the server that manages it now: the uplink on that server's link, and what a clean
 * stop needs to know of it. One for each time that a manager is found.
 */
import type { Clock } from '../base/clock.ts';
import type { FrameParts } from '../base/frames.ts';
import type { Backlog } from '../capture/backlog.ts';
import { Uplink, type UplinkLink } from '../capture/uplink.ts';

/** How long a manager that reads slowly may hold up the end of the unit. */
const flushMs = 5_000;

export class UnitStream {
  private readonly uplink: Uplink;
  private readonly clock: Clock;
  private full = false;
  private closed = false;
  private onSent = (): void => undefined;

  /** `link` is that of the manager; nothing is sent before the first `pump`. */
  constructor(link: UplinkLink, outboxes: ReadonlyMap<string, Backlog>, clock: Clock) {
    this.clock = clock;
    const send = (kind: number, parts: readonly Uint8Array[]): boolean => {
      if (this.closed) return false;
      const flowing = link.send(kind, parts);
      if (!flowing) this.full = true;
      return flowing;
    };
    this.uplink = new Uplink({ send }, outboxes);
  }

  /** A new sample is in a camera's outbox. */
  sampled(camera: string): void {
    this.uplink.sampled(camera);
  }

  /** Sends what waits, as much as the link takes. */
  pump(): void {
    this.uplink.pump();
  }

  /** Takes a frame of the manager; returns why the link must be closed, if it must. */
  frame(kind: number, parts: FrameParts): string | undefined {
    return this.uplink.frame(kind, parts);
  }

  /** The link has room again. */
  drained(): void {
    this.full = false;
    this.uplink.drained();
    if (!this.full) this.onSent();
  }

  /** The link is gone, or another manager has taken over: nothing more is sent, acknowledgements still count. */
  close(): void {
    this.closed = true;
    this.onSent();
  }

  /** Sends everything that waits; resolves when it was handed to the link, or after `flushMs`, or when that is gone. */
  async flush(): Promise<void> {
    this.pump();
    if (!this.full || this.closed) return;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(flushMs, resolve);
      this.onSent = () => {
        cancel();
        resolve();
      };
    });
  }
}
