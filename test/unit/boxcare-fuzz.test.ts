/** The care of a machine whose files hold anything: its report is always one that the API allows and a terminal may show. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BoxCare } from '../../firmware/boxcare/box-care.ts';
import type { BoxFiles } from '../../firmware/boxcare/box-files.ts';
import { disksText } from '../../firmware/boxcare/care-text.ts';
import { disksAnswer } from '../../firmware/viewing/schemas/care-schemas.ts';
import { wellBox } from '../support/box-reports.ts';
import { hc4, pi4, RecordedBox } from '../support/recorded-box.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

async function reportIsFit(files: BoxFiles, smart: string): Promise<void> {
  const care = new BoxCare({
    server: 'box',
    files,
    smart: async () => smart,
    folders: () =>
      ['/data', '/volumes/starling-1'].map((folder) => ({ folder, totalBytes: 1, freeBytes: 1 })),
    clockFacts: () => ({ clock: wellBox('box').clock, findings: [] }),
    clock: new VirtualClock(),
    log: (_level, message) => assert.ok(!message.includes('could not be looked at'), message),
  });
  await care.look();
  const report = care.report();
  assert.deepEqual(disksAnswer.parse(report), report);
  assert.doesNotMatch(disksText(report), /[^\P{Cc}\n]/u);
}

describe('a machine whose files hold anything', () => {
  test('gives a report that the API allows, and text without control characters', async () => {
    const word = fc.constantFrom(
      '0',
      '1',
      '-1',
      '99999',
      '0x0b',
      '8:1',
      '0:5',
      '-',
      '/',
      'E:ID_BUS=usb',
      'active',
      '[x]',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      word,
      fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      fc.constantFrom(...Object.values(hc4), ...Object.values(pi4)),
    );
    const name = fc.constantFrom(
      'hwmon0',
      'temp1_input',
      'fan1_input',
      'sda',
      'mmcblk0',
      'thermal_zone0',
      'watchdog0',
    );
    const names = fc.array(fc.oneof(name, fc.string()), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1 }), names, fc.nat(), async (texts, listed, start) => {
        let place = start;
        const next = (): string | undefined => texts[place++ % (texts.length + 1)];
        const files: BoxFiles = {
          read: async () => next(),
          list: async () => listed,
          real: async (path) => (next() === undefined ? undefined : path),
        };
        await reportIsFit(files, texts[0] ?? '');
      }),
      { numRuns: 300 },
    );
  });

  for (const [board, tree] of Object.entries({ hc4, pi4 })) {
    test(`whichever file of ${board} it is that holds nonsense`, async () => {
      using box = new RecordedBox(tree);
      const files = Object.entries(tree).filter(([, text]) => !/^(-> |\/$)/.test(text));
      for (const [path, text] of files) {
        for (const nonsense of ['', '-1', '9'.repeat(13), '9'.repeat(18), 'NaN', '\x1b[2J']) {
          box.put(path, nonsense);
          await reportIsFit(box.files, '{}');
        }
        box.put(path, text);
      }
    });
  }
});
