/** The outbox: groups, acknowledgements, overflow, and what a reader sees of all that. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BacklogItem } from '../../firmware/capture/backlog.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import { captureOf, frameUs, mapping, readAll, Source } from '../support/outbox-source.ts';

const sequencesOf = (items: readonly BacklogItem[]): (number | string)[] =>
  items.map((item) => (item.type === 'sample' ? item.sample.sequence : item.reason));

const roomy = { bytesMax: 1_000_000, secondsMax: 60 };

describe('an outbox', () => {
  test('gives every sample once, in order, to each reader', () => {
    const source = new Source(new Outbox(roomy));
    source.gop(3);
    source.gop(2);
    for (let reader = 0; reader < 2; reader++)
      assert.deepEqual(sequencesOf(readAll(source.outbox, 0)), [0, 1, 2, 3, 4]);
    assert.equal(source.outbox.read(source.outbox.end), undefined);
    source.add('delta');
    assert.deepEqual(sequencesOf(readAll(source.outbox, 5)), [5]);
  });

  test('is empty at first', () => {
    const outbox = new Outbox(roomy);
    assert.deepEqual([outbox.resumeAt(), outbox.end, outbox.bytes], [0, 0, 0]);
    assert.equal(outbox.read(0), undefined);
  });

  test('drops whole GOPs when all of their samples are durable, and resumes at the first that is not', () => {
    const source = new Source(new Outbox(roomy));
    for (let gop = 0; gop < 3; gop++) {
      source.add('keyframe');
      source.add('audio');
      source.add('delta');
    }
    const { outbox } = source;
    const acknowledge = (video: number, audio: number): number => {
      outbox.acknowledge([
        { captureId: 'boot.0', trackId: 1, through: video },
        { captureId: 'boot.0', trackId: 2, through: audio },
      ]);
      return outbox.resumeAt();
    };
    assert.equal(acknowledge(0, 0), 0, 'half a GOP');
    assert.equal(acknowledge(1, -1), 3, 'an acknowledgement never goes back');
    assert.equal(acknowledge(3, 0), 3, 'its sound is missing');
    assert.equal(acknowledge(3, 1), 6);
    assert.equal(outbox.bytes, 300);
    assert.equal(acknowledge(99, 99), 6, 'the newest GOP is always kept');
  });

  test('believes nobody who has what was not captured yet', () => {
    const source = new Source(new Outbox(roomy));
    source.gop(2);
    source.outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 4_000_000_000 }]);
    for (let gop = 0; gop < 5; gop++) source.gop(2);
    source.outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 2 }]);
    assert.equal(source.outbox.resumeAt(), 2, 'the first that is not durable');
    assert.deepEqual(sequencesOf(readAll(source.outbox, 0)), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('does not take an acknowledgement of one capture for another', () => {
    const source = new Source(new Outbox(roomy));
    source.gop(2);
    source.capture = captureOf('boot.1');
    source.gop(2);
    source.gop(2);
    source.outbox.acknowledge([{ captureId: 'boot.1', trackId: 1, through: 3 }]);
    assert.equal(source.outbox.resumeAt(), 0);
    source.outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 1 }]);
    assert.equal(source.outbox.resumeAt(), 4);
  });

  test('gives its oldest GOPs up above its bytes, counts them, and tells the time as a gap in their place', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    for (let gop = 0; gop < 4; gop++) source.gop(4);
    const { outbox } = source;
    assert(outbox.bytes <= 1_000);
    assert.equal(outbox.overflowed, 8);
    const [gap, ...samples] = readAll(outbox);
    const offset = mapping.offsetUs;
    assert.deepEqual(gap, {
      type: 'gap',
      fromUs: offset,
      toUs: offset + 8 * frameUs,
      reason: 'outbox-overflow',
    });
    assert.deepEqual(sequencesOf(samples), [8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test('gives its oldest GOPs up above its seconds', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000_000, secondsMax: 1 }));
    for (let gop = 0; gop < 6; gop++) source.gop(5);
    assert.deepEqual(sequencesOf(readAll(source.outbox)).slice(0, 2), ['outbox-overflow', 15]);
  });

  test('keeps its newest GOP, however large', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    source.gop(3, 5_000);
    assert.equal(readAll(source.outbox).length, 3);
    assert.equal(source.outbox.overflowed, 0);
  });

  test('remembers the whole of a loss that lasts far longer than the outbox', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    for (let gop = 0; gop < 500; gop++) source.gop(4);
    const [gap, ...rest] = readAll(source.outbox);
    assert(gap?.type === 'gap');
    assert.equal(gap.fromUs, mapping.offsetUs);
    const [first] = rest;
    assert(first?.type === 'sample');
    assert.equal(gap.toUs, first.sample.ptsUs + mapping.offsetUs);
    assert.equal(rest.filter(({ type }) => type === 'gap').length, 0);
  });

  test('tells a loss again to the next manager until what came after it is durable', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    for (let gop = 0; gop < 4; gop++) source.gop(4);
    const { outbox } = source;
    assert.equal(sequencesOf(readAll(outbox))[0], 'outbox-overflow');
    outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 11 }]);
    assert.equal(
      sequencesOf(readAll(outbox))[0],
      'outbox-overflow',
      'it might have had these before the loss',
    );
    source.gop(4);
    outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 16 }]);
    assert.deepEqual(sequencesOf(readAll(outbox))[0], 16);
  });

  test('keeps losses apart between which something was delivered', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    const { outbox } = source;
    // Two GOPs in the middle are acknowledged as soon as they are complete; those before and after are not.
    for (let gop = 0; gop < 40; gop++) {
      source.gop(4);
      if (gop === 21) outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 4 * 22 - 1 }]);
    }
    const gaps = readAll(outbox, 0).filter((item) => item.type === 'gap');
    const utcUs = (gop: number): number => mapping.offsetUs + gop * 4 * frameUs;
    const inside = gaps.some(({ fromUs, toUs }) => fromUs < utcUs(21) && toUs > utcUs(21));
    assert.equal(inside, false, 'no gap lies over what was delivered');
  });

  test('keeps a bounded list of losses, which still covers all of them', () => {
    const source = new Source(new Outbox({ bytesMax: 300, secondsMax: 60 }));
    for (let gop = 0; gop < 300; gop++) {
      source.gop(2);
      source.nowUs += 5_000_000;
    }
    const gaps = readAll(source.outbox).filter((item) => item.type === 'gap');
    assert(gaps.length > 1 && gaps.length <= 64, `${gaps.length} gaps`);
    assert.equal(gaps[0]?.fromUs, mapping.offsetUs);
  });

  test('does not call lost what is durable already', () => {
    const source = new Source(new Outbox({ bytesMax: 800, secondsMax: 60 }));
    source.gop(4);
    source.outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 3 }]);
    source.gop(4);
    source.gop(4);
    assert.equal(source.outbox.overflowed, 0);
    assert.deepEqual(sequencesOf(readAll(source.outbox)), [4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('a reader that is overtaken by an overflow learns of the loss and goes on behind it', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    source.gop(4);
    const { outbox } = source;
    assert.equal(outbox.read(0)?.number, 0);
    assert.equal(outbox.read(1)?.number, 1);
    for (let gop = 0; gop < 3; gop++) source.gop(4);
    assert.deepEqual(sequencesOf(readAll(outbox, 2)), ['outbox-overflow', 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test('a reader that had read what was given up is told nothing', () => {
    const source = new Source(new Outbox({ bytesMax: 1_000, secondsMax: 60 }));
    for (let gop = 0; gop < 4; gop++) source.gop(4);
    assert.deepEqual(sequencesOf(readAll(source.outbox, 8)), [8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test('an explained gap stands before the capture it precedes, and goes only when that is durable', () => {
    const source = new Source(new Outbox(roomy));
    source.gop(3);
    source.outbox.addGap({ fromUs: 10, toUs: 20, reason: 'capture-restarted' });
    source.capture = captureOf('boot.1');
    source.gop(2);
    source.gop(2);
    const { outbox } = source;
    assert.deepEqual(sequencesOf(readAll(outbox)), [0, 1, 2, 'capture-restarted', 0, 1, 2, 3]);
    // The acknowledgement of the old capture may come before the gap has left.
    outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 2 }]);
    assert.deepEqual(sequencesOf(readAll(outbox)), ['capture-restarted', 0, 1, 2, 3]);
    outbox.acknowledge([{ captureId: 'boot.1', trackId: 1, through: 1 }]);
    assert.deepEqual(sequencesOf(readAll(outbox)), [2, 3]);
  });

  test('a gap before the very first sample does not count as old', () => {
    const outbox = new Outbox({ bytesMax: 1_000_000, secondsMax: 10 });
    outbox.addGap({ fromUs: 1, toUs: 2, reason: 'capture-restarted' });
    const source = new Source(outbox);
    source.nowUs = 86_400_000_000;
    for (let gop = 0; gop < 3; gop++) source.gop(3);
    assert.deepEqual(sequencesOf(readAll(outbox))[0], 'capture-restarted');
    assert.equal(outbox.overflowed, 0);
  });

  test('an explained gap that is given up with its samples keeps its reason', () => {
    const source = new Source(new Outbox({ bytesMax: 500, secondsMax: 60 }));
    source.outbox.addGap({ fromUs: 5, toUs: mapping.offsetUs, reason: 'camera-off' });
    for (let gop = 0; gop < 3; gop++) source.gop(4);
    const gaps = readAll(source.outbox).filter((item) => item.type === 'gap');
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ['camera-off', 'outbox-overflow'],
    );
    assert.deepEqual([gaps[0]?.fromUs, gaps[0]?.toUs], [5, mapping.offsetUs]);
  });

  test('says of what it gives up whether there was no manager, or one that did not keep up', () => {
    const source = new Source(new Outbox({ bytesMax: 800, secondsMax: 60 }));
    const { outbox } = source;
    for (const managed of [false, true, false]) {
      outbox.setManaged(managed);
      for (let gop = 0; gop < 3; gop++) source.gop(4);
    }
    const gaps = readAll(outbox).filter((item) => item.type === 'gap');
    const spans = gaps.map(({ fromUs, toUs, reason }) => [
      reason,
      (fromUs - mapping.offsetUs) / (4 * frameUs),
      (toUs - mapping.offsetUs) / (4 * frameUs),
    ]);
    assert.deepEqual(spans, [
      ['server-unreachable', 0, 1],
      ['outbox-overflow', 1, 4],
      ['server-unreachable', 4, 7],
    ]);
  });

  test('resumes each track at its first sample that is not durable, video backed up to its keyframe', () => {
    const source = new Source(new Outbox(roomy));
    for (let gop = 0; gop < 2; gop++) {
      source.add('keyframe');
      source.add('audio');
      source.add('delta');
      source.add('audio');
      source.add('delta');
    }
    const { outbox } = source;
    const words = (): string[] => {
      const { number, wants } = outbox.resume();
      return readAll(outbox, number)
        .filter(wants)
        .map((item) => (item.type === 'sample' ? `${item.trackId}/${item.sample.sequence}` : item.reason));
    };
    const acknowledge = (trackId: number, through: number): void =>
      outbox.acknowledge([{ captureId: 'boot.0', trackId, through }]);
    assert.equal(words().length, 10, 'nothing is durable');
    acknowledge(2, 0);
    assert.deepEqual(words(), ['1/0', '1/1', '2/1', '1/2', '1/3', '2/2', '1/4', '2/3', '1/5']);
    acknowledge(1, 1);
    assert.deepEqual(words()[0], '1/0', 'delta 2 needs its keyframe');
    acknowledge(1, 2);
    assert.deepEqual(
      words(),
      ['2/1', '1/3', '2/2', '1/4', '2/3', '1/5'],
      'sound is missing, its picture is not',
    );
    acknowledge(2, 2);
    acknowledge(1, 5);
    assert.deepEqual(words(), ['1/3', '1/4', '2/3', '1/5'], 'the picture after 5 may need 3, 4 and 5');
  });

  test('keeps the keyframe of a GOP that is longer than a group as long as it is needed', () => {
    const source = new Source(new Outbox(roomy));
    const { outbox } = source;
    const firstWanted = (): number | undefined => {
      const { number, wants } = outbox.resume();
      const [first] = readAll(outbox, number).filter(wants);
      return first?.type === 'sample' ? first.sample.sequence : undefined;
    };
    const acknowledge = (through: number): void =>
      outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through }]);
    source.gop(450);
    acknowledge(230);
    assert.equal(firstWanted(), 0, '45 s in one GOP, of which 23 are durable');
    acknowledge(430);
    assert.equal(firstWanted(), 0);
    source.gop(10);
    acknowledge(448);
    assert.equal(firstWanted(), 0);
    acknowledge(449);
    assert.equal(firstWanted(), 450);
    assert.equal(outbox.bytes, 1_000);
  });

  test('is bounded whatever times and sizes a source claims', () => {
    const stuck = new Source(new Outbox({ bytesMax: 1_000_000, secondsMax: 5 }));
    stuck.add('keyframe', 1);
    for (let place = 0; place < 20_000; place++) {
      stuck.nowUs = 0;
      stuck.add('delta', 1);
    }
    assert(readAll(stuck.outbox).length <= 4_096 + 1_000, 'times that stand still');
    const heavy = new Source(new Outbox({ bytesMax: 1_048_576, secondsMax: 60 }));
    heavy.add('keyframe', 1_000_000);
    for (let place = 0; place < 100; place++) {
      heavy.nowUs -= frameUs - 1_000;
      heavy.add('delta', 1_000_000);
    }
    assert(heavy.outbox.bytes <= 9 * 1_048_576, `a GOP without an end: ${heavy.outbox.bytes} bytes`);
  });

  test('sound alone is grouped by the second', () => {
    const source = new Source(new Outbox(roomy), captureOf('boot.0', 'audio'));
    for (let place = 0; place < 40; place++) {
      source.add('audio');
      source.nowUs += frameUs;
    }
    source.outbox.acknowledge([{ captureId: 'boot.0', trackId: 1, through: 24 }]);
    assert.equal(source.outbox.resumeAt(), 20);
  });

  test('sound that goes on without its picture is bounded like everything else', () => {
    const source = new Source(new Outbox({ bytesMax: 50_000, secondsMax: 60 }));
    source.gop(5);
    for (let place = 0; place < 5_000; place++) {
      source.add('audio');
      source.nowUs += frameUs;
    }
    assert(source.outbox.bytes <= 50_000, `${source.outbox.bytes} bytes`);
  });

  test('forgets acknowledgements of captures that have left', () => {
    const source = new Source(new Outbox(roomy));
    for (let number = 0; number < 50; number++) {
      source.capture = captureOf(`boot.${number}`, 'video');
      source.gop(2);
      source.outbox.acknowledge([{ captureId: `boot.${number}`, trackId: 1, through: 1 }]);
    }
    assert.equal(readAll(source.outbox).length, 2);
    for (let number = 0; number < 1_000; number++) {
      source.outbox.acknowledge([{ captureId: `nonsense.${number}`, trackId: 1, through: 1 }]);
    }
    source.gop(2);
    source.outbox.acknowledge([{ captureId: 'boot.49', trackId: 1, through: 2 }]);
    assert.deepEqual(sequencesOf(readAll(source.outbox)), [2, 3]);
  });
});
