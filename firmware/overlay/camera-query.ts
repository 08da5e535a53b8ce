/**
 * Who manages a camera, and who did [0088]–[0091] (claims 12, 25). Any server answers: the manager from its own tables,
 * any other by asking the manager, and if that has passed the camera on, the next one, at most `hopsMax` times.
 *
 * Invariants: every query is answered, in time; an answer without the manager's own word says `unreachable`. A question
 * whose link is closed is asked over another one: of two dials that cross, one is closed with what was said on it.
 */
import type { Contacts } from './contacts.ts';
import type { LinkId, QueryAnswer } from './effects.ts';
import { type Address, exchangeMax, type PacketBody } from './packets.ts';
import { Requests } from './requests.ts';
import type { ServedCameras } from './served-cameras.ts';
import type { ServerContext } from './server-context.ts';

type Body = PacketBody<'cam-query'>;

const hopsMax = 4;

interface Manager {
  readonly server: string;
  readonly address: Address | undefined;
  readonly epoch: number;
}

/** A question that waits for a reply. */
interface Asked {
  readonly link: LinkId;
  readonly askAgain: () => void;
}

export class CameraQuery {
  private readonly context: ServerContext;
  private readonly contacts: Contacts;
  private readonly served: ServedCameras;
  private readonly requests: Requests<Body>;
  private readonly asked = new Map<number, Asked>();

  constructor(context: ServerContext, contacts: Contacts, served: ServedCameras) {
    this.context = context;
    this.contacts = contacts;
    this.served = served;
    this.requests = new Requests(context, 'query');
  }

  /** Answers with the effect `answered`, now or when the manager has been asked. */
  ask(query: number, camera: string): void {
    const { context } = this;
    const claim = context.rows.claimTo(camera);
    if (claim === undefined || claim.server === context.self) {
      return this.answer(query, this.own(camera), context.reachableAt);
    }
    this.askManager(query, camera, { ...claim, address: context.addressOf(claim.server) }, hopsMax);
  }

  /** At the end of every step, when it is clear which link of a server stays. */
  settle(): void {
    for (const [request, { link, askAgain }] of this.asked) {
      if (this.context.links.get(link) !== undefined) continue;
      this.asked.delete(request);
      askAgain();
    }
  }

  private askManager(query: number, camera: string, manager: Manager, hops: number, again = false): void {
    const { context } = this;
    let spare = 1;
    const request = this.requests.open(context.now + context.profile.replyMs, manager.server, (reply) => {
      this.asked.delete(request);
      if (reply !== undefined) return this.replied(query, reply, manager, hops);
      // Perhaps it was only an old connection that was silent.
      if (again) return this.unreachable(query, camera, manager);
      this.askManager(query, camera, manager, hops, true);
    });
    const wish = {
      use: (link: LinkId) => {
        if (!this.requests.has(request)) return;
        this.asked.set(request, { link, askAgain });
        context.send(link, 'cam-query', { ...this.empty(camera), request });
      },
      failed: () => {
        if (spare > 0) askAgain();
        else this.requests.settle(request, manager.server, undefined);
      },
    };
    const reach = (fresh: boolean): void =>
      this.contacts.reach(manager.server, manager.address, wish, { fresh });
    // Once: a peer that closes every link would be dialled all the time.
    const askAgain = (): void => {
      if (spare === 0 || !this.requests.has(request)) return;
      spare -= 1;
      reach(false);
    };
    reach(again);
  }

  private replied(query: number, reply: Body, manager: Manager, hops: number): void {
    const next = reply.state === 'elsewhere' ? reply.manager : undefined;
    if (next === undefined) return this.answer(query, reply, manager.address);
    // Only a higher epoch leads on, so that servers with old tables do not send each other in circles.
    if (hops === 0 || reply.epoch <= manager.epoch || next === this.context.self)
      return this.unreachable(query, reply.camera, manager);
    const further = { server: next, address: reply.link, epoch: reply.epoch };
    this.askManager(query, reply.camera, further, hops - 1);
  }

  private empty(camera: string): Body {
    const nobody = { manager: undefined, link: undefined, epoch: 0, state: 'unknown' as const };
    return { request: 0, reply: false, camera, ...nobody, tenures: [] };
  }

  /** What this server itself knows. */
  private own(camera: string): Body {
    const { history, rows, self } = this.context;
    const tenures = history.of(camera).slice(-exchangeMax.tenures);
    const claim = rows.claimTo(camera);
    const unit = this.served.units().find(({ cameras }) => cameras.includes(camera));
    if (unit !== undefined && (claim === undefined || claim.epoch <= unit.epoch)) {
      const state = unit.online ? 'online' : 'offline';
      return { ...this.empty(camera), manager: self, epoch: unit.epoch, state, tenures };
    }
    if (claim !== undefined && claim.server !== self) {
      const link = this.context.addressOf(claim.server);
      const elsewhere = { manager: claim.server, link, epoch: claim.epoch, state: 'elsewhere' as const };
      return { ...this.empty(camera), ...elsewhere, tenures };
    }
    const epoch = history.lastOwnEpoch(camera);
    if (epoch === 0) return { ...this.empty(camera), tenures };
    return { ...this.empty(camera), manager: self, epoch, state: 'offline', tenures };
  }

  private answer(query: number, body: Body, link: Address | undefined): void {
    const { camera, manager, epoch, state, tenures } = body;
    const known = state === 'elsewhere' ? 'unreachable' : state;
    const where = manager === undefined ? undefined : link;
    const answer: QueryAnswer = { camera, manager, link: where, epoch, state: known, tenures };
    this.context.emit({ type: 'answered', query, answer });
  }

  private unreachable(query: number, camera: string, { server, address, epoch }: Manager): void {
    const tenures = this.context.history.of(camera);
    const answer: QueryAnswer = {
      camera,
      manager: server,
      link: address,
      epoch,
      state: 'unreachable',
      tenures,
    };
    this.context.emit({ type: 'answered', query, answer });
  }

  /** Another server asks, or answers. */
  received(link: LinkId, peer: string, body: Body): void {
    if (body.reply) {
      this.requests.settle(body.request, peer, body);
      return;
    }
    this.context.send(link, 'cam-query', { ...this.own(body.camera), request: body.request, reply: true });
  }
}
