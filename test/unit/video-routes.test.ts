/** Downloads of a stretch end when whoever asked for them may no longer watch, in either format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '../../firmware/access/principal.ts';
import type { Archive } from '../../firmware/recording/archive.ts';
import { openAccess, recheckMs } from '../../firmware/viewing/access-control.ts';
import { bareViewing, cameraEntry, emptyArchive } from '../support/bare-viewing.ts';
import { gops, noonUs, store } from '../support/stored-segments.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const ann: Principal = { name: 'ann', role: 'viewer', cameras: ['door'], via: 'session' };
/** Each in a segment of its own, so that it is sent in several chunks. */
const stored = store(
  {
    holder: 1,
    capture: 0,
    gop: 0,
    frames: gops * 10,
    soundLate: 0,
    soundEarly: 0,
    perSegment: 1,
    clockOffUs: 0,
    lostTail: 0,
  },
  0,
  false,
);
const found = (wanted: string) => stored.find(({ detail }) => detail.listing.name === wanted);
const archive: Archive = {
  ...emptyArchive,
  segments: async () => stored.map(({ detail }) => detail.listing),
  detail: async (_, name) => found(name)?.detail,
  read: async (_, name, offset, length) =>
    found(name)?.file.subarray(offset, offset + length) ?? Buffer.alloc(0),
};

for (const format of ['fragmented', 'mp4']) {
  test(`a download with format=${format} goes on while its reader may watch, and not after`, async () => {
    const clock = new VirtualClock();
    let rights: Principal | undefined = ann;
    let aborted = false;
    const { ask } = bareViewing({
      archive,
      clock,
      access: { ...openAccess, identify: async () => ({ principal: ann }), current: () => rights },
      directory: { site: 'demo', self: 's1', servers: () => [], cameras: () => [cameraEntry('door', 's1')] },
    });
    const download = async (taken: boolean): Promise<number> => {
      rights = ann;
      const query = `from=${noonUs / 1e6}&to=${noonUs / 1e6 + gops}&format=${format}`;
      const onAbort = { abort: () => (aborted = true) };
      const { status, body } = await ask(`/api/cameras/door/video.mp4?${query}`, {}, onAbort);
      assert.equal(status, 200);
      if (taken) rights = undefined;
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        clock.advance(recheckMs);
      }
      return bytes;
    };
    const whole = await download(false);
    assert.equal(aborted, false);
    const part = await download(true);
    assert.equal(aborted, true, 'it does not look finished');
    assert.ok(part < whole, `${part} of ${whole} bytes`);
  });
}
