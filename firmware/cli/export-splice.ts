/**
 * Goes on with an interrupted export: a new stream of the server, which begins a little before the part ends, is made
 * to continue it.
 *
 * Invariants: no sample twice, none missing, times continuous: the stream must have the part's last sample (same
 * capture, track, sequence), which tells how the times of both go together, and the one that follows it; else nothing
 * is appended and `CannotJoin` is thrown: then the export begins anew.
 */
import { FragmentStream } from '../media/fragment-stream.ts';
import { compatible } from '../media/fragmented-mp4.ts';
import type { ParsedFragment } from '../media/mp4-scanner.ts';
import { Remuxer } from '../viewing/remuxer.ts';
import type { PartEnd } from './export-part.ts';

/** How much earlier than the part's last fragment the stream is asked for: clocks of servers differ. */
export const overlapUs = 5_000_000;
/** Fragments before the joint that may still have a sample of another track. */
const keptMax = 64;

/** The stream does not continue the part. */
export class CannotJoin extends Error {}

export class Splice {
  private readonly end: PartEnd;
  private readonly stream = new FragmentStream();
  private kept: ParsedFragment[] = [];
  private remuxer: Remuxer | undefined;
  /** the sample behind the joint has been seen, or the capture has ended */
  private followed = false;

  constructor(end: PartEnd) {
    this.end = end;
  }

  /** Takes the next bytes of the stream and returns what is to be appended. */
  push(bytes: Buffer): Buffer[] {
    const fragments = this.stream.push(bytes);
    const { init } = this.stream;
    if (init !== undefined && !compatible(init.tracks, this.end.tracks)) {
      throw new CannotJoin('the tracks have changed');
    }
    return fragments.flatMap(({ parsed }) => this.add(parsed));
  }

  /** The stream has ended. */
  finish(): void {
    if (this.remuxer === undefined) throw new CannotJoin('the last sample is gone');
  }

  private add(parsed: ParsedFragment): Buffer[] {
    if (this.remuxer !== undefined) return this.mux(this.remuxer, parsed);
    if (parsed.captureId !== this.end.captureId) return [];
    this.kept.push(parsed);
    if (this.kept.length > keptMax) this.kept.shift();
    const shiftUs = this.shiftAt(parsed);
    if (shiftUs === undefined) return [];
    const remuxer = Remuxer.continuing(Number.POSITIVE_INFINITY, { ...this.end, shiftUs });
    this.remuxer = remuxer;
    const kept = this.kept;
    this.kept = [];
    return kept.flatMap((each) => this.mux(remuxer, each));
  }

  /** File time − time in the stream, if the joint is in this fragment. */
  private shiftAt({ batches }: ParsedFragment): number | undefined {
    const { trackId, sequence, ptsUs } = this.end.joint;
    const samples = batches.find((batch) => batch.trackId === trackId)?.samples ?? [];
    const same = samples.find((sample) => sample.sequence === sequence);
    if (same !== undefined) return ptsUs - same.ptsUs;
    if ((samples[0]?.sequence ?? 0) > sequence) throw new CannotJoin('the last sample is gone');
    return undefined;
  }

  private mux(remuxer: Remuxer, parsed: ParsedFragment): Buffer[] {
    this.checkFollows(parsed);
    const { tracks } = this.end;
    const { captureId = '', mapping = { offsetUs: 0, uncertaintyUs: 0 } } = parsed;
    const listing = { offset: 0, bytes: 0, fromPtsUs: 0, toPtsUs: 0, mapping, tracks: [] };
    const settledPtsUs = Number.POSITIVE_INFINITY;
    const { chunks } = remuxer.add({ tracks, captureId, listing, parsed, settledPtsUs });
    return chunks.map(({ bytes }) => bytes);
  }

  /** A hole right behind the joint may be one of the stream's own making (a clock that was set): better begin anew. */
  private checkFollows({ captureId, batches }: ParsedFragment): void {
    if (this.followed) return;
    const { trackId, sequence } = this.end.joint;
    const samples = batches.find((batch) => batch.trackId === trackId)?.samples ?? [];
    const later = samples.find((sample) => sample.sequence > sequence);
    this.followed = captureId !== this.end.captureId || later !== undefined;
    if (captureId === this.end.captureId && later !== undefined && later.sequence !== sequence + 1) {
      throw new CannotJoin('the sample behind the last one is gone');
    }
  }
}
