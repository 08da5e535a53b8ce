// Line editing over a dumb terminal: what is seen on it is what is in the line, whatever keys come.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LineEditor, lineCharactersMax } from '../../firmware/console/line-editor.ts';

/** A terminal that prints, goes back, and begins lines; nothing else. */
class DumbTerminal {
  rows = [''];
  column = 0;

  write(text: string): void {
    for (const character of text) {
      if (character === '\r') this.column = 0;
      else if (character === '\n') this.rows.push('');
      else if (character === '\b') this.column = Math.max(0, this.column - 1);
      else {
        const row = (this.rows.pop() ?? '').padEnd(this.column);
        this.rows.push(row.slice(0, this.column) + character + row.slice(this.column + 1));
        this.column += 1;
      }
    }
  }

  get row(): string {
    return (this.rows.at(-1) ?? '').trimEnd();
  }
}

function rig() {
  const terminal = new DumbTerminal();
  const lines: string[] = [];
  const events: string[] = [];
  const editor = new LineEditor({
    write: (text) => terminal.write(text),
    on: (event) => {
      if (event.is === 'line') lines.push(event.line);
      else events.push(event.is);
      if (event.is === 'line' || event.is === 'interrupt') editor.begin('> ');
    },
  });
  editor.begin('> ');
  return { terminal, lines, events, editor, type: (text: string) => editor.push(text) };
}

describe('the line editor', () => {
  test('takes a line, with CR, LF or both', () => {
    const { lines, type } = rig();
    type('status\rnet\nlog -n 5\r\nx\r');
    assert.deepEqual(lines, ['status', 'net', 'log -n 5', 'x']);
  });

  test('edits in the middle of a line', () => {
    const { lines, type, terminal } = rig();
    type('camra');
    type('\u001b[D\u001b[De');
    assert.equal(terminal.row, '> camera');
    type('\u0001x\u001b[3~\u0005!\u007f');
    assert.equal(terminal.row, '> xamera');
    type('\r');
    assert.deepEqual(lines, ['xamera']);
  });

  test('goes back and forth in the history, and to what was being typed', () => {
    const { lines, type, terminal } = rig();
    type('one\rtwo\rthr\u001b[A');
    assert.equal(terminal.row, '> two');
    type('\u001b[A');
    assert.equal(terminal.row, '> one');
    type('\u001b[B\u001b[B');
    assert.equal(terminal.row, '> thr');
    type('\u001b[A\u001b[A\r');
    assert.deepEqual(lines, ['one', 'two', 'one']);
  });

  test('takes words and lines away', () => {
    const { type, terminal } = rig();
    type('config set  camera\u0017');
    assert.equal(terminal.row, '> config set');
    type('\u0015');
    assert.equal(terminal.row, '>');
  });

  test('a secret is neither shown nor kept', () => {
    const { editor, terminal, type, lines } = rig();
    editor.begin('PIN: ', { secret: true });
    type('1234\u007f5');
    assert.ok(!JSON.stringify(terminal.rows).includes('1'), 'not shown');
    type('\r');
    assert.deepEqual(lines, ['1235']);
    type('\u001b[A');
    assert.equal(terminal.row, '>', 'not in the history');
  });

  test('an escape sequence that lost a byte costs no more than its characters', () => {
    const { lines, type } = rig();
    type('ab\u001bAcd\r');
    type('ab[Dcd\r');
    type('\u001b[?2004hok\r\u001b[12;40Rok\r');
    assert.deepEqual(lines, ['abAcd', 'ab[Dcd', 'ok', 'ok']);
  });

  test('whatever keys come, the terminal shows the line, and the line is bounded', () => {
    const key = fc.oneof(
      fc.constantFrom(
        '\u001b[A',
        '\u001b[B',
        '\u001b[C',
        '\u001b[D',
        '\u001b[3~',
        '\u007f',
        '\t',
        '\u0001',
        '\u0005',
      ),
      fc.constantFrom(
        '\u000b',
        '\u0015',
        '\u0017',
        '\r',
        '\u0003',
        '\u0004',
        '\u0002',
        '\u0006',
        '\u0010',
        '\u000e',
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 3 }),
      fc.constantFrom('status', 'log -n 5', 'a b c'),
    );
    fc.assert(
      fc.property(fc.array(key, { maxLength: 80 }), (keys) => {
        const { terminal, editor, type, lines } = rig();
        for (const one of keys) type(one);
        // Out of any half sequence, then one more letter in front of the rest.
        type('\u001b[C\u0001Q');
        const shown = terminal.row;
        const before = lines.length;
        type('\r');
        assert.equal(lines.length, before + 1);
        const line = lines.at(-1) ?? '';
        assert.equal(shown, `> ${line}`.trimEnd());
        assert.ok(line.length <= lineCharactersMax, 'bounded');
        assert.equal(editor.beforeCursor, '');
      }),
      { numRuns: 300 },
    );
  });

  test('a line that is too long takes no more', () => {
    const { lines, type } = rig();
    type(`${'x'.repeat(1_000)}\r`);
    assert.equal(lines[0]?.length, lineCharactersMax);
  });
});
