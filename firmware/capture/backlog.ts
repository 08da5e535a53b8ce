/**
 * What waits in a camera for a server to have it safe, as those see it who fill it and who send it. The outbox keeps it
 * in RAM; one that spills to a card implements the same.
 *
 * Invariants: each item has a number that rises by one; whoever keeps the next number it wants reads every item once,
 * or the gap that covers it. A store whose items are elsewhere than in RAM may answer `read` with undefined while it
 * fetches them: readers come by again with each batch.
 */
import type { Gap, Sample, TrackDescription, UtcMapping } from '../media/sample.ts';

/** One run of the pipeline: its tracks (track id = place + 1) all have its capture id. */
export interface Capture {
  readonly captureId: string;
  readonly tracks: readonly TrackDescription[];
}

/** A sample and what is needed to understand it. */
export interface CapturedSample {
  readonly type: 'sample';
  readonly capture: Capture;
  readonly trackId: number;
  readonly sample: Sample;
  readonly mapping: UtcMapping;
}

/** A time, µs UTC, without samples, and why. */
export interface CapturedGap {
  readonly type: 'gap';
  readonly fromUs: number;
  readonly toUs: number;
  readonly reason: Extract<
    Gap['reason'],
    'camera-off' | 'capture-restarted' | 'outbox-overflow' | 'server-unreachable'
  >;
}

/** Anything that leaves the camera in order. */
export type BacklogItem = CapturedSample | CapturedGap;

/** What an acknowledgement covers: a track of a capture, up to and including a sequence. */
export interface Durable {
  readonly captureId: string;
  readonly trackId: number;
  readonly through: number;
}

/** Where a new manager begins, and what of the items from there on it needs. */
export interface Resume {
  readonly number: number;
  /** false for a sample that is durable, but for a video sample that later ones need to be decoded */
  readonly wants: (item: BacklogItem) => boolean;
}

/** The end that is sent from. */
export interface Backlog {
  /** Each track from its first sample that is not durable on, video from the keyframe before that one. */
  resume(): Resume;
  /**
   * The item with this number. Undefined when there is none yet. A number that has been dropped yields the next gap
   * that an overflow has torn, else the oldest item kept; the caller goes on from the number it gets back.
   */
  read(number: number): { number: number; item: BacklogItem } | undefined;
  /** Forgets what is durable. */
  acknowledge(durable: readonly Durable[]): void;
  /** Whether there is a manager now: it is the reason for what is given up meanwhile. */
  setManaged(managed: boolean): void;
}

/** The end that captures. */
export interface BacklogIntake {
  addSample(captured: Omit<CapturedSample, 'type'>): void;
  /** Adds an explained gap; the next sample follows it. */
  addGap(gap: Omit<CapturedGap, 'type'>): void;
  /** The date is known now: samples of an unknown date get this mapping, gaps are moved by so much. */
  redate(mapping: UtcMapping, shiftUs: number): void;
}
