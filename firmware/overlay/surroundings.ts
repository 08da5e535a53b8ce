/**
 * The world around an overlay node, as its shell (roles/overlay-shell.ts) needs it. `io` implements it with sockets
 * and files, the simulator in virtual time. Calls never throw; answers come later, never within the call.
 */
import type { FrameParts } from '../base/frames.ts';
import type { MemoryRecord, Peer } from './effects.ts';
import type { Address, Packet } from './packets.ts';

/** Why a dial failed that nobody has refused: at its end there may be nothing any more. */
export const noAnswer = 'no answer in time';

/** What a link's owner wants to know. */
export interface LinkHandlers {
  frame(kind: number, parts: FrameParts): void;
  /** the peer broke the framing; `closed` follows */
  refused(reason: string): void;
  closed(reason: string): void;
  /** everything sent so far has left */
  drained(): void;
}

/** One end of an authenticated connection that carries frames. */
export interface FrameLink {
  readonly peer: Peer;
  /** Starts delivery; frames that arrived earlier are not lost. */
  open(handlers: LinkHandlers): void;
  /** Sends one frame; false when the sender should wait for `drained`. */
  send(kind: number, parts: readonly Uint8Array[]): boolean;
  /** Stops and resumes reading; meanwhile the peer is held back. */
  pause(): void;
  resume(): void;
  /** Closes now; `closed` is reported once, with the first reason given. */
  close(reason: string): void;
  /** Sends what is queued, then closes. */
  end(reason: string): Promise<void>;
}

export interface Surroundings {
  /** Dials a unit; `done` gets the link, or why there is none: `noAnswer` after some seconds of silence. */
  dial(address: Address, done: (result: FrameLink | string) => void): void;
  /** Seals a join and sends it to every anycast endpoint and to the servers at `also`. */
  anycast(packet: Packet, also: readonly Address[]): void;
  /** Puts this server's anycast address up or takes it down, where it has one. */
  anycastAddress(up: boolean): void;
  /** On the medium when it returns; false when the medium refuses. */
  persist(state: Readonly<Record<string, number>>): boolean;
  /** Is written soon. */
  remember(record: MemoryRecord): void;
}
