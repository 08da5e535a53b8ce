/**
 * Commands to cameras of this server, as promises.
 *
 * Invariant: each is answered in bounded time; a camera that has gone elsewhere meanwhile, or does not answer, is a
 * Failure UNREACHABLE.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { StreamAccess, StreamOutcome, StreamWish } from '../viewing/stream-access.ts';

type Control = PacketBody<'cam-control'>;

const answerMs = 4_000;
const waitingMax = 64;

export interface CameraControlsOptions {
  readonly clock: Clock;
  readonly send: (body: Control) => void;
}

export class CameraControls implements StreamAccess {
  private readonly options: CameraControlsOptions;
  private readonly waiting = new Map<number, (reply: Control) => void>();
  private readonly frameRates = new Map<string, number>();
  private next = 1;

  constructor(options: CameraControlsOptions) {
    this.options = options;
  }

  async stream(camera: string, wish: StreamWish): Promise<StreamOutcome> {
    const { bitrateKbps, frameRate, keyframeIntervalMs, reset } = wish;
    const wanted = { bitrateKbps, frameRate, keyframeIntervalMs, reset, restarted: false };
    const { refusal, stream } = await this.control(camera, wanted);
    if (refusal !== '') return { refusal };
    if (
      stream?.bitrateKbps === undefined ||
      stream.frameRate === undefined ||
      stream.keyframeIntervalMs === undefined
    )
      return { refusal: `${camera} cannot change how it streams` };
    const { restarted } = stream;
    return {
      bitrateKbps: stream.bitrateKbps,
      frameRate: stream.frameRate,
      keyframeIntervalMs: stream.keyframeIntervalMs,
      restarted,
    };
  }

  /** A camera's reply, or this server's own for one that is elsewhere; one that comes too late changes nothing. */
  controlled(reply: Control): void {
    const { camera, refusal, stream } = reply;
    if (refusal === '' && stream?.frameRate !== undefined) this.frameRates.set(camera, stream.frameRate);
    this.waiting.get(reply.request)?.(reply);
    this.waiting.delete(reply.request);
  }

  /** Pictures per second of a camera that is managed here; undefined while it has not said. */
  frameRate(camera: string): number | undefined {
    return this.frameRates.get(camera);
  }

  /** The cameras of a unit that is managed here no longer. */
  gone(cameras: readonly string[]): void {
    for (const camera of cameras) this.frameRates.delete(camera);
  }

  private control(camera: string, stream: Control['stream']): Promise<Control> {
    const request = this.next;
    this.next = (this.next % 0xffff_ffff) + 1;
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void =>
        reject(new Failure('UNREACHABLE', reason, { advice: 'Ask again in a moment.' }));
      if (this.waiting.size >= waitingMax) return fail('too many commands wait for an answer');
      const cancel = this.options.clock.after(answerMs, () => {
        this.waiting.delete(request);
        fail(`${camera} does not answer`);
      });
      this.waiting.set(request, (reply) => {
        cancel();
        resolve(reply);
      });
      const still = {
        panMilli: undefined,
        tiltMilli: undefined,
        zoom: undefined,
        framesPerSecond: undefined,
      };
      this.options.send({ request, reply: false, camera, ...still, refusal: '', stream });
    });
  }
}
