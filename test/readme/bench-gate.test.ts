/**
 * The bench of the README says whether a run was valid. Here it is given recordings that lack something: what was lost
 * must never pass for what a source left out, however busy the machine.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { judgePictures, type StoredPicture, type StoredPictures } from '../support/whole-pictures.ts';

const frameRate = 25;

/** A file with these frames, each at its time; sequences count from `first`. */
function fileOf(frames: readonly number[], first = 0, captureId = 'boot.0'): StoredPictures {
  const pictures = frames.map((frameNumber, place): StoredPicture => {
    return { sequence: first + place, ptsUs: 7_000_000 + frameNumber * 40_000, frameNumber };
  });
  return { path: `${first}.mp4`, camera: 'door', captureId, pictures };
}

/** The numbers from `from` to below `to`. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, place) => from + place);
}

/** The same file with a hole. */
function without(sequence: number, file: StoredPictures): StoredPictures {
  return { ...file, pictures: file.pictures.filter((picture) => picture.sequence !== sequence) };
}

/** What was lost of one capture in these files, that one source drew as fast as it should. */
function lostOf(...files: StoredPictures[]): readonly string[] {
  const { lost, leftOut } = judgePictures(files, frameRate);
  assert.deepEqual(leftOut, []);
  return lost;
}

test('a capture is whole in one file, in several, and where two servers have the same of it', () => {
  assert.deepEqual(lostOf(fileOf(range(0, 500))), []);
  assert.deepEqual(lostOf(fileOf(range(0, 300)), fileOf(range(250, 500), 250)), []);
  assert.deepEqual(lostOf(fileOf(range(0, 300)), fileOf(range(0, 90), 0, 'other.0')), []);
});

test('what a source left out is told with the count, and is no loss', () => {
  const { lost, leftOut } = judgePictures([fileOf([...range(0, 298), ...range(324, 400)])], frameRate);
  assert.deepEqual(lost, []);
  assert.deepEqual(leftOut, ['door, capture boot.0 left out 26 beside 374']);
});

test('a capture that is not the first of its camera is told', () => {
  const { lost, leftOut } = judgePictures([fileOf(range(0, 50), 0, 'boot.1')], frameRate);
  assert.deepEqual(lost, []);
  assert.match(leftOut.join(), /boot\.1.* is not the first/);
});

test('pictures that were captured and are in no file are lost', () => {
  const torn = without(298, fileOf(range(0, 500)));
  assert.match(lostOf(torn).join(), /has picture 299 behind 297.*lacks pictures 298 to 298/);
  assert.match(
    lostOf(fileOf(range(0, 250)), fileOf(range(275, 500), 275)).join(),
    /lacks pictures 250 to 274/,
  );
  assert.match(lostOf(fileOf(range(25, 500), 25)).join(), /lacks pictures 0 to 24/);
  assert.match(lostOf(fileOf([])).join(), /has no picture/);
});

test('a hole in one file is one, though another server has what is missing', () => {
  const torn = without(298, fileOf(range(0, 500)));
  assert.match(lostOf(torn, fileOf(range(250, 500), 250)).join(), /has picture 299 behind 297/);
});

test('pictures that are not themselves are lost: another one, one twice, one at a wrong time', () => {
  const other = judgePictures([fileOf(range(0, 300)), fileOf(range(251, 501), 250)], frameRate);
  assert.match(other.lost.join(), /two different pictures 250/);
  assert.match(lostOf(fileOf([0, 1, 2, 2, 3])).join(), /frame 2 0 µs after frame 2/);
  const skipping = fileOf([...range(0, 298), ...range(324, 400)]);
  const pictures = skipping.pictures.map((picture, place) => ({ ...picture, ptsUs: place * 40_000 }));
  assert.match(lostOf({ ...skipping, pictures }).join(), /frame 324 40000 µs after frame 297/);
});
