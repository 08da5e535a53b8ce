/** What the viewing side asks of the events in this server's index. The server role implements it. */
import type { EventPage } from '../base/event-page.ts';
import type { EventQuery, StoredEvent } from '../recording/event-log.ts';

export interface EventAccess {
  /** Events that overlap a time. Rejects with a Failure. */
  read(query: EventQuery): Promise<EventPage<StoredEvent>>;
}
