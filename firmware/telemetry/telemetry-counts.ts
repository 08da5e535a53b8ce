/** What telemetry counts of itself; `/metrics` shows it. Outcomes are a closed list, so labels are bounded. */
import type { PublishOutcome } from './outgoing.ts';

export type CommandOutcome = 'done' | 'refused' | 'malformed' | 'retained' | 'elsewhere' | 'busy' | 'failed';

export class TelemetryCounts {
  connected = false;
  /** sessions that began, and tries that did not become one */
  sessions = 0;
  failures = 0;
  /** times that somebody else's message about a camera of this server was published over */
  mended = 0;
  readonly published: { [O in PublishOutcome]: number } = {
    published: 0,
    refused: 0,
    failed: 0,
    replaced: 0,
    dropped: 0,
  };
  readonly commands: { [O in CommandOutcome]: number } = {
    done: 0,
    refused: 0,
    malformed: 0,
    retained: 0,
    elsewhere: 0,
    busy: 0,
    failed: 0,
  };
}
