/**
 * Who may watch what live, and from where: decides on an upgrade to a WebSocket before it happens, so that a refusal
 * is an ordinary HTTP error, and then serves the viewer from the hub or through the managing server.
 */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Access } from '../access/access.ts';
import type { Principal } from '../access/principal.ts';
import type { Clock } from '../base/clock.ts';
import { isId } from '../base/ids.ts';
import type { AccessControl, AccessRequest } from './access-control.ts';
import type { ErrorAnswer } from './api.ts';
import type { Directory, PeerClient } from './directory.ts';
import { framedSocket } from './framed-socket.ts';
import { LiveGuard } from './live-guard.ts';
import { type LiveHub, viewersPerCameraMax } from './live-hub.ts';
import { relayLive } from './live-relay.ts';
import { serveLive, type ViewerSocket } from './live-socket.ts';
import { ownHeader } from './peer-headers.ts';
import { isOwnOrigin } from './request-purpose.ts';
import { checkRights, Refusal, refuseUnidentified, userOf } from './routing.ts';

const livePath = /^\/api\/cameras\/([^/?#]{1,100})\/live(?:\?([^#]{0,1000}))?$/;
/** Viewers through this server of cameras that others manage. */
const relaysMax = 512;
/**
 * Of a camera's places, nobody takes more than half, directly and through other servers together: another user or token
 * finds one. Viewers with links that somebody has made are counted apart, half of the places for all of them; but those
 * who come through another server count as whoever made the link.
 */
export const placesPerPrincipalMax = viewersPerCameraMax / 2;

/** An upgrade to a WebSocket. */
export type LiveRequest = Omit<AccessRequest, 'method'>;

/** Whether a viewer may come in; `serve` takes the open socket. */
export type LiveAdmission =
  /** `stream` is what the WebSocket was upgraded on */
  | { readonly ok: true; readonly serve: (socket: WebSocket, stream: Duplex) => void }
  | {
      readonly ok: false;
      readonly status: number;
      readonly answer: ErrorAnswer;
      readonly headers?: Readonly<Record<string, string>>;
    };

export interface LiveDoorOptions {
  readonly directory: Directory;
  readonly live: LiveHub;
  readonly peers: PeerClient;
  readonly access: AccessControl;
  /** absent where there are no users */
  readonly accounts?: Pick<Access, 'trail'>;
  readonly clock: Clock;
}

interface Wanted {
  readonly camera: string;
  readonly audio: boolean;
  readonly asking: Principal;
}

export class LiveDoor {
  private readonly options: LiveDoorOptions;
  private readonly guard: LiveGuard;
  private relays = 0;

  constructor(options: LiveDoorOptions) {
    this.options = options;
    this.guard = new LiveGuard(options);
  }

  /**
   * A request of another server, or with `x-starling-own`, gets what is live here. A page of another site gets nothing: it
   * could open a WebSocket with this site's cookie, as no rule of browsers keeps it from that.
   */
  async admit(request: LiveRequest): Promise<LiveAdmission> {
    const [, camera, query] = livePath.exec(request.target) ?? [];
    if (camera === undefined)
      return refusal(404, 'there is no WebSocket here', 'Use /api/cameras/{camera}/live.');
    if (request.peer === undefined && !isOwnOrigin(request.header('origin'), request.header('host'))) {
      return refusal(403, 'a page of another site may not watch', 'Open the page of this server.');
    }
    const { principal, reason } = await this.options.access.identify({ ...request, method: 'GET' });
    try {
      const asking = principal ?? refuseUnidentified(reason);
      checkRights(asking, 'viewer', camera);
      const audio = new URLSearchParams(query).get('audio') === '1';
      const own = request.peer !== undefined || request.header(ownHeader) === '1';
      const admission = this.admitPrincipal({ camera, audio, asking }, own);
      if (admission.ok) this.options.accounts?.trail.note(asking, 'watch', { camera, detail: 'live' });
      return admission;
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      const { status, message, advice, headers } = thrown;
      return { ok: false, status, answer: { error: message, advice }, headers };
    }
  }

  private admitPrincipal(wanted: Wanted, own: boolean): LiveAdmission {
    const { directory, live } = this.options;
    const { camera, asking } = wanted;
    if (!isId(camera)) return refusal(400, 'malformed camera id', 'See /api/cameras for those there are.');
    // without users, nobody can be told from the others: not here, and not by the server that asks for them
    const isSomebody = asking.via !== 'open' && !asking.name.startsWith('server:');
    if (isSomebody && this.guard.count(asking, camera) >= placesPerPrincipalMax) {
      const often = `${asking.name} watches ${camera} ${placesPerPrincipalMax} times already`;
      return refusal(429, often, 'Close other pages or players, or use another user or token.');
    }
    if (live.snapshot(camera) !== undefined) return this.admitHere(wanted);
    const entry = directory.cameras().find(({ id }) => id === camera);
    if (entry === undefined) {
      return refusal(404, `no camera is named ${camera}`, 'See /api/cameras for those there are.');
    }
    if (entry.manager === directory.self || own) {
      return refusal(
        503,
        `${camera} is not live on this server`,
        'Try again: it may be joining another server.',
      );
    }
    const manager = directory.servers().find(({ id }) => id === entry.manager);
    if (manager === undefined || manager.state === 'unreachable') {
      const advice = 'Try again: the camera joins another server within seconds.';
      return refusal(503, `${entry.manager}, which manages ${camera}, cannot be reached`, advice);
    }
    if (this.relays >= relaysMax) {
      return refusal(503, 'too many viewers through this server', `Open the page of ${entry.manager}.`);
    }
    return {
      ok: true,
      serve: (socket, stream) => this.relay(socket, framedSocket(socket, stream), entry.manager, wanted),
    };
  }

  private admitHere({ camera, audio, asking }: Wanted): LiveAdmission {
    const { live, clock, directory } = this.options;
    if (live.viewers(camera) >= viewersPerCameraMax) {
      return refusal(503, `${camera} has ${viewersPerCameraMax} viewers`, 'Try again later.');
    }
    const serve = (socket: WebSocket, stream: Duplex): void => {
      const viewer = { camera, manager: directory.self, audio, socket: framedSocket(socket, stream) };
      const left = serveLive({ ...viewer, feed: live, clock });
      socket.on('close', left);
      socket.on('close', this.guard.watch(socket, asking, camera));
    };
    return { ok: true, serve };
  }

  private relay(
    socket: WebSocket,
    viewer: ViewerSocket,
    manager: string,
    { camera, audio, asking }: Wanted,
  ): void {
    const { peers, clock } = this.options;
    const path = `/api/cameras/${camera}/live${audio ? '?audio=1' : ''}`;
    this.relays += 1;
    const source = peers.webSocket(manager, path, userOf(asking));
    const left = relayLive({ manager, viewer, source, clock });
    socket.on('close', this.guard.watch(socket, asking, camera));
    socket.on('close', () => {
      this.relays -= 1;
      left();
    });
  }
}

function refusal(status: number, error: string, advice: string): LiveAdmission {
  return { ok: false, status, answer: { error, advice } };
}
