/** The judge of archives finds what it is there to find; otherwise the tests of real faults would show nothing. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Finding, type FoundSample, verify } from '../support/archive-verifier.ts';
import { type CameraHistory, CameraJournal, readJournal } from '../support/camera-journal.ts';
import { numberedPayload, readNumbered } from '../support/numbered-sample.ts';

const captureId = '0badcafe.0';
const utcUs = Date.parse('2026-11-22T12:00:00Z') * 1000;
const stepUs = 100_000;

/** Ten samples, of which six are durable. */
function history(ended: boolean, durableThrough = 5): CameraHistory {
  const samples = Array.from({ length: 10 }, (_, sequence) => ({
    sequence,
    ptsUs: sequence * stepUs,
    utcUs: utcUs + sequence * stepUs,
    durationUs: stepUs,
  }));
  return { camera: 'door', lost: 0, tracks: [{ captureId, trackId: 1, samples, durableThrough, ended }] };
}

function found(...sequences: number[]): FoundSample[] {
  return sequences.map((sequence) => {
    return { captureId, trackId: 1, sequence, ptsUs: sequence * stepUs, utcUs: utcUs + sequence * stepUs };
  });
}

function judge(past: CameraHistory, finding: Partial<Finding>, once = true): ReturnType<typeof verify> {
  return verify(past, { where: 'here', samples: [], gaps: [], faults: [], ...finding }, { once });
}

const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

test('an archive that holds every sample once, in order, is whole', () => {
  const { faults, captured, found: count, tail } = judge(history(true), { samples: found(...all) });
  assert.deepEqual({ faults, captured, count, tail }, { faults: [], captured: 10, count: 10, tail: 0 });
});

test('a sample that is missing, twice, late, never captured or dated wrongly is named', () => {
  const faultsOf = (samples: FoundSample[]): string => judge(history(true), { samples }).faults.join('\n');
  assert.match(faultsOf(found(0, 1, 2, 4, 5, 6, 7, 8, 9)), /#3 to #3 .* missing, durable through #5/);
  assert.match(faultsOf(found(0, 1, 2, 3, 4, 5, 6, 7, 8)), /#9 to #9 .* missing, sent/);
  assert.match(faultsOf(found(...all, 9)), /#9 was read twice/);
  assert.match(faultsOf(found(0, 2, 1, 3, 4, 5, 6, 7, 8, 9)), /#1 was read after #2/);
  assert.match(faultsOf(found(...all, 10)), /#10 was never captured/);
  const [first, ...others] = found(...all);
  assert(first, 'there is a first sample');
  assert.match(faultsOf([{ ...first, utcUs: utcUs + 3_600_000_000 }, ...others]), /is dated 2026-11-22T13/);
  assert.match(faultsOf([{ ...first, ptsUs: 7 }, ...others]), /has PTS 7, not 0/);
});

test('a gap explains what lies in it, and nothing else', () => {
  const gap = { fromUs: utcUs + 7 * stepUs, toUs: utcUs + 9 * stepUs, reason: 'outbox-overflow' };
  const explained = judge(history(true), { samples: found(0, 1, 2, 3, 4, 5, 6, 9), gaps: [gap] });
  assert.deepEqual([explained.faults, explained.explained], [[], 2]);
  const more = judge(history(true), { samples: found(0, 1, 2, 3, 4, 5, 9), gaps: [gap] });
  assert.match(more.faults.join('\n'), /#6 to #6 .* missing/);
});

test('damage does not explain that what was durable is gone; retention does, and a camera that gave it up', () => {
  const samples = found(0, 1, 4, 5, 6, 7, 8, 9);
  const gapOf = (reason: string) => ({ fromUs: utcUs + 2 * stepUs, toUs: utcUs + 4 * stepUs, reason });
  for (const reason of ['retention', 'outbox-overflow']) {
    assert.deepEqual(judge(history(true), { samples, gaps: [gapOf(reason)] }).faults, []);
  }
  const damaged = judge(history(true), { samples, gaps: [gapOf('damaged')] });
  assert.match(damaged.faults.join('\n'), /#2 to #3 .* missing, durable through #5/);
});

test('what a camera took with it when it was killed may be missing, but not what was durable, and without a hole', () => {
  const killed = history(false);
  const { faults, tail } = judge(killed, { samples: found(0, 1, 2, 3, 4, 5, 6) });
  assert.deepEqual([faults, tail], [[], 3]);
  assert.match(judge(killed, { samples: found(0, 1, 2, 3, 4) }).faults.join('\n'), /#5 to #5 .* durable/);
  assert.match(
    judge(killed, { samples: found(0, 1, 2, 3, 4, 5, 8) }).faults.join('\n'),
    /#6 to #7 .* in a hole/,
  );
});

test('several servers may hold the same sample; a reader must not give it twice', () => {
  const samples = [...found(...all), ...found(4, 5, 6)];
  const { faults, copies } = judge(history(true), { samples }, false);
  assert.deepEqual([faults, copies], [[], 3]);
  assert.notEqual(judge(history(true), { samples }).faults.length, 0);
});

test('a payload that was changed in any byte, or belongs to another camera, is not believed', () => {
  const sample = { captureId, trackId: 2, sequence: 77, ptsUs: 123_456_789 };
  const payload = numberedPayload('door', { ...sample, keyframe: true }, 90);
  assert.deepEqual(readNumbered('door', payload), sample);
  assert.equal(readNumbered('gate', payload), 'its hash is wrong');
  for (let at = 0; at < payload.length; at++) {
    const changed = Buffer.from(payload);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(readNumbered('door', changed), 'its hash is wrong', `byte ${at}`);
  }
  assert.equal(readNumbered('door', payload.subarray(0, 20)), 'only 20 bytes');
});

test('a journal says what was captured in each run, what is durable, and what was lost', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-journal-'));
  try {
    const path = join(folder, 'door.journal');
    assert.deepEqual(readJournal(path, 'door'), { camera: 'door', tracks: [], lost: 0 });
    const first = new CameraJournal(path, 'aaaaaaaa.0');
    first.captured(1, { sequence: 0, ptsUs: 5, utcUs: undefined, durationUs: 100 });
    first.captured(1, { sequence: 1, ptsUs: 105, utcUs: 905, durationUs: 100 });
    first.durable([{ captureId: 'aaaaaaaa.0', trackId: 1, through: 0 }]);
    first.givenUp(3);
    const second = new CameraJournal(path, 'bbbbbbbb.0');
    second.captured(1, { sequence: 0, ptsUs: 7, utcUs: 807, durationUs: 100 });
    second.givenUp(2);
    second.end();
    const { tracks, lost } = readJournal(path, 'door');
    assert.equal(lost, 5);
    const told = tracks.map(({ captureId: id, durableThrough, ended, samples }) => {
      return [id, durableThrough, ended, samples.map((one) => one.utcUs)];
    });
    assert.deepEqual(told, [
      ['aaaaaaaa.0', 0, false, [undefined, 905]],
      ['bbbbbbbb.0', -1, true, [807]],
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
