/** Whether this machine's clock is set, which decides whose date a network goes by. */
import type { Clock } from '../base/clock.ts';
import type { UnitConfig } from '../config/unit-config.ts';

/** No clock that is set shows a date before this program was written. Boards without a battery begin in 1970. */
export const writtenUtcMs = Date.UTC(2026, 10, 1);

/** Asked again each time: a clock is often set after the unit has started. */
export function clockTrust({ trusted }: UnitConfig['clock'], clock: Clock): () => boolean {
  return () => (trusted === 'auto' ? clock.utcMs() >= writtenUtcMs : trusted === 'yes');
}
