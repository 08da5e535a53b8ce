/** A stretch of time, ms UTC. */
export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
}
