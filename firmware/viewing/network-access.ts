/**
 * What the viewing side may ask of this server's own place in the network: its tables, who has a camera, its log, and
 * to leave. The server role implements it over the overlay.
 */
import type { QueryAnswer } from '../overlay/effects.ts';
import type { TablesView } from '../overlay/views.ts';
import type { LogEntry } from '../runtime/log-ring.ts';

export interface NetworkAccess {
  /** The patent's Tables 1–3 as they are now. */
  tables(): TablesView;
  /** Who manages and who managed a camera; asks its manager. Resolves in bounded time, whatever that one does. */
  where(camera: string): Promise<QueryAnswer>;
  /** Begins to leave: hands the cameras over, says goodbye, and stops the unit. Further calls change nothing. */
  leave(): void;
  /** The last entries of this unit's log, oldest first. */
  log(lines: number): readonly LogEntry[];
}
