/**
 * What the overlay's state machines see and what they ask for. They are synchronous and pure: an event and the time
 * go in, a list of effects comes out, and the shell performs these in order. Times are monotonic milliseconds.
 */
import type {
  Address,
  DocumentRow,
  HlcTime,
  KnownServer,
  NetworkId,
  Packet,
  PacketBody,
  Tenure,
} from './packets.ts';

/** A connection, numbered by the shell; never reused within a run. */
export type LinkId = number;

/** Who is at the other end, proven by its certificate. */
export interface Peer {
  readonly unit: string;
  readonly role: 'camera' | 'server';
}

/** Who has managed a camera, as far as is known. */
export interface QueryAnswer {
  readonly camera: string;
  /** undefined when nobody knows the camera */
  readonly manager: string | undefined;
  readonly link: Address | undefined;
  readonly epoch: number;
  /** `unreachable`: the manager did not answer, the rest is what was known last */
  readonly state: 'online' | 'offline' | 'unknown' | 'unreachable';
  /** present and previous managers, oldest first */
  readonly tenures: readonly Tenure[];
}

export type OverlayEvent =
  | { type: 'start' }
  /** a sealed, fresh datagram; `from` is where it was sent from, `multicast` whether others heard it too */
  | { type: 'datagram'; packet: Packet; from: string; multicast: boolean }
  | { type: 'accepted'; link: LinkId; peer: Peer }
  | { type: 'dialed'; dial: number; link: LinkId; peer: Peer }
  | { type: 'dial-failed'; dial: number; reason: string }
  | { type: 'packet'; link: LinkId; packet: Packet }
  /** the other end is alive: it sent something that is no packet, or it is held back by this unit itself */
  | { type: 'heard'; link: LinkId }
  | { type: 'closed'; link: LinkId; reason: string }
  /** server: who manages this camera? answered with the effect `answered` and the same number */
  | { type: 'query'; query: number; camera: string }
  /** server: a row of the site document is written (or deleted: no value) here */
  | { type: 'write'; kind: string; id: string; value: Buffer | undefined }
  /** server: send a camera of its own a command; the reply is the effect `controlled` */
  | { type: 'control'; body: PacketBody<'cam-control'> }
  /** server: send a camera of its own a wish; camera: tell the manager where one looks; comes out as `steered` */
  | { type: 'steer'; body: PacketBody<'cam-steer'> }
  /** camera: tell the manager what its sensors saw; server: answer a camera of its own that this is kept */
  | { type: 'events'; body: PacketBody<'cam-event'> }
  /** server: whether it can record at all; while it cannot, it takes no camera */
  | { type: 'capacity'; usable: boolean }
  /** server: this machine has got another address */
  | { type: 'moved'; reachableAt: Address }
  /** leave the network in good order; the effect `left` tells when it is done */
  | { type: 'leave' }
  /** time has passed; sent when the node's `wakeAt` is reached */
  | { type: 'tick' };

/** What a unit remembers over a restart besides its counters; losing the last second of it is harmless. */
export type MemoryRecord =
  | { readonly kind: 'network'; readonly network: NetworkId; readonly joinTime: HlcTime | undefined }
  /** replaces the list kept before */
  | { readonly kind: 'known'; readonly servers: readonly KnownServer[] }
  /** camera: its last manager */
  | { readonly kind: 'manager'; readonly server: string }
  /** replaces the tenures of this camera kept before */
  | { readonly kind: 'tenures'; readonly camera: string; readonly tenures: readonly Tenure[] }
  /** replaces the row of the same kind and id */
  | { readonly kind: 'document'; readonly row: DocumentRow };

/** Everything remembered, as it is given to a unit that starts. */
export interface Memory {
  readonly network?: NetworkId;
  readonly joinTime?: HlcTime;
  readonly known: readonly KnownServer[];
  readonly manager?: string;
  readonly tenures: readonly Tenure[];
  readonly document: readonly DocumentRow[];
}

/** What is counted of what happens. */
export type StoryAbout = 'suspicion' | 'death';

export type Effect =
  /** seal it and send it to every anycast endpoint, and to the servers at `also`, from a fresh socket */
  | { type: 'anycast'; packet: Packet; also: readonly Address[] }
  /** put up or take down this server's anycast address, where it has one */
  | { type: 'anycast-address'; up: boolean }
  | { type: 'dial'; dial: number; address: Address }
  | { type: 'send'; link: LinkId; packet: Packet }
  | { type: 'close'; link: LinkId; reason: string }
  /** must be on the disk before the effects after it are performed */
  | { type: 'persist'; state: Readonly<Record<string, number>> }
  /** is written soon */
  | { type: 'remember'; record: MemoryRecord }
  /** a peer's fault: counted, and logged once per reason */
  | { type: 'refused'; reason: string; peer: string }
  /** for the log: what happened, to whom */
  | { type: 'story'; text: string; about?: StoryAbout }
  /** server: this camera unit is now recorded here, over this link */
  | { type: 'attached'; link: LinkId; unit: string; cameras: readonly string[]; epoch: number }
  | { type: 'detached'; link: LinkId; unit: string; reason: string }
  /** camera: stream to this manager; what streamed to another before goes on from there */
  | { type: 'managed'; link: LinkId; server: string; epoch: number }
  | { type: 'unmanaged'; server: string; reason: string }
  /** camera: the manager's clock showed this at this monotonic time, give or take */
  | { type: 'timed'; server: string; utcUs: number; atMs: number; uncertaintyMs: number }
  /** camera: the manager wants another stream, or wants it moved; answer with the event of the same name */
  | { type: 'control'; body: PacketBody<'cam-control'> }
  | { type: 'steer'; body: PacketBody<'cam-steer'> }
  | { type: 'answered'; query: number; answer: QueryAnswer }
  | { type: 'controlled'; body: PacketBody<'cam-control'> }
  /** server: where a camera of its own looks, asked for or not */
  | { type: 'steered'; body: PacketBody<'cam-steer'> }
  /** server: what the sensors of a camera of its own saw; camera: the manager has kept it */
  | { type: 'events'; body: PacketBody<'cam-event'> }
  /** rows of the site document that are new here */
  | { type: 'document'; rows: readonly DocumentRow[] }
  /** the unit has left and may stop */
  | { type: 'left' };

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
