/**
 * What UTC a camera unit's monotonic clock stands for: one mapping for all its cameras, learnt from this machine's
 * clock where that is trusted, and from the managers, whose echoes tell theirs.
 *
 * Who is believed. Every witness has one vote: this machine's clock while it is trusted, and each server heard in the
 * last ten minutes. A date before this program was written is no testimony. The mapping stays with those that agree
 * with it (within 5 s) as long as no larger group agrees on something else; a tie changes nothing. So one manager that
 * is a day ahead moves neither a unit that has a clock, nor one that has learnt the time from another manager, until
 * that one has been silent for ten minutes; two managers that agree overrule a clock that is set wrongly, unless the
 * settings say that it is right; and a unit without a clock follows its only manager, wherever that one goes.
 *
 * Who is followed, among those believed: the server heard last, so that all cameras of one server keep the same time;
 * else this machine's clock. Differences up to 5 s are slewed, at 500 parts in a million: five times what a crystal may
 * be off, so that it is always caught up with, and the most that ntpd allows itself, half a millisecond per GOP. Larger
 * ones are stepped, and so is the first testimony of all: there is no right time before it.
 *
 * Invariants: between two steps UTC never goes back while the monotonic clock goes on; the mapping that is told changes
 * when it is off by `slackUs`, no oftener than that takes; tables are bounded. µs unless a name says otherwise.
 */
import type { Clock } from '../base/clock.ts';
import type { UtcMapping } from '../media/sample.ts';

const slewPpm = 500;
const stepUs = 5_000_000;
/** A server that was heard so long ago testifies no longer. */
const witnessMs = 600_000;
const serversMax = 8;
/** Echoes of which the quickest counts: what holds one up makes it seem early, never late. */
const readingsKept = 8;
/** A server whose clock seems to have stepped has said so for so long: an echo that was held up is no step. */
const stepSeenMs = 3_000;
const slackUs = 2_000;
const lookMs = 500;
/** A unit that stood still makes up no more than this at once, or its UTC would go back. */
const slewMsMax = 4_000;
/** How far crystals drift apart while nothing is heard. */
const driftPpm = 100;
/** What `clock.utcMs` is rounded to. */
const ownUncertaintyUs = 1_000;
/** As uncertain as a mapping can be: nobody knows the date. */
export const unknownUs = 0xffff_ffff;
/** Digits of a time in the index. */
const utcUsMax = 9_000_000_000_000_000;

/** A server's clock, and when it showed that. */
export interface ClockReading {
  readonly server: string;
  readonly utcUs: number;
  /** monotonic ms */
  readonly atMs: number;
  readonly uncertaintyMs: number;
}

export interface UtcKeeperOptions {
  readonly clock: Clock;
  /** whether this machine's clock is set */
  readonly trusted: () => boolean;
  /** no server may overrule this machine's clock: the settings say that it is right */
  readonly certain: boolean;
  /** no clock that is set shows an earlier date */
  readonly writtenUtcMs: number;
}

interface Server {
  /** what the offsets are at least, as nothing arrives before it was sent; the oldest first */
  readings: number[];
  uncertaintyUs: number;
  heardMs: number;
  /** the first of those that contradict the others */
  oddSinceMs: number | undefined;
}

interface Witness {
  readonly server: string | undefined;
  readonly offsetUs: number;
  readonly uncertaintyUs: number;
  readonly heardMs: number;
}

export class UtcKeeper {
  private readonly options: UtcKeeperOptions;
  private readonly servers = new Map<string, Server>();
  private offsetUs: number;
  private uncertaintyUs = unknownUs;
  private lookedMs: number;
  private told: UtcMapping;
  /** rises with each step */
  steps = 0;

  constructor(options: UtcKeeperOptions) {
    this.options = options;
    const { clock } = options;
    this.lookedMs = clock.monotonicMs();
    this.offsetUs = Math.round((clock.utcMs() - this.lookedMs) * 1000);
    this.told = { offsetUs: this.offsetUs, uncertaintyUs: unknownUs };
    this.look(this.lookedMs);
  }

  /** Whether anybody has said what time it is. */
  get known(): boolean {
    return this.uncertaintyUs !== unknownUs;
  }

  /** The mapping now; the same object until there is a new one. */
  mapping(): UtcMapping {
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs - this.lookedMs >= lookMs) this.look(nowMs);
    return this.told;
  }

  /** Takes a server's testimony. */
  timed({ server, utcUs, atMs, uncertaintyMs }: ClockReading): void {
    if (utcUs < this.options.writtenUtcMs * 1000 || utcUs > utcUsMax) return;
    const offsetUs = Math.round(utcUs - atMs * 1000);
    const known = this.servers.get(server);
    this.servers.delete(server);
    const uncertaintyUs = Math.round(uncertaintyMs * 1000);
    const heard: Server = known ?? { readings: [], uncertaintyUs, heardMs: atMs, oddSinceMs: undefined };
    // The one heard last is the last.
    this.servers.set(server, heard);
    takeReading(heard, offsetUs - uncertaintyUs, atMs);
    heard.uncertaintyUs = uncertaintyUs;
    heard.heardMs = atMs;
    const [oldest] = this.servers.keys();
    if (this.servers.size > serversMax && oldest !== undefined) this.servers.delete(oldest);
    this.look(this.options.clock.monotonicMs());
  }

  private look(nowMs: number): void {
    const elapsedMs = Math.min(nowMs - this.lookedMs, slewMsMax);
    this.lookedMs = nowMs;
    const witnesses = this.witnesses(nowMs);
    const believed = this.believed(witnesses);
    const followed = believed.findLast(({ server }) => server !== undefined) ?? believed[0];
    if (followed === undefined) this.age(elapsedMs);
    else
      this.follow(followed, { own: believed.find(({ server }) => server === undefined), elapsedMs, nowMs });
    this.tell();
  }

  private witnesses(nowMs: number): Witness[] {
    const { clock, trusted } = this.options;
    const witnesses: Witness[] = [];
    if (trusted()) {
      const offsetUs = Math.round((clock.utcMs() - nowMs) * 1000);
      witnesses.push({ server: undefined, offsetUs, uncertaintyUs: ownUncertaintyUs, heardMs: nowMs });
    }
    for (const [server, { readings, uncertaintyUs, heardMs }] of this.servers) {
      if (nowMs - heardMs > witnessMs) this.servers.delete(server);
      else
        witnesses.push({ server, offsetUs: Math.max(...readings) + uncertaintyUs, uncertaintyUs, heardMs });
    }
    return witnesses;
  }

  /** The largest group that agrees; the one that agrees with the mapping if no other is larger. */
  private believed(witnesses: readonly Witness[]): Witness[] {
    const own = witnesses.filter(({ server }) => server === undefined);
    if (this.options.certain && own.length > 0) return own;
    const around = (offsetUs: number): Witness[] =>
      witnesses.filter((one) => Math.abs(one.offsetUs - offsetUs) <= stepUs);
    let best = this.known ? around(this.offsetUs) : [];
    for (const { offsetUs } of witnesses) {
      const group = around(offsetUs);
      if (group.length > best.length) best = group;
    }
    return best;
  }

  private follow(
    witness: Witness,
    { own, elapsedMs, nowMs }: { own: Witness | undefined; elapsedMs: number; nowMs: number },
  ): void {
    const errorUs = witness.offsetUs - this.offsetUs;
    if (!this.known || Math.abs(errorUs) > stepUs) {
      this.offsetUs = witness.offsetUs;
      this.steps += 1;
    } else {
      const slewUs = (elapsedMs * slewPpm) / 1000;
      const offsetUs = this.offsetUs + Math.max(-slewUs, Math.min(slewUs, errorUs));
      // A manager that creeps away does not draw a unit along that knows the time.
      const [least, most] =
        own === undefined ? [offsetUs, offsetUs] : [own.offsetUs - stepUs, own.offsetUs + stepUs];
      this.offsetUs = Math.min(Math.max(offsetUs, least), most);
    }
    const driftUs = ((nowMs - witness.heardMs) * driftPpm) / 1000;
    const leftUs = Math.abs(witness.offsetUs - this.offsetUs);
    this.uncertaintyUs = Math.min(Math.ceil(witness.uncertaintyUs + leftUs + driftUs), unknownUs - 1);
  }

  /** Nobody testifies any more. */
  private age(elapsedMs: number): void {
    if (!this.known) return;
    this.uncertaintyUs = Math.min(this.uncertaintyUs + (elapsedMs * driftPpm) / 1000, unknownUs - 1);
  }

  private tell(): void {
    const offsetUs = Math.round(this.offsetUs);
    const uncertaintyUs = Math.ceil(this.uncertaintyUs);
    const moved = Math.abs(offsetUs - this.told.offsetUs) >= slackUs;
    const grown = uncertaintyUs > 2 * this.told.uncertaintyUs + slackUs;
    const shrunk = 2 * uncertaintyUs + slackUs < this.told.uncertaintyUs;
    if (moved || grown || shrunk) this.told = { offsetUs, uncertaintyUs };
  }
}

function takeReading(heard: Server, offsetUs: number, atMs: number): void {
  const best = Math.max(...heard.readings);
  if (heard.readings.length > 0 && Math.abs(offsetUs - best) > stepUs) {
    heard.oddSinceMs ??= atMs;
    if (atMs - heard.oddSinceMs < stepSeenMs) return;
    heard.readings = [];
  }
  heard.oddSinceMs = undefined;
  heard.readings.push(offsetUs);
  if (heard.readings.length > readingsKept) heard.readings.shift();
}
