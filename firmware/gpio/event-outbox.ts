/**
 * What the sensors of a camera saw and no server has in its index yet. An event is told when it begins and again when it
 * ends, over and over until the manager says that it is kept; a new manager is told everything that the old one did not
 * confirm. Nothing is told before this unit knows the date: an event's time is what it is found by.
 *
 * What may have been told is kept over a restart, and an event that lasted then has ended: no event lasts for ever.
 *
 * Invariants: nothing is sent without a manager; one batch is under way at a time; an event's beginning is the same µs in
 * everything that is told of it, whatever the clock does meanwhile; at most `eventsMax` events wait, then the oldest go and are counted.
 */
import type { Clock } from '../base/clock.ts';
import type { CameraEvent } from '../overlay/event-packet.ts';
import type { PacketBody } from '../overlay/packets.ts';

type EventPacket = PacketBody<'cam-event'>;

export const eventsMax = 512;
/** Of these, how many are kept over a restart. */
export const keptEventsMax = 64;
/** As many as a packet takes. */
const perBatch = 16;
/** A batch that is not confirmed by then is told again. */
const againMs = 5_000;

export interface EventOutboxOptions {
  readonly camera: string;
  /** kinds of what its sensors can see */
  readonly kinds: readonly string[];
  readonly clock: Clock;
  /** What UTC this monotonic time was, whole µs; undefined while nobody knows the date. */
  readonly utcUs: (monotonicMs: number) => number | undefined;
  /** to the manager; called only while there is one */
  readonly send: (body: EventPacket) => void;
  /** told once for each event that is lost because too many wait */
  readonly onDropped: () => void;
  /** what was kept when this unit ended; see `endedEvents` */
  readonly kept?: readonly CameraEvent[];
  /** Makes these survive a restart, in place of those before; called when they change. */
  readonly keep?: (events: readonly CameraEvent[]) => void;
}

/** Events of a run before this one: what still lasted ended when that unit is last known to have lived. */
export function endedEvents(events: readonly CameraEvent[], livedUs: number): CameraEvent[] {
  return events.map((event) =>
    event.toUs === 0 ? { ...event, toUs: Math.max(event.fromUs + 1_000, livedUs) } : event,
  );
}

interface Waiting {
  readonly kind: string;
  readonly sensor: string;
  readonly fromMs: number;
  toMs: number | undefined;
  /** told so, for ever */
  fromUs: number | undefined;
  /** of an event before the restart, of which nothing else is known */
  readonly toUs?: number;
  /** the manager has it without its end, or with it */
  kept: 'nothing' | 'beginning' | 'end';
}

interface Batch {
  readonly number: number;
  readonly told: readonly { readonly one: Waiting; readonly ended: boolean }[];
}

export class EventOutbox implements Disposable {
  private readonly options: EventOutboxOptions;
  private waiting: Waiting[] = [];
  private underWay: Batch | undefined;
  private isManaged = false;
  private nextBatch = 1;
  private cancelAgain = (): void => undefined;
  /** as JSON */
  private remembered = '[]';

  constructor(options: EventOutboxOptions) {
    this.options = options;
    for (const { kind, sensor, fromUs, toUs } of (options.kept ?? []).slice(-keptEventsMax))
      this.waiting.push({ kind, sensor, fromMs: 0, toMs: 0, fromUs, toUs, kept: 'nothing' });
  }

  /** How many events no server has confirmed to the end. */
  get length(): number {
    return this.waiting.length;
  }

  /** A sensor sees something from `sinceMs` (monotonic) on, or no longer. */
  sensed(kind: string, sensor: string, active: boolean, sinceMs: number): void {
    const last = this.waiting.findLast((one) => one.kind === kind && one.sensor === sensor);
    if (active) {
      const begun: Waiting = {
        kind,
        sensor,
        fromMs: sinceMs,
        toMs: undefined,
        fromUs: undefined,
        kept: 'nothing',
      };
      this.waiting.push(begun);
    } else if (last !== undefined) last.toMs ??= sinceMs;
    while (this.waiting.length > eventsMax) {
      this.waiting.shift();
      this.options.onDropped();
    }
    this.pump();
  }

  /** A manager was found: it hears what this camera can see, and everything that is not kept. */
  managed(): void {
    for (const one of this.waiting) one.kept = 'nothing';
    this.isManaged = true;
    this.underWay = undefined;
    this.pump(true);
  }

  /** There is no manager any more. */
  lost(): void {
    this.isManaged = false;
    this.underWay = undefined;
    this.cancelAgain();
  }

  /** The manager has kept a batch. */
  confirmed({ batch }: Pick<EventPacket, 'batch'>): void {
    if (this.underWay?.number !== batch) return;
    for (const { one, ended } of this.underWay.told) one.kept = ended ? 'end' : 'beginning';
    this.waiting = this.waiting.filter(({ kept }) => kept !== 'end');
    this.underWay = undefined;
    this.pump();
  }

  [Symbol.dispose](): void {
    this.cancelAgain();
  }

  private pump(announce = false): void {
    this.tell(announce);
    this.remember();
  }

  private tell(announce: boolean): void {
    if (!this.isManaged || this.underWay !== undefined) return;
    const { camera, kinds, clock, send } = this.options;
    const told: { one: Waiting; ended: boolean }[] = [];
    const events: CameraEvent[] = [];
    for (const one of this.waiting) {
      const event = isTold(one) || events.length >= perBatch ? undefined : this.eventOf(one);
      if (event === undefined) continue;
      events.push(event);
      told.push({ one, ended: event.toUs !== 0 });
    }
    this.cancelAgain();
    if (events.length === 0 && !(announce && kinds.length > 0)) {
      // The date may become known, which nobody tells.
      if (this.waiting.some((one) => !isTold(one))) this.again();
      return;
    }
    const batch = this.nextBatch;
    this.nextBatch = (this.nextBatch % 0xffff_ffff) + 1;
    this.underWay = { number: batch, told };
    send({ camera, batch, reply: false, kinds: [...kinds], events });
    this.cancelAgain = clock.after(againMs, () => {
      this.underWay = undefined;
      this.pump();
    });
  }

  /** What has a date may have been told. Where there are too many, those that last count more: they need an end. */
  private remember(): void {
    const { keep } = this.options;
    if (keep === undefined) return;
    const dated = this.waiting
      .filter(({ fromUs }) => fromUs !== undefined)
      .flatMap((one) => this.eventOf(one) ?? []);
    const ended = dated.filter(({ toUs }) => toUs !== 0);
    const events = [...ended, ...dated.filter(({ toUs }) => toUs === 0)].slice(-keptEventsMax);
    const text = JSON.stringify(events);
    if (text === this.remembered) return;
    this.remembered = text;
    keep(events);
  }

  private again(): void {
    this.cancelAgain = this.options.clock.after(againMs, () => this.pump());
  }

  private eventOf(one: Waiting): CameraEvent | undefined {
    const { utcUs } = this.options;
    one.fromUs ??= utcUs(one.fromMs);
    if (one.fromUs === undefined) return undefined;
    const { kind, sensor, fromMs, fromUs, toMs } = one;
    // Its length is by the clock that cannot be set.
    const toUs =
      one.toUs ?? (toMs === undefined ? 0 : fromUs + Math.max(1, Math.round((toMs - fromMs) * 1_000)));
    return { kind, sensor, fromUs, toUs };
  }
}

/** Whether the manager knows all that there is to know now. */
function isTold({ kept, toMs }: Waiting): boolean {
  return kept === 'end' || (kept === 'beginning' && toMs === undefined);
}
