/** What becomes of something that was asked of `access`: its value, or a refusal with the status that says why. */
import type { Outcome } from '../access/outcome.ts';
import type { CameraList, Role } from '../access/principal.ts';
import { Refusal } from './routing.ts';

/** Throws a Refusal unless it was done. */
export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  const { status, error, advice, retryAfterSeconds } = outcome;
  const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  throw new Refusal(status, error, advice, headers);
}

/** Rights in JSON. */
export function rightsJson({ role, cameras }: { role: Role; cameras: CameraList }): {
  role: Role;
  cameras: 'all' | string[];
} {
  return { role, cameras: cameras === 'all' ? 'all' : [...cameras] };
}

/** ISO 8601 in UTC of ms. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
