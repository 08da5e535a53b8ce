// The unit's end of a serial line, on streams in memory.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { ReadStream } from 'node:tty';
import { lineOf } from '../../firmware/io/console-tty.ts';

test('what nobody takes from the line is thrown away, and not kept in memory', () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  using line = lineOf(input as unknown as ReadStream, output as unknown as ReadStream);
  // A program that asks again and again: its questions are shorter than the answers.
  for (let round = 0; round < 10_000; round++) line.write(`${'x'.repeat(1_000)}\r\n`);
  const kept = output.writableLength + output.readableLength;
  assert.ok(kept < 600_000, `${kept} bytes wait`);
  while (output.read() !== null);
  line.write('goes on');
  assert.match(String(output.read()), /goes on$/);
});
