/** What is made of smartctl's output: recorded ones of good and bad disks, and any text at all. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { worst } from '../../firmware/boxcare/findings.ts';
import { parseSmart, smartBytesMax, smartFindings } from '../../firmware/boxcare/smart.ts';
import {
  absentDisk,
  asleepDisk,
  failingNvmeDisk,
  failingSataDisk,
  knownBridge,
  nvmeDisk,
  sataDisk,
  sataSolidState,
  unknownBridge,
} from '../support/smart-outputs.ts';

const read = (output: object) => parseSmart(JSON.stringify(output));
const texts = (output: object, rotating = true): string[] =>
  smartFindings('disk sda', read(output), rotating).map(({ verdict, text }) => `${verdict} ${text}`);

describe('a disk that is well', () => {
  test('is passed, with its figures, whatever its cable has counted in its life', () => {
    const { state, model, serial, temperatureC, powerOnHours, reallocated, cableErrors, wearPercent } =
      read(sataDisk);
    assert.deepEqual(
      [state, model, serial, temperatureC, powerOnHours, reallocated, cableErrors, wearPercent],
      ['passed', 'WDC WD40EFRX-68N32N0', 'WD-WCC7K0000001', 34, 12_345, 0, 3, undefined],
    );
    assert.deepEqual(texts(sataDisk), []);
    assert.deepEqual(read(knownBridge).state, 'passed');
  });

  test('of the NVMe kind says how much of its life is used', () => {
    const { state, wearPercent, uncorrectable, spare } = read(nvmeDisk);
    assert.deepEqual([state, wearPercent, uncorrectable, spare], ['passed', 7, 0, { left: 100, least: 10 }]);
    assert.deepEqual(texts(nvmeDisk, false), []);
  });
});

describe('a disk that is not well', () => {
  test('fails with every reason and what to do', () => {
    assert.deepEqual(texts(failingSataDisk), [
      'FAIL the disk itself says that it is failing',
      "FAIL below the vendor's threshold: Reallocated_Sector_Ct",
      'FAIL its last self-test found an error',
      'WARN 8 sectors cannot be read',
      'WARN 128 reads have failed for good',
      'WARN 3904 sectors were replaced by spare ones',
      'WARN it is 57 °C hot',
    ]);
    for (const { next } of smartFindings('disk sda', read(failingSataDisk), true))
      assert.match(next, /^[A-Z].{20,}\.$/);
  });

  test('of the NVMe kind fails when its spare blocks are used up', () => {
    assert.deepEqual(texts(failingNvmeDisk, false), [
      'FAIL the disk itself says that it is failing',
      'FAIL 4 % of its spare blocks are left, 10 % are needed',
      'FAIL it has become read-only',
      'WARN 77 reads have failed for good',
      'WARN 119 % of its rated life is used',
      'FAIL it is 83 °C hot',
    ]);
  });

  test('is warned of when most of its rated life is used, by the mark of the attribute', () => {
    assert.deepEqual(texts(sataSolidState, false), ['WARN 85 % of its rated life is used']);
  });

  test('that rotates is hot earlier than one that does not', () => {
    const at = (current: number) => ({ ...sataDisk, temperature: { current } });
    assert.deepEqual(texts(at(54)), []);
    assert.deepEqual(texts(at(55)), ['WARN it is 55 °C hot']);
    assert.deepEqual(texts(at(65)), ['FAIL it is 65 °C hot']);
    assert.deepEqual(texts(at(65), false), []);
  });
});

describe('a disk that says nothing', () => {
  test('is neither good nor bad, and it is told why', () => {
    for (const [output, state, reason] of [
      [unknownBridge, 'none', /Unknown USB bridge/],
      [asleepDisk, 'asleep', /STANDBY/],
      [absentDisk, 'none', /Unable to detect/],
    ] as const) {
      const reading = read(output);
      assert.equal(reading.state, state);
      assert.match(reading.reason ?? '', reason);
      assert.deepEqual(smartFindings('disk sdc', reading, true), []);
    }
    assert.equal(read({ smartctl: { exit_status: 2 } }).state, 'asleep');
    assert.equal(parseSmart('').reason, 'no answer');
    assert.equal(parseSmart('smartctl: command not found').reason, 'the answer is no JSON');
    assert.equal(parseSmart(`"${'x'.repeat(smartBytesMax)}"`).reason, 'the answer is too long');
  });
});

describe('any answer', () => {
  test('gives a reading within bounds, and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const reading = parseSmart(text);
        assert.ok((reading.reason ?? '').length <= 128, 'the reason is long');
        worst(smartFindings('disk sda', reading, true));
      }),
    );
  });

  test('with values of other types in the right places gives no figure of them', () => {
    const outputs = [sataDisk, failingSataDisk, nvmeDisk, failingNvmeDisk, unknownBridge];
    fc.assert(
      fc.property(fc.constantFrom(...outputs), fc.jsonValue(), fc.nat(), (output, value, place) => {
        let left = place % 60;
        // Replaces the value that is met after so many.
        const spoilt: unknown = JSON.parse(JSON.stringify(output), (_key, old: unknown) =>
          left-- === 0 ? value : old,
        );
        const reading = parseSmart(JSON.stringify(spoilt));
        for (const figure of [
          reading.temperatureC,
          reading.reallocated,
          reading.pending,
          reading.wearPercent,
        ]) {
          assert.ok(figure === undefined || Number.isSafeInteger(figure), `a figure is ${figure}`);
        }
        for (const { text } of smartFindings('disk sda', reading, true))
          assert.doesNotMatch(text, /\p{Cc}|NaN/u);
      }),
      { numRuns: 500 },
    );
  });
});
