/**
 * One run of the capture process: its GDP streams become numbered samples on the unit's monotonic clock.
 *
 * The samples wait until the format of every planned track is known (a segment's header needs them all): for the
 * sound at most `tracksWaitUs`, after which it is left out of this capture; for the picture as long as it takes.
 *
 * Invariants: PTS = running time + base, the base being fixed for the whole capture; sequences of a track rise by one
 * from 0; pure: times come in as arguments.
 */
import type { Result } from '../base/result.ts';
import { parseCaps } from '../media/caps.ts';
import { type GdpBuffer, GdpParser } from '../media/gdp-parser.ts';
import type { Sample, TrackDescription, TrackFormat, TrackKind } from '../media/sample.ts';
import type { Capture } from './backlog.ts';
import type { PipelinePlan } from './pipeline-plan.ts';

const tracksWaitUs = 1_500_000;
/** Samples that wait for the tracks; then the sound is left out, or, while there is no picture, its oldest go. */
const waitingMax = 512;
/** A picture refers to a later one, and does not say when it is to be decoded. */
export const reorderedReason = 'pictures come in another order than they are shown';
/** Longest guess of how long a picture is shown. */
const guessedUsMax = 1_000_000;
/** Times that travel in 32 bits; a source may claim more. */
const briefUsMax = 0xffff_ffff;

/** A sample with the capture it belongs to. */
export interface StreamedSample {
  readonly capture: Capture;
  readonly trackId: number;
  readonly sample: Sample;
}

interface Sink {
  readonly kind: TrackKind;
  readonly parser: GdpParser;
  format: TrackFormat | undefined;
  trackId: number;
  nextSequence: number;
  lastPtsUs: number | undefined;
  arrivedPtsUs: number | undefined;
}

interface Waiting {
  readonly sink: Sink;
  readonly buffer: GdpBuffer;
}

export class CaptureStream {
  private readonly plan: PipelinePlan;
  private readonly camera: string;
  private readonly captureId: string;
  private readonly sinks: Sink[];
  private capture: Capture | undefined;
  private waiting: Waiting[] = [];
  private firstArrivalUs: number | undefined;
  private baseUs: number | undefined;
  /** how far the base may be wrong, µs */
  baseUncertaintyUs = 100_000;

  constructor(plan: PipelinePlan, camera: string, captureId: string) {
    this.plan = plan;
    this.camera = camera;
    this.captureId = captureId;
    this.sinks = plan.sinks.map((kind) => ({
      kind,
      parser: new GdpParser(),
      format: undefined,
      trackId: 0,
      nextSequence: 0,
      lastPtsUs: undefined,
      arrivedPtsUs: undefined,
    }));
  }

  /** The pipeline was told to play between these monotonic times: a live pipeline's running time begins there. */
  playing(fromUs: number, toUs: number): void {
    if (!this.plan.live || this.baseUs !== undefined) return;
    this.baseUs = Math.round((fromUs + toUs) / 2);
    this.baseUncertaintyUs = Math.ceil((toUs - fromUs) / 2) + 1_000;
  }

  /** Takes bytes of a sink's GDP stream that arrived at `nowUs`. */
  push(kind: TrackKind, bytes: Buffer, nowUs: number): Result<StreamedSample[]> {
    const sink = this.sinks.find((candidate) => candidate.kind === kind);
    if (sink === undefined) return { ok: true, value: [] };
    const parsed = sink.parser.push(bytes);
    if (!parsed.ok) return parsed;
    const samples: StreamedSample[] = [];
    for (const packet of parsed.value) {
      if (packet.type === 'caps') {
        const format = parseCaps(packet.text);
        if (!format.ok) return format;
        if (sink.format !== undefined && !sink.format.config.equals(format.value.config)) {
          return { ok: false, reason: 'the stream changed its format' };
        }
        sink.format = format.value;
      } else if (packet.type === 'buffer' && packet.ptsUs !== undefined) {
        if (sink.kind === 'video' && reordered(sink, packet)) return { ok: false, reason: reorderedReason };
        sink.arrivedPtsUs = packet.ptsUs;
        samples.push(...this.take(sink, packet, nowUs));
      }
    }
    return { ok: true, value: samples };
  }

  private take(sink: Sink, buffer: GdpBuffer, nowUs: number): StreamedSample[] {
    this.firstArrivalUs ??= nowUs;
    this.baseUs ??= Math.round(nowUs) - (buffer.ptsUs ?? 0);
    if (this.capture !== undefined) {
      const sample = this.sample(sink, buffer);
      return sample === undefined ? [] : [sample];
    }
    this.waiting.push({ sink, buffer });
    const complete = this.sinks.every(({ format }) => format !== undefined);
    const picture = this.sinks.every(({ kind, format }) => kind !== 'video' || format !== undefined);
    const patient = nowUs - this.firstArrivalUs < tracksWaitUs && this.waiting.length < waitingMax;
    if (complete || (picture && !patient)) return this.begin();
    if (this.waiting.length > waitingMax) this.waiting.shift();
    return [];
  }

  /** The tracks are known: the samples that waited go out. */
  private begin(): StreamedSample[] {
    const tracks: TrackDescription[] = [];
    for (const sink of this.sinks) {
      if (sink.format === undefined) continue;
      const { camera, captureId } = this;
      tracks.push({ camera, kind: sink.kind, rendition: 'main', captureId, format: sink.format });
      sink.trackId = tracks.length;
    }
    this.capture = { captureId: this.captureId, tracks };
    const waiting = this.waiting;
    this.waiting = [];
    return waiting.flatMap(({ sink, buffer }) => this.sample(sink, buffer) ?? []);
  }

  private sample(sink: Sink, buffer: GdpBuffer): StreamedSample | undefined {
    if (sink.trackId === 0 || this.capture === undefined || buffer.ptsUs === undefined) return undefined;
    const primingUs = sink.kind === 'audio' ? this.plan.audioPrimingUs : 0;
    const { payload, bytes, durationUs = sinceLast(sink, buffer.ptsUs) } = buffer;
    sink.lastPtsUs = buffer.ptsUs;
    const sample: Sample = {
      sequence: sink.nextSequence++,
      ptsUs: Math.max(0, (this.baseUs ?? 0) + buffer.ptsUs - primingUs),
      durationUs: Math.min(durationUs, briefUsMax),
      compositionUs: Math.min(Math.max(0, buffer.ptsUs - (buffer.dtsUs ?? buffer.ptsUs)), briefUsMax),
      keyframe: sink.kind === 'audio' || !buffer.delta,
      payload,
      bytes,
    };
    return { capture: this.capture, trackId: sink.trackId, sample };
  }
}

/** IP cameras do not say how long a picture is shown: as long as the one before, as far as is known. */
function sinceLast({ lastPtsUs }: Sink, ptsUs: number): number {
  if (lastPtsUs === undefined || ptsUs <= lastPtsUs) return 0;
  return Math.min(ptsUs - lastPtsUs, guessedUsMax);
}

/** Whether a picture is shown before the one that came before it, and does not say when it is decoded. */
function reordered({ arrivedPtsUs }: Sink, { ptsUs, dtsUs }: GdpBuffer): boolean {
  return dtsUs === undefined && ptsUs !== undefined && arrivedPtsUs !== undefined && ptsUs < arrivedPtsUs;
}
