/**
 * What the capture service needs of the process that runs the pipeline. It is a process of its own because a
 * GStreamer element may hang or crash; it may be killed at any time. Implemented by io/capture-child.ts.
 */
import type { StreamSettings } from '../media/stream-settings.ts';
import type { Position } from '../ptz/position.ts';
import type { PipelinePlan } from './pipeline-plan.ts';

export interface CaptureHandlers {
  /** Bytes of a sink's GDP stream, in order. */
  data(sink: 'video' | 'audio', bytes: Buffer): void;
  /** The pipeline was told to play between these two times, µs of the monotonic clock. */
  playing(fromUs: number, toUs: number): void;
  /**
   * An element reported an error; the process ends. `lost` is the picture, or the sound alone: without its microphone
   * the plan would do.
   */
  failed(message: string, lost: 'picture' | 'sound'): void;
  /** The source came to its end, as files do; the process ends. */
  ended(): void;
  /** The process is gone; nothing follows. */
  exited(how: string): void;
}

export interface CaptureProcess {
  readonly pid: number | undefined;
  /** Goes over to these settings, which the plan's pipeline can do without being restarted; see `isLive`. */
  adjust(settings: StreamSettings): void;
  /** The camera looks there now: a picture that is drawn, or cut out of a larger one, follows. */
  aim(position: Position): void;
  /** Ends it without mercy; `exited` follows. */
  kill(): void;
}

export type StartCapture = (plan: PipelinePlan, handlers: CaptureHandlers) => CaptureProcess;
