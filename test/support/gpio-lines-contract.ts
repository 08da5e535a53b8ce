/** What every driver of GPIO lines promises, whatever is at the other end of the wires. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GpioLines } from '../../firmware/gpio/lines.ts';

/** The other end of the wires. */
export interface LinesBench extends AsyncDisposable {
  readonly lines: GpioLines;
  /** two lines that a test may use */
  readonly inputs: readonly [number, number];
  readonly outputs: readonly [number, number];
  /** Drives an input, high or low. `activeLow` is how its driver was told that it is wired. */
  drive(line: number, high: boolean, activeLow: boolean): void | Promise<void>;
  /** The level of an output. */
  level(line: number, activeLow: boolean): boolean | Promise<boolean>;
}

/** How long an edge may take to be heard. */
const heardMs = 2_000;

async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + heardMs;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, `not within ${heardMs} ms: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function gpioLinesContract(name: string, open: () => Promise<LinesBench>): void {
  describe(`GPIO lines contract: ${name}`, () => {
    for (const activeLow of [false, true]) {
      const wired = activeLow ? 'active low' : 'active high';

      test(`an input tells its level at first and then each change, ${wired}`, async () => {
        await using bench = await open();
        const [line] = bench.inputs;
        await bench.drive(line, !activeLow, activeLow);
        const heard: boolean[] = [];
        using _input = bench.lines.input({ line, activeLow }, (active) => heard.push(active));
        await until(() => heard.length > 0, 'the first level');
        assert.deepEqual(heard, [true]);
        await bench.drive(line, activeLow, activeLow);
        await until(() => heard.length > 1, 'it falls');
        await bench.drive(line, !activeLow, activeLow);
        await until(() => heard.length > 2, 'it rises');
        assert.deepEqual(heard, [true, false, true]);
      });

      test(`an output is inactive at first, does what it is told, and is inactive when it is closed, ${wired}`, async () => {
        await using bench = await open();
        const [line, other] = bench.outputs;
        const output = bench.lines.output({ line, activeLow });
        using untouched = bench.lines.output({ line: other, activeLow: false });
        assert.equal(await bench.level(line, activeLow), activeLow);
        output.set(true);
        assert.equal(await bench.level(line, activeLow), !activeLow);
        output.set(true);
        assert.equal(await bench.level(line, activeLow), !activeLow);
        output.set(false);
        assert.equal(await bench.level(line, activeLow), activeLow);
        output.set(true);
        assert.equal(await bench.level(other, false), false);
        untouched.set(true);
        assert.equal(await bench.level(other, false), true);
        output[Symbol.dispose]();
        assert.equal(await bench.level(line, activeLow), activeLow);
      });
    }

    test('a line that was closed tells nothing, and can be taken again', async () => {
      await using bench = await open();
      const [line, other] = bench.inputs;
      const heard: boolean[] = [];
      await bench.drive(line, false, false);
      await bench.drive(other, false, false);
      bench.lines.input({ line, activeLow: false }, (active) => heard.push(active))[Symbol.dispose]();
      const before = heard.length;
      const also: boolean[] = [];
      using _other = bench.lines.input({ line: other, activeLow: false }, (active) => also.push(active));
      await bench.drive(line, true, false);
      await bench.drive(other, true, false);
      await until(() => also.at(-1) === true, 'the other line');
      assert.equal(heard.length, before);
      using _again = bench.lines.input({ line, activeLow: false }, (active) => heard.push(active));
      await until(() => heard.length > before, 'its level');
      assert.equal(heard.at(-1), true);
    });

    test('two inputs do not disturb each other', async () => {
      await using bench = await open();
      const [a, b] = bench.inputs;
      const heard: string[] = [];
      for (const line of [a, b]) await bench.drive(line, false, false);
      using _a = bench.lines.input({ line: a, activeLow: false }, (active) => heard.push(`a ${active}`));
      using _b = bench.lines.input({ line: b, activeLow: false }, (active) => heard.push(`b ${active}`));
      await until(() => heard.length === 2, 'both levels');
      await bench.drive(b, true, false);
      await until(() => heard.length === 3, 'the edge');
      assert.deepEqual(heard.toSorted(), ['a false', 'b false', 'b true']);
    });
  });
}
