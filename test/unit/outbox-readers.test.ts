/** Whatever happens to an outbox, no sample vanishes unseen: a property over random lives of a camera. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BacklogItem, CapturedGap, CapturedSample } from '../../firmware/capture/backlog.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import { captureOf, frameUs, mapping, Source } from '../support/outbox-source.ts';

type Step =
  | { do: 'keyframe' | 'delta' | 'audio'; bytes: number }
  | { do: 'restart' }
  | { do: 'acknowledge'; back: number }
  | { do: 'read'; count: number }
  | { do: 'manager'; present: boolean }
  | { do: 'reconnect' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('keyframe' as const), bytes: fc.integer({ min: 1, max: 400 }) }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('delta' as const), bytes: fc.integer({ min: 1, max: 100 }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('audio' as const), bytes: fc.integer({ min: 1, max: 20 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), back: fc.nat(10) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('read' as const), count: fc.integer({ min: 1, max: 30 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('manager' as const), present: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  ),
  { minLength: 1, maxLength: 150, size: 'max' },
);

/**
 * A manager that reads, and acknowledges some of what it has read, in order; sometimes another one takes over. What is
 * acknowledged was delivered; everything else must be delivered, be in the outbox still, or lie inside a told gap.
 */
test('whatever is acknowledged or dropped, a reader sees each sample once and in order, or a gap that covers it', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const outbox = new Outbox({ bytesMax: 1_500, secondsMax: 5 });
      const source = new Source(outbox, captureOf('boot.0'));
      const added: { key: string; utcUs: number }[] = [];
      let restarts = 0;
      let { number: cursor, wants } = outbox.resume();
      const keyframes = new Map<string, number>();
      let delivered: BacklogItem[] = [];
      const durable = new Set<string>();
      const keyOf = (item: BacklogItem): string =>
        item.type === 'sample' ? `${item.capture.captureId}/${item.trackId}/${item.sample.sequence}` : '';
      const told: CapturedGap[] = [];

      /** Of the pictures of a capture, a manager gets a keyframe first, if there has been one. */
      const assertDecodable = ({ capture, sample }: CapturedSample): void => {
        const already = delivered.some(
          (item) => item.type === 'sample' && item.trackId === 1 && item.capture === capture,
        );
        const firstKeyframe = keyframes.get(capture.captureId) ?? Number.POSITIVE_INFINITY;
        const fine = already || sample.keyframe || sample.sequence < firstKeyframe;
        assert(fine, `${sample.sequence} of ${capture.captureId} comes without its keyframe`);
      };
      const resume = (): void => {
        ({ number: cursor, wants } = outbox.resume());
        delivered = [];
      };
      const read = (count: number): void => {
        for (let number = 0; number < count; number++) {
          const next = outbox.read(cursor);
          if (next === undefined) return;
          assert(next.number >= cursor, 'a reader never goes back');
          cursor = next.number + 1;
          if (!wants(next.item)) continue;
          if (next.item.type === 'sample' && next.item.trackId === 1) assertDecodable(next.item);
          delivered.push(next.item);
          if (next.item.type === 'gap') told.push(next.item);
        }
      };
      const acknowledge = (back: number): void => {
        const samples = delivered
          .filter((item) => item.type === 'sample')
          .slice(0, Math.max(0, delivered.length - back));
        const through = new Map<string, { captureId: string; trackId: number; through: number }>();
        for (const { capture, trackId, sample } of samples) {
          const key = `${capture.captureId}/${trackId}`;
          through.set(key, { captureId: capture.captureId, trackId, through: sample.sequence });
        }
        for (const item of samples) durable.add(keyOf(item));
        outbox.acknowledge([...through.values()]);
      };

      for (const step of list) {
        if (step.do === 'restart') {
          restarts += 1;
          outbox.addGap({ fromUs: source.nowUs, toUs: source.nowUs + 1, reason: 'capture-restarted' });
          source.capture = captureOf(`boot.${restarts}`);
          source.nowUs += 50_000;
          const sequence = source.add('keyframe', 1);
          added.push({
            key: `boot.${restarts}/1/${sequence}`,
            utcUs: source.nowUs - frameUs + mapping.offsetUs,
          });
        } else if (step.do === 'acknowledge') acknowledge(step.back);
        else if (step.do === 'read') read(step.count);
        else if (step.do === 'reconnect') resume();
        else if (step.do === 'manager') outbox.setManaged(step.present);
        else {
          const utcUs = source.nowUs + mapping.offsetUs;
          const sequence = source.add(step.do, step.bytes);
          const { captureId } = source.capture;
          if (step.do === 'keyframe' && !keyframes.has(captureId)) keyframes.set(captureId, sequence);
          added.push({
            key: `${source.capture.captureId}/${step.do === 'audio' ? 2 : 1}/${sequence}`,
            utcUs,
          });
        }
      }

      assert(outbox.bytes <= 1_500 + newestGroupBytes(list), `${outbox.bytes} bytes`);
      // The last manager reads on from where the outbox says.
      resume();
      read(Number.POSITIVE_INFINITY);
      const seen = delivered.filter((item) => item.type === 'sample').map(keyOf);
      assert.equal(new Set(seen).size, seen.length, 'no sample twice');
      const places = new Map(added.map(({ key }, place) => [key, place]));
      const order = seen.map((key) => places.get(key) ?? -1);
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
        'in the order in which they were captured',
      );
      const gaps = [...told, ...delivered.filter((item) => item.type === 'gap')];
      const present = new Set(seen);
      for (const { key, utcUs } of added) {
        const covered = gaps.some(({ fromUs, toUs }) => fromUs <= utcUs && utcUs <= toUs);
        assert(durable.has(key) || present.has(key) || covered, `${key} vanished`);
      }
    }),
    { numRuns: 500 },
  );
});

/** No fewer than the newest GOP has: all that came since the last keyframe. */
function newestGroupBytes(list: readonly Step[]): number {
  const last = list.findLastIndex((step) => step.do === 'keyframe' || step.do === 'restart');
  const newest = list.slice(Math.max(0, last));
  return newest.reduce((sum, step) => sum + ('bytes' in step ? step.bytes : 1), 0);
}
