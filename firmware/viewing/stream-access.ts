/** What the viewing side asks of the cameras' streams; the server role implements it over the links to its cameras. */
import type { StreamChange, StreamSettings } from '../media/stream-settings.ts';

/** What is wanted of a camera; nothing but `reset: false` only asks. */
export interface StreamWish extends StreamChange {
  readonly reset: boolean;
}

/** What is in force at the camera, or why it did not do what was wanted. */
export type StreamOutcome = (StreamSettings & { readonly restarted: boolean }) | { readonly refusal: string };

/** How the cameras of this server are told. */
export interface StreamAccess {
  /** Asks a camera of this server. Rejects with Failure UNREACHABLE when it does not answer in time. */
  stream(camera: string, wish: StreamWish): Promise<StreamOutcome>;
}
