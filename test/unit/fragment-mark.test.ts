/** A fragment of which a sector never got to the disk is not whole, wherever in the file it lies. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import { scanSegment } from '../../firmware/media/mp4-scanner.ts';
import { videoTrack } from '../support/media-samples.ts';
import { sampleOf } from '../support/synthetic-sample.ts';

const sectorBytes = 512;

function segment(): { file: Buffer; last: number } {
  const parts: Uint8Array[] = [initSegment([videoTrack()])];
  let last = 0;
  for (let gop = 0; gop < 3; gop++) {
    const samples = Array.from({ length: 5 }, (_, place) =>
      sampleOf({ sequence: gop * 5 + place + 1, ptsUs: (gop * 5 + place) * 40_000, bytes: 777 }),
    );
    last = parts.reduce((sum, part) => sum + part.length, 0);
    const mapping = { offsetUs: 1_000_000, uncertaintyUs: 1 };
    parts.push(...fragment({ sequenceNumber: gop, batches: [{ trackId: 1, samples }], mapping }).parts);
  }
  return { file: Buffer.concat(parts), last };
}

describe('the mark of a fragment', () => {
  const { file, last } = segment();
  const scan = (bytes: Buffer) =>
    scanSegment(async (at, length) => bytes.subarray(at, at + length), bytes.length, { payload: true });

  test('is found right when all of it is there', async () => {
    const { fragments, damage } = await scan(file);
    assert.equal(damage, undefined);
    assert.equal(fragments.length, 3);
  });

  test('is not when any sector of its last fragment reads as zeros', async () => {
    const first = Math.ceil(last / sectorBytes) * sectorBytes;
    for (let at = first; at < file.length; at += sectorBytes) {
      const torn = Buffer.from(file);
      torn.fill(0, at, Math.min(at + sectorBytes, file.length));
      const { fragments, damage, validBytes } = await scan(torn);
      assert.notEqual(damage, undefined, `the sector at ${at} is not missed`);
      assert.equal(fragments.length, 2);
      assert.equal(validBytes, last);
    }
  });
});
