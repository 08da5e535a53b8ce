/** A protected range as the API tells it. */
import type { Protection } from '../recording/protections.ts';
import type { ProtectedRangeAnswer } from './api.ts';
import { formatMs, formatMsUp } from './time-query.ts';

export function formatProtection({ id, fromUs, toUs, note, by, atUs }: Protection): ProtectedRangeAnswer {
  return { id, from: formatMs(fromUs), to: formatMsUp(toUs), note, by, at: formatMs(atUs) };
}
