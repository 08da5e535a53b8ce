/** Downloads that may take hours end when whoever asked for them may no longer watch: rights change meanwhile. */
import type { Principal } from '../access/principal.ts';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { type AccessControl, recheckMs, stillWatches } from './access-control.ts';

export interface AllowedParts {
  readonly access: Pick<AccessControl, 'current'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** Passes chunks on while `asking` may watch the camera; then rejects with ACCESS_DENIED, and `chunks` is closed. */
export async function* whileAllowed<Chunk>(
  chunks: AsyncIterable<Chunk>,
  { access, clock }: AllowedParts,
  asking: Principal,
  camera: string,
): AsyncGenerator<Chunk, void, void> {
  let askedMs = clock.monotonicMs();
  for await (const chunk of chunks) {
    if (clock.monotonicMs() - askedMs >= recheckMs) {
      askedMs = clock.monotonicMs();
      if (!stillWatches(access, asking, camera)) {
        const advice = 'Ask an admin for the right to watch it.';
        throw new Failure('ACCESS_DENIED', 'you may no longer watch this camera', { advice });
      }
    }
    yield chunk;
  }
}
