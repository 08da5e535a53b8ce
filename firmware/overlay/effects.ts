/**
 * What the overlay's state machines see and what they ask for. They are synchronous and pure: an event and the time
 * go in, a list of effects comes out, and the shell performs these in order. Times are monotonic milliseconds.
 */
import type { Address, Packet } from './packets.ts';

/** A connection, numbered by the shell; never reused within a run. */
export type LinkId = number;

/** Who is at the other end, proven by its certificate. */
export interface Peer {
  readonly unit: string;
  readonly role: 'camera' | 'server';
}

export type OverlayEvent =
  | { type: 'start' }
  /** a sealed, fresh datagram; `from` is where it was sent from */
  | { type: 'datagram'; packet: Packet; from: string }
  | { type: 'accepted'; link: LinkId; peer: Peer }
  | { type: 'dialed'; dial: number; link: LinkId; peer: Peer }
  | { type: 'dial-failed'; dial: number; reason: string }
  | { type: 'packet'; link: LinkId; packet: Packet }
  /** the other end is alive: it sent something that is no packet, or it is held back by this unit itself */
  | { type: 'heard'; link: LinkId }
  | { type: 'closed'; link: LinkId; reason: string }
  /** time has passed; sent when the node's `wakeAt` is reached */
  | { type: 'tick' };

export type Effect =
  /** seal it and send it to every anycast endpoint, from a fresh socket */
  | { type: 'anycast'; packet: Packet }
  | { type: 'dial'; dial: number; address: Address }
  | { type: 'send'; link: LinkId; packet: Packet }
  | { type: 'close'; link: LinkId; reason: string }
  /** must be on the disk before the effects after it are performed */
  | { type: 'persist'; state: Readonly<Record<string, number>> }
  /** a peer's fault: counted, and logged once per reason */
  | { type: 'refused'; reason: string; peer: string }
  /** for the log: what happened, to whom */
  | { type: 'story'; text: string }
  /** server: this camera unit is now recorded here, over this link */
  | { type: 'attached'; link: LinkId; unit: string; cameras: readonly string[]; epoch: number }
  | { type: 'detached'; link: LinkId; unit: string; reason: string }
  /** camera: stream to this manager */
  | { type: 'managed'; link: LinkId; server: string; epoch: number }
  | { type: 'unmanaged'; server: string; reason: string };

/** A state machine that the shell drives. */
export interface OverlayNode {
  step(now: number, event: OverlayEvent): Effect[];
  /** when the next `tick` is due */
  wakeAt(): number;
}

/** Randomness, injected so that a simulator can replay it. */
export interface Random {
  /** uniform in [0, 1) */
  unit(): number;
  bytes(count: number): Buffer;
}
