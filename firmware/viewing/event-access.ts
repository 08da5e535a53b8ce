/** What the viewing side asks of the events in this server's index. The server role implements it. */
import type { EventQuery, StoredEvent } from '../recording/event-log.ts';

export interface EventAccess {
  /** Events that overlap a time, the newest first; `more` when others are left out. Rejects with a Failure. */
  read(query: EventQuery): Promise<{ events: StoredEvent[]; more: boolean }>;
}
