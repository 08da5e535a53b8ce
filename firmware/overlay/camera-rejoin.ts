/**
 * Tells the cameras of a dead server to join again [0078]: the earliest-joined of its live former neighbors does, and
 * in its place the next one [0085].
 *
 * Invariants: each death is told once from here; a camera that another server claims with a higher epoch is left alone.
 */
import type { Contacts } from './contacts.ts';
import { NeighborTable } from './neighbor-table.ts';
import { isDead } from './origin-table.ts';
import type { Address, CardNeighbor, PacketBody, UnitRow } from './packets.ts';
import type { ServerContext } from './server-context.ts';

interface Death {
  readonly dead: string;
  /** for stories */
  readonly gone: string;
  readonly former: readonly CardNeighbor[];
  /** former neighbors that do not answer */
  readonly silent: ReadonlyMap<string, number>;
}

const dialsAtOnce = 32;
const pauseMs = 500;
/** Deaths remembered as told. */
const toldMax = 256;

export class CameraRejoin {
  private readonly context: ServerContext;
  private readonly contacts: Contacts;
  /** deaths (server, incarnation, version) that were told of; the oldest first */
  private readonly told = new Set<string>();

  constructor(context: ServerContext, contacts: Contacts) {
    this.context = context;
    this.contacts = contacts;
  }

  /** A neighbor is dead, or one of its former neighbors was found silent: is it this server's turn? */
  consider({ dead, gone, former, silent }: Death): void {
    const { context } = this;
    const self = { server: context.self, joinTime: context.joinTime ?? context.clock.now() };
    for (const one of former) {
      const row = context.rows.get(one.server);
      const away = silent.has(one.server) || row === undefined || isDead(row);
      if (!away && NeighborTable.earlier(one, self)) return;
    }
    this.tell(dead, gone);
  }

  /** A server died together with its neighbors: if none of these lives, nobody else tells its cameras. */
  considerOrphans(dead: string, gone: string, neighbors: readonly string[]): void {
    const alive = (server: string): boolean =>
      server !== this.context.self && this.context.isReachable(server);
    if (!neighbors.some(alive)) this.tell(dead, gone);
  }

  private tell(dead: string, gone: string): void {
    const { context } = this;
    const row = context.rows.get(dead);
    if (row === undefined) return;
    const key = `${dead} ${row.incarnation} ${row.version}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    if (this.told.size > toldMax) for (const oldest of [...this.told].slice(0, 1)) this.told.delete(oldest);
    const units = row.units.filter(({ online, cameras, epoch }) => {
      return online && cameras.every((camera) => (context.rows.claimTo(camera)?.epoch ?? 0) <= epoch);
    });
    if (units.length > 0) context.story(`${gone} → tells the cameras of ${dead} to rejoin`);
    this.tellSome(dead, units);
  }

  /** Some at a time: silent ones hold a dial for seconds, and they rejoin by themselves anyway. */
  private tellSome(dead: string, units: readonly UnitRow[]): void {
    const { timers, now } = this.context;
    for (const { unit, link, epoch } of units.slice(0, dialsAtOnce))
      this.tellCamera(unit, link, { server: dead, epoch });
    const rest = units.slice(dialsAtOnce);
    if (rest.length > 0) timers.set(`tell:${dead}`, now + pauseMs, () => this.tellSome(dead, rest));
  }

  private tellCamera(unit: string, address: Address, body: PacketBody<'cam-rejoin'>): void {
    const { context } = this;
    this.contacts.dial(
      { unit, role: 'camera' },
      address,
      (link) => {
        context.send(link, 'cam-rejoin', body);
        // The camera closes it; if it does not, this server does.
        const close = (): void => context.emit({ type: 'close', link, reason: 'the camera was told' });
        context.timers.set(`told:${link}`, context.now + context.profile.replyMs, close);
      },
      () => undefined,
    );
  }
}
