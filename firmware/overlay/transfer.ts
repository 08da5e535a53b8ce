/**
 * Handing cameras over while both servers live [0029][0031][0057] (claim 3): because a server has too many, or leaves.
 *
 *     old ── ask ──▶ new            how many would you take?
 *     old ◀─ grant ─ new            tokens, kept for a while
 *     old ── tell ──▶ camera        `new` will dial you with this nonce
 *     old ◀─ told ── camera
 *     old ── offer ─▶ new           the camera's address, epoch, nonce
 *                     new ── cam-response ──▶ camera, which accepts with epoch + 1
 *
 * The old manager releases when it sees the higher epoch; if it never does, it keeps the camera. The camera streams to
 * the old one until the new one has confirmed, and its outbox bridges the change.
 *
 * Invariants: a server begins a transfer for its load at most once per `transferCooldownMs`, and only where the gap
 * between the loads exceeds twice the camera's share; every stage ends in an answer or in time.
 */
import { offerMs, overload, transferCooldownMs } from './constants.ts';
import type { Contacts } from './contacts.ts';
import type { LinkId } from './effects.ts';
import { type Address, nonceBytes, type PacketBody } from './packets.ts';
import { Requests } from './requests.ts';
import type { CameraLink, ServedCameras } from './served-cameras.ts';
import type { ServerContext } from './server-context.ts';

type Body = PacketBody<'cam-transfer'>;

/** Candidates that are asked at one time. */
const askedMax = 8;
/** Cameras moved in one go because of the load. */
const movesMax = 4;

interface Candidate {
  readonly server: string;
  readonly address: Address | undefined;
}

interface Grant extends Candidate {
  tokens: number;
  /** per mille */
  load: number;
}

export class Transfer {
  private readonly context: ServerContext;
  private readonly contacts: Contacts;
  private readonly served: ServedCameras;
  private readonly grants: Requests<Body>;
  private readonly told: Requests<Body>;
  /** units on their way, and the share of this server's capacity that they free */
  private readonly moving = new Map<string, number>();
  /** servers that have arrived and were not asked yet */
  private readonly newcomers = new Map<string, Candidate>();
  private quietUntil = Number.NEGATIVE_INFINITY;

  constructor(context: ServerContext, contacts: Contacts, served: ServedCameras) {
    this.context = context;
    this.contacts = contacts;
    this.served = served;
    this.grants = new Requests(context, 'grant');
    this.told = new Requests(context, 'told');
  }

  /** This server's load has changed, or there is a newcomer: is there somebody to relieve it? */
  consider(newcomer?: Candidate): void {
    const { context } = this;
    if (newcomer !== undefined) this.rememberNewcomer(newcomer);
    if (context.leaving || this.served.load() < overload || this.served.attached().length === 0) return;
    if (context.now < this.quietUntil) return this.considerLater();
    const candidates = this.candidates();
    this.newcomers.clear();
    if (candidates.length === 0) return;
    this.quietUntil = context.now + transferCooldownMs;
    const grants: Grant[] = [];
    let open = candidates.length;
    // The best placed of all that answer is chosen.
    const answered = (grant: Grant | undefined): void => {
      if (grant !== undefined) grants.push(grant);
      open -= 1;
      if (open === 0) this.relieve(grants);
    };
    this.ask(candidates, movesMax, answered);
  }

  private considerLater(): void {
    const { timers } = this.context;
    if (!timers.has('relieve')) timers.set('relieve', this.quietUntil, () => this.consider());
  }

  private rememberNewcomer(newcomer: Candidate): void {
    this.newcomers.set(newcomer.server, newcomer);
    const [oldest = ''] = this.newcomers.keys();
    if (this.newcomers.size > askedMax) this.newcomers.delete(oldest);
  }

  /** Newcomers first, then the neighbors by their load, then the 2-hop neighbors. */
  private candidates(): Candidate[] {
    const { neighbors } = this.context;
    const near = neighbors
      .live()
      .sort((a, b) => (a.card?.load ?? 0) - (b.card?.load ?? 0))
      .map(({ server, address }) => ({ server, address }));
    const far = neighbors.far().map(({ server, told }) => ({ server, address: told.link }));
    const all = new Map([...this.newcomers.values(), ...near, ...far].map((one) => [one.server, one]));
    return [...all.values()].slice(0, askedMax);
  }

  private ask(
    candidates: readonly Candidate[],
    tokens: number,
    answered: (grant: Grant | undefined) => void,
  ): void {
    const { context } = this;
    const cameras = this.served.attached();
    const total = cameras.reduce((sum, one) => sum + one.kbps, 0);
    const kbps = Math.round((total * tokens) / Math.max(1, cameras.length));
    for (const candidate of candidates) {
      const { server, address } = candidate;
      this.contacts.reach(server, address ?? context.addressOf(server), {
        use: (link) => {
          const request = this.grants.open(context.now + context.profile.replyMs, server, (reply) => {
            const willing = reply !== undefined && reply.tokens > 0;
            answered(willing ? { ...candidate, tokens: reply.tokens, load: reply.load } : undefined);
          });
          context.send(link, 'cam-transfer', this.body({ stage: 'ask', request, tokens, kbps }));
        },
        failed: () => answered(undefined),
      });
    }
  }

  private body(parts: Partial<Body> & Pick<Body, 'stage' | 'request'>): Body {
    const load = Math.min(Math.round(this.served.load() * 1000), 0xffff);
    const none = { unit: undefined, link: undefined, server: undefined, nonce: undefined };
    return { tokens: 0, load, cameras: [], epoch: 0, kbps: 0, ...none, ...parts };
  }

  private perMille({ cameras, kbps }: CameraLink): number {
    const { camerasMax, kbpsMax } = this.context.options;
    return Math.round(1000 * Math.max(cameras.length / camerasMax, kbps / kbpsMax));
  }

  /** This server's load when those on their way have gone, per mille. */
  private remainingLoad(): number {
    let load = Math.round(this.served.load() * 1000);
    for (const share of this.moving.values()) load -= share;
    return load;
  }

  /** Moves what relieves this server, those with the least delay and data first, while the gap is worth it. */
  private relieve(grants: Grant[]): void {
    let moves = 0;
    const movable = this.served.attached().sort((a, b) => a.delayMs - b.delayMs || a.kbps - b.kbps);
    for (const camera of movable) {
      const load = this.remainingLoad();
      const share = this.perMille(camera);
      grants.sort((a, b) => a.load - b.load || (a.server < b.server ? -1 : 1));
      const best = grants.find(({ tokens }) => tokens > 0);
      if (best === undefined || moves >= movesMax || load < overload * 1000 || load - best.load <= 2 * share)
        break;
      if (this.moving.has(camera.unit)) continue;
      this.move(camera, best);
      best.tokens -= 1;
      best.load += share;
      moves += 1;
    }
    if (moves > 0) this.considerLater();
  }

  /** Hands every camera over, as far as others take them. */
  leave(): void {
    const left = this.served.attached();
    if (left.length === 0) return;
    this.ask(this.candidates(), left.length, (grant) => {
      while (grant !== undefined && grant.tokens > 0) {
        const camera = left.shift();
        if (camera === undefined) return;
        if (this.moving.has(camera.unit) || !this.served.has(camera.link)) continue;
        grant.tokens -= 1;
        this.move(camera, grant);
      }
    });
  }

  /** Cameras that nobody took: they look for a place themselves, and stream here until they have one. */
  leaveRest(): void {
    for (const { link, epoch } of this.served.attached())
      this.context.send(link, 'cam-rejoin', { server: this.context.self, epoch: epoch ?? 0 });
  }

  private move(camera: CameraLink, target: Candidate): void {
    const { context } = this;
    const nonce = context.random.bytes(nonceBytes);
    const { unit, link, epoch, cameras, kbps, address } = camera;
    this.moving.set(unit, this.perMille(camera));
    context.timers.set(`moving:${unit}`, context.now + offerMs, () => this.moving.delete(unit));
    context.story(`hands ${unit} over to ${target.server}`);
    const request = this.told.open(context.now + context.profile.replyMs, unit, (told) => {
      if (told === undefined || !this.served.has(link)) return;
      this.contacts.reach(target.server, target.address, {
        use: (way) => {
          const parts = { unit, link: address, cameras: [...cameras], epoch: epoch ?? 0, kbps, nonce };
          context.send(way, 'cam-transfer', this.body({ stage: 'offer', request: 0, ...parts }));
        },
        failed: () => undefined,
      });
    });
    const parts = { unit, server: target.server, nonce, epoch: epoch ?? 0 };
    context.send(link, 'cam-transfer', this.body({ stage: 'tell', request, ...parts }));
  }

  /** Another server's word. */
  received(link: LinkId, peer: string, body: Body): void {
    if (body.stage === 'ask') this.grant(link, peer, body);
    else if (body.stage === 'grant') this.grants.settle(body.request, peer, body);
    else if (body.stage === 'offer') this.take(link, peer, body);
    else if (body.stage === 'refused' && body.unit !== undefined) this.moving.delete(body.unit);
  }

  /** A camera has heard that another server will dial it. */
  toldCamera(unit: string, body: Body): void {
    this.told.settle(body.request, unit, body);
  }

  private grant(link: LinkId, peer: string, { request, tokens, kbps }: Body): void {
    const { context } = this;
    const each = tokens === 0 ? 0 : kbps / tokens;
    let granted = 0;
    // Not up to the brim: the next camera that joins should find a place, too.
    while (
      granted < tokens &&
      (this.served.loadTaking('', granted + 1, each * (granted + 1)) ?? 1) < overload
    )
      granted += 1;
    if (context.leaving) granted = 0;
    // The load before these: who asks adds them itself.
    const body = this.body({ stage: 'grant', request, tokens: granted });
    if (granted > 0) this.served.promise(peer, granted, each);
    context.send(link, 'cam-transfer', body);
  }

  private take(link: LinkId, peer: string, body: Body): void {
    const { context } = this;
    const { unit, nonce, link: address, cameras, kbps, epoch } = body;
    if (unit === undefined || nonce === undefined || address === undefined) return;
    this.served.fulfil(peer);
    const refuse = (): void => {
      if (context.links.get(link) !== undefined)
        context.send(link, 'cam-transfer', this.body({ stage: 'refused', request: body.request, unit }));
    };
    if (context.leaving || this.served.loadTaking(unit, cameras.length, kbps) === undefined) return refuse();
    this.contacts.dial(
      { unit, role: 'camera' },
      address,
      (dialled) => this.served.offer(dialled, { unit, cameras, kbps, nonce, epoch }, address),
      refuse,
    );
  }
}
