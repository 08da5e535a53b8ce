/**
 * Who may watch what live, and from where: decides on an upgrade to a WebSocket before it happens, so that a refusal
 * is an ordinary HTTP error, and then serves the viewer from the hub or through the managing server.
 */
import type { WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import { isId } from '../base/ids.ts';
import type { ErrorAnswer } from './api.ts';
import type { Directory, PeerClient } from './directory.ts';
import { type LiveHub, viewersPerCameraMax } from './live-hub.ts';
import { relayLive } from './live-relay.ts';
import { serveLive } from './live-socket.ts';

const livePath = /^\/api\/cameras\/([^/?#]{1,100})\/live(?:\?([^#]{0,1000}))?$/;
/** Viewers through this server of cameras that others manage. */
const relaysMax = 512;

/** Whether a viewer may come in; `serve` takes the open socket. */
export type LiveAdmission =
  | { readonly ok: true; readonly serve: (socket: WebSocket) => void }
  | { readonly ok: false; readonly status: number; readonly answer: ErrorAnswer };

export interface LiveDoorOptions {
  readonly directory: Directory;
  readonly live: LiveHub;
  readonly peers: PeerClient;
  readonly clock: Clock;
}

export class LiveDoor {
  private readonly options: LiveDoorOptions;
  private relays = 0;

  constructor(options: LiveDoorOptions) {
    this.options = options;
  }

  /** `target` is path and query; with `own` the camera must be live here. */
  admit(target: string, own: boolean): LiveAdmission {
    const { directory, live } = this.options;
    const [, camera, query] = livePath.exec(target) ?? [];
    if (camera === undefined)
      return refusal(404, 'there is no WebSocket here', 'Use /api/cameras/{id}/live.');
    if (!isId(camera)) return refusal(400, 'malformed camera id', 'See /api/cameras for those there are.');
    const audio = new URLSearchParams(query).get('audio') === '1';
    if (live.snapshot(camera) !== undefined) return this.admitHere(camera, audio);
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
    return { ok: true, serve: (socket) => this.relay(socket, entry.manager, { camera, audio }) };
  }

  private admitHere(camera: string, audio: boolean): LiveAdmission {
    const { live, clock, directory } = this.options;
    if (live.viewers(camera) >= viewersPerCameraMax) {
      return refusal(503, `${camera} has ${viewersPerCameraMax} viewers`, 'Try again later.');
    }
    const serve = (socket: WebSocket): void => {
      const left = serveLive({ camera, manager: directory.self, audio, feed: live, socket, clock });
      socket.on('close', left);
    };
    return { ok: true, serve };
  }

  private relay(socket: WebSocket, manager: string, wanted: { camera: string; audio: boolean }): void {
    const { peers, clock } = this.options;
    const path = `/api/cameras/${wanted.camera}/live${wanted.audio ? '?audio=1' : ''}`;
    this.relays += 1;
    const left = relayLive({ manager, viewer: socket, source: peers.webSocket(manager, path), clock });
    socket.on('close', () => {
      this.relays -= 1;
      left();
    });
  }
}

function refusal(status: number, error: string, advice: string): LiveAdmission {
  return { ok: false, status, answer: { error, advice } };
}
