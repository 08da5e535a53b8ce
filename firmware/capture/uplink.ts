/**
 * The camera unit's end of a link: streams the outboxes to the manager, from the oldest sample that is not durable,
 * faster than real time until it has caught up.
 *
 * Invariants: order within a camera is the outbox's; cameras take turns, so that the backlog of one does not keep the
 * others waiting; when the link is full nothing is queued here, sending goes on
 * when it has drained; a manager that has lost what it had not made durable asks for it again, and gets it behind a new
 * announcement of tracks and clock, by which it tells what is sent anew; samples leave at once while somebody watches, else in batches (`pump` is then called by the
 * unit's timer), because wake-ups are what costs the server its time.
 */
import { encode } from '../base/codec.ts';
import type { FrameParts } from '../base/frames.ts';
import {
  decodeFrame,
  durableFrame,
  frameKinds,
  gapFrame,
  mappingFrame,
  pacingFrame,
  resendFrame,
  sampleFrames,
  tracksFrame,
} from '../media/link-frames.ts';
import type { UtcMapping } from '../media/sample.ts';
import type { Backlog, Capture, CapturedSample, Resume } from './backlog.ts';

/** What the uplink needs of a link. */
export interface UplinkLink {
  /** False when the link is full and the sender should wait until it has drained. */
  send(kind: number, parts: readonly Uint8Array[]): boolean;
}

interface Stream {
  readonly camera: string;
  readonly outbox: Backlog;
  /** what its manager had to be given when it became the manager */
  resume: Resume;
  cursor: number;
  capture: Capture | undefined;
  /** link number of the capture's first track; the others follow */
  firstNumber: number;
  mapping: UtcMapping | undefined;
  immediate: boolean;
}

/** From the oldest samples that are not durable, as to a manager that knows nothing. */
function resume(stream: Stream): void {
  stream.resume = stream.outbox.resume();
  stream.cursor = stream.resume.number;
  stream.capture = undefined;
  stream.mapping = undefined;
}

export class Uplink {
  private readonly link: UplinkLink;
  private readonly streams: Stream[];
  private turn = 0;
  private full = false;

  constructor(link: UplinkLink, outboxes: ReadonlyMap<string, Backlog>) {
    this.link = link;
    this.streams = [...outboxes].map(([camera, outbox], place) => {
      const resume = outbox.resume();
      return {
        camera,
        outbox,
        resume,
        cursor: resume.number,
        capture: undefined,
        // Four numbers a camera: link numbers are few, and reused when a capture follows another.
        firstNumber: place * 4,
        mapping: undefined,
        immediate: false,
      };
    });
  }

  /** A new sample is in a camera's outbox: sends it if it should leave at once. */
  sampled(camera: string): void {
    for (const stream of this.streams) if (stream.camera === camera && stream.immediate) this.pump();
  }

  /** The link has room again. */
  drained(): void {
    this.full = false;
    this.pump();
  }

  /** Sends everything that waits, as long as the link takes it. */
  pump(): void {
    for (let idle = 0; idle < this.streams.length && !this.full; ) {
      const stream = this.streams[this.turn] as Stream;
      this.turn = (this.turn + 1) % this.streams.length;
      idle = this.sendNext(stream) ? 0 : idle + 1;
    }
  }

  /** False when the stream has nothing that waits. */
  private sendNext(stream: Stream): boolean {
    const next = stream.outbox.read(stream.cursor);
    if (next === undefined) return false;
    stream.cursor = next.number + 1;
    if (!stream.resume.wants(next.item)) return true;
    if (next.item.type === 'sample') {
      this.sendSample(stream, next.item);
    } else {
      const { fromUs, toUs, reason } = next.item;
      this.send(frameKinds.gap, [encode(gapFrame, { camera: stream.camera, fromUs, toUs, reason })]);
    }
    return true;
  }

  /** Takes a frame of the manager; returns why the link must be closed, if it must. */
  frame(kind: number, parts: FrameParts): string | undefined {
    if (kind === frameKinds.durable) {
      const decoded = decodeFrame(durableFrame, parts);
      if (!decoded.ok) return `durable: ${decoded.reason}`;
      const { camera, captureId, tracks } = decoded.value;
      const durable = tracks.map(({ trackId, through }) => ({ captureId, trackId, through }));
      for (const stream of this.streams) if (stream.camera === camera) stream.outbox.acknowledge(durable);
    }
    if (kind === frameKinds.pacing) {
      const decoded = decodeFrame(pacingFrame, parts);
      if (!decoded.ok) return `pacing: ${decoded.reason}`;
      for (const stream of this.streams) {
        if (stream.camera === decoded.value.camera) stream.immediate = decoded.value.immediate;
      }
      this.pump();
    }
    if (kind === frameKinds.resend) {
      const decoded = decodeFrame(resendFrame, parts);
      if (!decoded.ok) return `resend: ${decoded.reason}`;
      for (const stream of this.streams) if (stream.camera === decoded.value.camera) resume(stream);
      this.pump();
    }
    return undefined;
  }

  private sendSample(stream: Stream, captured: CapturedSample): void {
    if (stream.capture !== captured.capture) this.announce(stream, captured.capture);
    const { mapping } = captured;
    if (
      stream.mapping?.offsetUs !== mapping.offsetUs ||
      stream.mapping.uncertaintyUs !== mapping.uncertaintyUs
    ) {
      stream.mapping = mapping;
      this.send(frameKinds.mapping, [encode(mappingFrame, { camera: stream.camera, mapping })]);
    }
    for (const { kind, parts } of sampleFrames(stream.firstNumber + captured.trackId - 1, captured.sample)) {
      this.send(kind, parts);
    }
  }

  private announce(stream: Stream, capture: Capture): void {
    stream.capture = capture;
    const tracks = capture.tracks.map((description, place) => ({
      number: stream.firstNumber + place,
      description,
    }));
    this.send(frameKinds.tracks, [encode(tracksFrame, { camera: stream.camera, tracks })]);
  }

  private send(kind: number, parts: readonly Uint8Array[]): void {
    if (!this.link.send(kind, parts)) this.full = true;
  }
}
