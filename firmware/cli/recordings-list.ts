/** The list of recordings of a camera as a server tells it, however long it is. */
import type { RecordingsAnswer } from '../viewing/api.ts';
import { getJson } from './api-client.ts';

/** Lists that are asked for at most: half a million segments. */
const pagesMax = 50;

/** The whole list, asked for as often as the server cuts it. `from` and `to` are ISO 8601. */
export async function getRecordings(
  server: string,
  camera: string,
  range: { from: string; to: string },
): Promise<RecordingsAnswer> {
  const ask = (from: string): Promise<RecordingsAnswer> => {
    const query = new URLSearchParams({ from, to: range.to });
    return getJson(server, `/api/cameras/${encodeURIComponent(camera)}/recordings?${query.toString()}`);
  };
  const all = await ask(range.from);
  for (let page = 1, last = all; last.truncated && page < pagesMax; page++) {
    const end = last.segments.at(-1)?.from;
    if (end === undefined) break;
    last = await ask(end);
    const known = new Set(all.segments.map(({ url }) => url));
    const fresh = last.segments.filter(({ url }) => !known.has(url));
    all.truncated = last.truncated;
    if (fresh.length === 0) break;
    all.segments.push(...fresh);
    all.unreachable = [...new Set([...all.unreachable, ...last.unreachable])].sort();
  }
  return all;
}
