/** A camera unit that goes from one manager to the next: what is not safe yet is sent again, and nothing is lost. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode } from '../../firmware/base/codec.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import {
  decodeFrame,
  durableFrame,
  frameKinds,
  gapFrame,
  pacingFrame,
} from '../../firmware/media/link-frames.ts';
import { Handover } from '../../firmware/roles/handover.ts';
import type { UnitStream } from '../../firmware/roles/unit-stream.ts';
import { Source } from '../support/outbox-source.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const camera = 'cam-1';

/** A unit with one camera, and managers that count the samples they get. */
function unit() {
  const source = new Source(new Outbox({ bytesMax: 1_000_000, secondsMax: 60 }));
  const samples = new Map<number, number>();
  const streams = new Map<number, UnitStream>();
  const handover = new Handover(new Map([[camera, source.outbox]]), new VirtualClock(), (link, stream) => {
    streams.set(link, stream);
    samples.set(link, 0);
    const send = (kind: number): boolean => {
      if (kind === frameKinds.sample) samples.set(link, (samples.get(link) ?? 0) + 1);
      return true;
    };
    return { send };
  });
  const streamOf = (link: number): UnitStream => streams.get(link) ?? assert.fail(`no stream on ${link}`);
  /** The manager on a link says that everything up to here is safe. */
  const durable = (link: number, through: number): void => {
    const [item] = [source.outbox.read(source.outbox.resumeAt())?.item];
    assert(item?.type === 'sample');
    const { captureId } = item.capture;
    const tracks = [{ trackId: item.trackId, through }];
    streamOf(link).frame(frameKinds.durable, [encode(durableFrame, { camera, captureId, tracks })]);
  };
  return { source, handover, streamOf, durable, sent: (link: number) => samples.get(link) ?? 0 };
}

describe('a camera unit', () => {
  test('sends to its new manager from the oldest picture that is not safe, and no more to the old one', () => {
    const { source, handover, durable, streamOf, sent } = unit();
    for (let n = 0; n < 3; n++) source.gop(10);
    handover.managed(1, 'ss-1');
    assert.equal(sent(1), 30);
    durable(1, 14);
    handover.managed(2, 'ss-2');
    assert.equal(sent(2), 20, 'the group of pictures that is not safe as a whole, and what follows');
    source.gop(10);
    handover.pump();
    streamOf(1).frame(frameKinds.pacing, [encode(pacingFrame, { camera, immediate: true })]);
    streamOf(1).drained();
    assert.deepEqual([sent(1), sent(2)], [30, 30]);
  });

  test('is still told by the old manager what that one has made safe', () => {
    const { source, handover, durable, sent } = unit();
    for (let n = 0; n < 3; n++) source.gop(10);
    handover.managed(1, 'ss-1');
    handover.managed(2, 'ss-2');
    durable(1, 19);
    handover.managed(3, 'ss-3');
    assert.deepEqual([sent(1), sent(2), sent(3)], [30, 30, 10]);
  });

  test('goes on with the new manager when the old one lets go afterwards', () => {
    const { source, handover, sent } = unit();
    handover.managed(1, 'ss-1');
    handover.managed(2, 'ss-2');
    handover.unmanaged('ss-1');
    source.gop(10);
    handover.pump();
    assert.deepEqual([sent(1), sent(2)], [0, 10]);
    handover.unmanaged('ss-2');
    source.gop(10);
    handover.pump();
    assert.equal(sent(2), 10);
  });

  test('tells its next manager what it lost for want of one, and a slow one what it lost for its slowness', () => {
    const small = new Source(new Outbox({ bytesMax: 2_000, secondsMax: 60 }));
    const gaps: string[] = [];
    let flowing = true;
    const handover = new Handover(new Map([[camera, small.outbox]]), new VirtualClock(), () => {
      const send = (kind: number, parts: readonly Uint8Array[]): boolean => {
        if (kind !== frameKinds.gap) return flowing;
        const decoded = decodeFrame(gapFrame, [Buffer.concat(parts)]);
        gaps.push(decoded.ok ? decoded.value.reason : decoded.reason);
        return flowing;
      };
      return { send };
    });
    for (let n = 0; n < 5; n++) small.gop(10);
    handover.managed(1, 'ss-1');
    assert.deepEqual(gaps, ['server-unreachable']);
    flowing = false;
    for (let n = 0; n < 5; n++) {
      small.gop(10);
      handover.pump();
    }
    flowing = true;
    handover.unmanaged('ss-1');
    handover.managed(2, 'ss-2');
    assert.deepEqual(gaps.slice(1), ['server-unreachable', 'outbox-overflow']);
  });

  test('keeps everything while nobody manages it', async () => {
    const { source, handover, sent } = unit();
    handover.managed(1, 'ss-1');
    handover.unmanaged('ss-1');
    source.gop(10);
    handover.sampled(camera);
    await handover.flush();
    handover.managed(2, 'ss-1');
    assert.deepEqual([sent(1), sent(2)], [0, 10]);
  });
});
