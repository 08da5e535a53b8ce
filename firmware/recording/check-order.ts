/**
 * Rows that belong to no listing, and the totals: counts again from the listings alone, which are the truth here.
 * Bounded: pages of rows, and one sum for each volume and camera.
 */
import { decode } from '../base/codec.ts';
import type { CheckGround } from './check.ts';
import { readPages } from './index-pages.ts';
import { endOf, keys, placeOfKey, put, totalsRow } from './index-rows.ts';
import type { IndexChange } from './index-store.ts';
import { eachRow } from './row-groups.ts';
import { decodeListing, findListing } from './segment-lookup.ts';

/** Drops insides and rows of retention without a listing, and makes the totals right. */
export async function checkOrder(ground: CheckGround): Promise<void> {
  await checkOrphans(ground);
  await checkTotals(ground);
}

async function checkOrphans(ground: CheckGround): Promise<void> {
  await eachRow(ground.index, 'f/', async ({ key }) => {
    const [, camera = '', ...name] = key.split('/');
    if ((await findListing(ground.index, camera, name.join('/'))) === undefined) await drop(ground, key);
  });
  await eachRow(ground.index, 't/', async ({ key }) => {
    const { volume, camera, name } = placeOfKey(key, 3);
    const placed = await findListing(ground.index, camera, name);
    const own = placed !== undefined && keys.byTime(volume, placed.listing.fromUs, camera, name) === key;
    if (!own || placed.volume !== volume) await drop(ground, key);
  });
}

async function drop({ index, findings, repair }: CheckGround, key: string): Promise<void> {
  if (repair) await index.commit([{ type: 'delete', key }]);
  findings.add('row-orphaned', key, 'no listing belongs to it', repair);
}

async function checkTotals({ index, findings, repair }: CheckGround): Promise<void> {
  const sums = new Map<string, { segments: number; bytes: number }>();
  const cameras = new Set<string>();
  for await (const row of readPages(index, 's/', endOf('s/'))) {
    const camera = row.key.split('/')[1] ?? '';
    const placed = decodeListing(camera, row);
    if (placed === undefined) continue;
    cameras.add(camera);
    const key = keys.totals(placed.volume, camera);
    const { segments, bytes } = sums.get(key) ?? { segments: 0, bytes: 0 };
    sums.set(key, { segments: segments + 1, bytes: bytes + placed.listing.bytes });
  }
  const changes: IndexChange[] = [];
  const wrong = (change: IndexChange, what: string): void => {
    changes.push(change);
    findings.add('totals-wrong', change.key, what, repair);
  };
  for await (const { key, value } of readPages(index, 'b/', endOf('b/'))) {
    const row = decode(totalsRow, value);
    const sum = sums.get(key);
    sums.delete(key);
    if (sum === undefined) wrong({ type: 'delete', key }, 'there is nothing of it');
    else if (!row.ok || row.value.segments !== sum.segments || row.value.bytes !== sum.bytes) {
      const said = row.ok ? `${row.value.segments} segments, ${row.value.bytes} bytes` : row.reason;
      wrong(put(key, totalsRow, sum), `says ${said}; there are ${sum.segments}, ${sum.bytes}`);
    }
  }
  for (const [key, sum] of sums) wrong(put(key, totalsRow, sum), `is not there; there are ${sum.segments}`);
  for await (const { key } of readPages(index, 'c/', endOf('c/'))) {
    if (!cameras.delete(key.slice(2))) wrong({ type: 'delete', key }, 'nothing of this camera is recorded');
  }
  for (const camera of cameras) {
    wrong({ type: 'put', key: keys.camera(camera), value: Buffer.alloc(0) }, 'the camera is not listed');
  }
  if (repair && changes.length > 0) await index.commit(changes);
}
