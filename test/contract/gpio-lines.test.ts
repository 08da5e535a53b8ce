/** The contract of GPIO lines against the simulated ones and against onoff over a sysfs of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openGpioLines } from '../../firmware/io/gpio-lines.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { exportLines, hasNamespaces, inOwnSysfs, setValue, valueOf } from '../support/fake-gpio-kernel.ts';
import { gpioLinesContract } from '../support/gpio-lines-contract.ts';
import { SimulatedLines } from '../support/simulated-lines.ts';

const base = 569;

const outer = hasNamespaces() ? inOwnSysfs(fileURLToPath(import.meta.url)) : { status: null, output: '' };

if (outer === undefined) {
  gpioLinesContract('onoff', async () => {
    exportLines(base, [4, 5, 6, 7]);
    return {
      lines: await openGpioLines(base, systemClock),
      inputs: [4, 5],
      outputs: [6, 7],
      // The kernel turns levels round for an active-low line; plain files do not.
      drive: (line, high, activeLow) => setValue(base + line, high !== activeLow),
      level: (line, activeLow) => valueOf(base + line) !== activeLow,
      [Symbol.asyncDispose]: async () => undefined,
    };
  });

  test('a line that the kernel refuses is a failure that names the line and its number', async () => {
    const lines = await openGpioLines(base, systemClock);
    assert.throws(
      () => lines.output({ line: 40, activeLow: false }),
      (error: Error) => /GPIO line 40 \(number 609\)/.test(error.message),
    );
  });
} else {
  gpioLinesContract('simulated', async () => {
    const lines = new SimulatedLines();
    return {
      lines,
      inputs: [4, 5],
      outputs: [6, 7],
      drive: (line, high) => lines.drive(line, high),
      level: (line) => lines.level(line),
      [Symbol.asyncDispose]: async () => undefined,
    };
  });

  test('onoff keeps it, too', { skip: hasNamespaces() ? false : 'no mount namespaces here' }, () => {
    assert.equal(outer.status, 0, outer.output);
    assert.match(outer.output, /GPIO lines contract: onoff/);
  });
}
