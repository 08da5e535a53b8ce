/**
 * Brings a camera's history to whoever manages it now [0044]–[0047][0056][0070]: a former manager that learns from the
 * tables that its camera is managed elsewhere sends its tenures there, over a neighbor when it is within two hops, by
 * direct contact beyond; and turns its own state to `indirectly`.
 *
 * Invariants: sent again, less and less often, until the present manager has said that it has them; tenures that a row
 * of the site document deletes are not taken back.
 */
import { deletionOf } from './camera-deletion.ts';
import type { Contacts } from './contacts.ts';
import type { LinkId } from './effects.ts';
import { encodePacketBody, packetNumber } from './packet-codec.ts';
import { exchangeMax, type OriginRow, type PacketBody, type Tenure } from './packets.ts';
import { Requests } from './requests.ts';
import type { ServerContext } from './server-context.ts';
import { exchangeBody } from './spread.ts';

const retryMs = { first: 2_000, max: 30_000 } as const;

interface Owed {
  readonly server: string;
  readonly epoch: number;
}

export class HistoryHandover {
  private readonly context: ServerContext;
  private readonly contacts: Contacts;
  private readonly requests: Requests<true>;
  /** camera → who should get its history */
  private readonly owed = new Map<string, Owed>();
  /** camera → the epoch of the manager that has said that it has the history */
  private readonly given = new Map<string, number>();
  private backoffMs: number = retryMs.first;

  constructor(context: ServerContext, contacts: Contacts) {
    this.context = context;
    this.contacts = contacts;
    this.requests = new Requests(context, 'history');
  }

  /** What was under way when the last run ended, ended with it. */
  start(): void {
    const { history, options } = this.context;
    for (const camera of history.cameras()) history.ended(camera, options.utcUs());
  }

  began(cameras: readonly string[], epoch: number): void {
    const utcUs = this.context.options.utcUs();
    for (const camera of cameras) {
      this.context.history.began({ camera, epoch, utcUs });
      this.owed.delete(camera);
      this.given.delete(camera);
    }
  }

  ended(cameras: readonly string[]): void {
    for (const camera of cameras) this.context.history.ended(camera, this.context.options.utcUs());
  }

  /** Another server's row: does it manage a camera that was managed here? */
  seen(row: OriginRow): void {
    const { context } = this;
    for (const { cameras, epoch } of row.units) {
      for (const camera of cameras) {
        const tenures = context.history.of(camera);
        if (tenures.length === 0) continue;
        const last = context.history.lastOwnEpoch(camera);
        if (last === 0 || epoch <= last || context.rows.claimTo(camera)?.server !== row.origin) continue;
        const known = this.owed.get(camera);
        if (known?.server === row.origin && known.epoch === epoch) continue;
        if (this.given.get(camera) === epoch) continue;
        this.ended([camera]);
        this.owe(camera, { server: row.origin, epoch });
      }
    }
  }

  private owe(camera: string, to: Owed): void {
    this.owed.set(camera, to);
    const { timers, now } = this.context;
    this.backoffMs = retryMs.first;
    // A little later: cameras of one server move together.
    timers.set('history', now + 100, () => this.handOver());
  }

  private handOver(): void {
    const { context } = this;
    if (this.owed.size === 0) return;
    const byServer = new Map<string, string[]>();
    for (const [camera, { server }] of this.owed)
      byServer.set(server, [...(byServer.get(server) ?? []), camera]);
    for (const [server, cameras] of [...byServer].sort(([a], [b]) => (a < b ? -1 : 1)))
      this.send(server, cameras);
    context.timers.set('history', context.now + context.jitter(this.backoffMs), () => this.handOver());
    this.backoffMs = Math.min(this.backoffMs * 2, retryMs.max);
  }

  private send(server: string, cameras: readonly string[]): void {
    const { context } = this;
    const epochs = new Map<string, number>();
    const tenures: Tenure[] = [];
    for (const camera of cameras) {
      const its = context.history.of(camera).slice(-exchangeMax.tenures);
      if (tenures.length + its.length > exchangeMax.tenures) break;
      tenures.push(...its);
      epochs.set(camera, this.owed.get(camera)?.epoch ?? 0);
    }
    const request = this.requests.open(context.now + 2 * context.profile.replyMs, server, (received) => {
      if (received === undefined) return;
      this.settled(server, epochs);
      // What did not fit goes next.
      const rest = cameras.filter((camera) => this.owed.get(camera)?.server === server);
      if (rest.length > 0) this.send(server, rest);
    });
    this.deliver(server, exchangeBody({ tenures, request }));
  }

  private settled(server: string, epochs: ReadonlyMap<string, number>): void {
    for (const [camera, epoch] of epochs) {
      const owed = this.owed.get(camera);
      if (owed?.server !== server || owed.epoch !== epoch) continue;
      this.owed.delete(camera);
      this.given.set(camera, epoch);
    }
    if (this.owed.size === 0) this.context.timers.clear('history');
  }

  /** Whether these cameras are managed elsewhere, and their new managers have said that they have the history. */
  hasHandedOver(cameras: Iterable<string>): boolean {
    for (const camera of cameras) {
      const claim = this.context.rows.claimTo(camera);
      if (claim === undefined || claim.server === this.context.self || this.given.get(camera) !== claim.epoch)
        return false;
    }
    return true;
  }

  /** To a neighbor over its link, to a 2-hop neighbor through a neighbor, to anybody else directly. */
  private deliver(server: string, body: PacketBody<'ss-exchange'>): void {
    const { context } = this;
    // A neighbor that did not pass it on (older firmware does not know how) is not asked again.
    const first = this.backoffMs === retryMs.first;
    const way = first ? context.neighbors.far().find((far) => far.server === server)?.from[0] : undefined;
    const through = way === undefined ? undefined : context.neighbors.get(way);
    if (through?.link !== undefined && through.suspectedAt === undefined)
      return this.relay(through.link, server, body);
    this.contacts.reach(server, context.addressOf(server), {
      use: (link) => context.send(link, 'ss-exchange', body),
      failed: () => undefined,
    });
  }

  private relay(link: LinkId, target: string, body: PacketBody<'ss-exchange'>): void {
    const { context } = this;
    const packet = context.packet('ss-exchange', body);
    const wrapped = { hops: 2, target, from: context.self, host: '', number: packetNumber(packet) };
    context.send(link, 'ss-relay', { ...wrapped, packet: encodePacketBody(packet) });
  }

  /** Tenures that somebody hands over; `from` sent them, perhaps through the neighbor at `link`. */
  received(link: LinkId, from: string, body: PacketBody<'ss-exchange'>): void {
    const { context } = this;
    if (body.received !== 0) this.requests.settle(body.received, from, true);
    if (body.request === 0) return;
    const changed = context.history.merge(body.tenures.filter((tenure) => this.isWanted(tenure)));
    const reply = exchangeBody({ received: body.request });
    if (context.links.get(link)?.peer === from) context.send(link, 'ss-exchange', reply);
    else this.relay(link, from, reply);
    for (const camera of changed) this.passOn(camera);
  }

  /** It moved on meanwhile: so must what has just been learnt. */
  private passOn(camera: string): void {
    const { context } = this;
    const claim = context.rows.claimTo(camera);
    if (claim === undefined || claim.server === context.self) return;
    this.given.delete(camera);
    this.owe(camera, claim);
  }

  /** Of a camera that somebody manages or that was managed here, not of the future, and not deleted. */
  private isWanted(tenure: Tenure): boolean {
    const { rows, history } = this.context;
    const epoch = rows.claimTo(tenure.camera)?.epoch ?? history.lastOwnEpoch(tenure.camera);
    return tenure.lastEpoch <= epoch && !this.isDeleted(tenure);
  }

  private isDeleted({ camera, toUs, lastEpoch }: Tenure): boolean {
    const deletion = deletionOf(this.context.document, camera);
    if (deletion === undefined || toUs === 0) return false;
    // Clocks differ, epochs do not.
    return toUs <= deletion.untilUs || lastEpoch <= deletion.epoch;
  }

  /** A row of the site document says that a camera's history up to a time is deleted. */
  deleted(camera: string): void {
    const { history } = this.context;
    const kept = history.of(camera).filter((tenure) => !this.isDeleted(tenure));
    history.forget(camera);
    history.merge(kept);
  }
}
