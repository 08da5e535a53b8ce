/**
 * The clock of the server that manages this unit, read from its confirmation and its echoes. How long these were on
 * their way is half of the shortest round trip seen on the link: first that of the confirmation, which the camera's
 * disk has made longer, then that of an echo which the camera asks for.
 */
import type { CameraContext } from './camera-context.ts';
import type { LinkId } from './effects.ts';

export class ServerClock {
  private readonly context: CameraContext;
  private readonly link: LinkId;
  private readonly server: string;
  private roundTripMs: number;
  /** when the oldest echo that has not come back was asked for */
  private askedAt: number | undefined;

  constructor(
    context: CameraContext,
    manager: { readonly link: LinkId; readonly server: string; readonly roundTripMs: number },
  ) {
    this.context = context;
    this.link = manager.link;
    this.server = manager.server;
    this.roundTripMs = manager.roundTripMs;
  }

  /** The manager's clock showed this a moment ago. */
  read(utcUs: number): void {
    const uncertaintyMs = this.roundTripMs / 2;
    const atMs = this.context.now - uncertaintyMs;
    this.context.emit({ type: 'timed', server: this.server, utcUs, atMs, uncertaintyMs });
  }

  /** Asks for an echo. */
  ask(): void {
    this.askedAt ??= this.context.now;
    this.context.send(this.link, 'cam-echo', { reply: false, utcUs: 0, herd: 0 });
  }

  /** An echo has come back; links keep order. */
  answered(): void {
    if (this.askedAt === undefined) return;
    this.roundTripMs = Math.min(this.roundTripMs, this.context.now - this.askedAt);
    this.askedAt = undefined;
  }
}
