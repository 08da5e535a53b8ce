/** What a player makes of an address or a file: ffprobe as the judge. */
import assert from 'node:assert/strict';
import { run } from './gst.ts';

/** A decoded frame, s. */
export interface DecodedFrame {
  readonly pts: number;
  readonly key: boolean;
}

/** Video frames that ffprobe decodes of an address or file, in order. */
export async function decodedFrames(source: string): Promise<DecodedFrame[]> {
  const fields = ['-select_streams', 'v', '-show_entries', 'frame=pts_time,key_frame', '-of', 'csv=p=0'];
  const { stdout, stderr, code } = await run('ffprobe', ['-v', 'error', ...fields, source]);
  assert.deepEqual([stderr, code], ['', 0]);
  // It ends the first line twice.
  const lines = stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [key, pts] = line.split(',');
    return { pts: Number(pts), key: key === '1' };
  });
}
