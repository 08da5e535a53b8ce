/**
 * Where a camera unit streams to, from one manager to the next.
 *
 * Invariants: at most one stream sends; the next one begins at the oldest samples that nobody has acknowledged, so what
 * the manager before may not have kept is sent again, and readers drop what two servers have; acknowledgements count
 * from whichever manager they come.
 */
import type { Clock } from '../base/clock.ts';
import type { Backlog } from '../capture/backlog.ts';
import type { UplinkLink } from '../capture/uplink.ts';
import type { LinkId } from '../overlay/effects.ts';
import { UnitStream } from './unit-stream.ts';

/** Gives the link's media to the stream; undefined when the link is gone already. */
export type UseLink = (link: LinkId, stream: UnitStream) => UplinkLink | undefined;

export class Handover {
  private readonly outboxes: ReadonlyMap<string, Backlog>;
  private readonly clock: Clock;
  private readonly use: UseLink;
  private present: { readonly server: string; readonly stream: UnitStream } | undefined;

  constructor(outboxes: ReadonlyMap<string, Backlog>, clock: Clock, use: UseLink) {
    this.outboxes = outboxes;
    this.clock = clock;
    this.use = use;
    this.setManaged(false);
  }

  /** A server manages the unit on this link from now on. */
  managed(link: LinkId, server: string): void {
    this.present?.stream.close();
    const stream: UnitStream = new UnitStream(
      { send: (kind, parts) => target?.send(kind, parts) ?? false },
      this.outboxes,
      this.clock,
    );
    const target = this.use(link, stream);
    this.present = { server, stream };
    this.setManaged(true);
    stream.pump();
  }

  /** A server does not manage the unit any more; another one may do so already. */
  unmanaged(server: string): void {
    if (this.present?.server !== server) return;
    this.present.stream.close();
    this.present = undefined;
    this.setManaged(false);
  }

  /** A new sample is in a camera's outbox. */
  sampled(camera: string): void {
    this.present?.stream.sampled(camera);
  }

  /** Sends what waits, as much as the link takes. */
  pump(): void {
    this.present?.stream.pump();
  }

  /** Sends everything that waits; see UnitStream. */
  async flush(): Promise<void> {
    await this.present?.stream.flush();
  }

  private setManaged(managed: boolean): void {
    for (const outbox of this.outboxes.values()) outbox.setManaged(managed);
  }
}
