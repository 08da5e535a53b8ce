/** `starling board` on this machine: what it prints, for people and for programs. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addBoardCommand } from '../../firmware/cli/board-command.ts';
import { runCommandLine } from '../support/command-line.ts';

describe('starling board', () => {
  test('lists the boards there are', async () => {
    const { out, code } = await runCommandLine(addBoardCommand, ['board', '--list']);
    assert.equal(code, 0);
    assert.match(out, /^board +for +image +name\n/);
    assert.match(out, /^raspberry-pi-zero-2w +camera +arm64 +Raspberry Pi Zero 2 W$/m);
  });

  test('says what it looked for and what to do about what is missing, with exit code 0', async () => {
    const { out, err, code } = await runCommandLine(addBoardCommand, ['board', '--board', 'raspberry-pi-5']);
    assert.deepEqual([err, code], ['', 0]);
    assert.match(out, /^Raspberry Pi 5 \(raspberry-pi-5\), recognised by: setting/);
    assert.match(out, /^for camera and server; (all of it is there|\d+ of \d+ parts are missing)$/m);
    assert.match(out, /^there +encoder +x264enc$/m);
    assert.match(out, /^(there|MISSING) +pwm +1f00098000\.pwm, 4 channels/m);
  });

  test('recognises the machine it runs on, as JSON with every part', async () => {
    const { out, code } = await runCommandLine(addBoardCommand, ['board', '--json']);
    assert.equal(code, 0);
    const answer = JSON.parse(out) as Record<string, unknown> & { parts: { found: boolean; hint: string }[] };
    assert.equal(typeof answer['id'], 'string');
    assert.notEqual(answer['recognisedBy'], 'setting');
    assert(answer.parts.length > 0, 'parts');
    assert(answer.parts.every(({ found, hint }) => typeof found === 'boolean' && hint !== ''));
  });

  test('knows no board that there is not: exit code 2, with those there are', async () => {
    const { out, err, code } = await runCommandLine(addBoardCommand, ['board', '--board', 'raspberry-pi-6']);
    assert.deepEqual([out, code], ['', 2]);
    assert.match(err, /there is no board raspberry-pi-6\nTake auto or one of: generic-x86, /);
  });
});
