/**
 * Line editing for a terminal of which nothing is assumed but that it prints, goes back on a backspace and knows CR and
 * LF: insertion, deletion, cursor keys, history. Keys come as bytes that may have been lost or changed on the way.
 *
 * Invariants: a line has at most `lineCharactersMax` printable ASCII characters; the history has at most `historyMax`
 * lines; every key is handled without waiting for another one, and a cut escape sequence costs no more than its
 * characters.
 */

export const lineCharactersMax = 480;
const historyMax = 50;
/** An escape sequence that is longer is none. */
const sequenceMax = 8;

/** What a key asks of whoever owns the editor. */
export type LineEvent =
  | { readonly is: 'line'; readonly line: string }
  | { readonly is: 'complete' }
  | { readonly is: 'interrupt' }
  | { readonly is: 'end' };

export interface LineEditorOptions {
  readonly write: (text: string) => void;
  readonly on: (event: LineEvent) => void;
}

export class LineEditor {
  private readonly write: (text: string) => void;
  private readonly on: (event: LineEvent) => void;
  private prompt = '';
  private line = '';
  private cursor = 0;
  private readonly history: string[] = [];
  /** place in the history; its length stands for the line that is being typed */
  private place = 0;
  private typed = '';
  private sequence = '';
  private lastWasCr = false;
  /** what is typed is not shown, nor kept */
  private secret = false;

  constructor({ write, on }: LineEditorOptions) {
    this.write = write;
    this.on = on;
  }

  /** Begins a line. */
  begin(prompt: string, options: { readonly secret?: boolean } = {}): void {
    this.prompt = prompt;
    this.secret = options.secret === true;
    this.line = '';
    this.cursor = 0;
    this.place = this.history.length;
    this.write(prompt);
  }

  /** Up to the cursor, for completion. */
  get beforeCursor(): string {
    return this.line.slice(0, this.cursor);
  }

  insert(text: string): void {
    const fit = text.slice(0, lineCharactersMax - this.line.length);
    const rest = this.line.slice(this.cursor);
    this.line = this.line.slice(0, this.cursor) + fit + rest;
    this.cursor += fit.length;
    if (this.secret) this.write('*'.repeat(fit.length));
    else this.write(fit + rest + '\b'.repeat(rest.length));
  }

  /** Shows prompt and line again on a new line, for instance below a list. */
  redraw(): void {
    const shown = this.secret ? '*'.repeat(this.line.length) : this.line;
    this.write(`\r\n${this.prompt}${shown}${'\b'.repeat(this.line.length - this.cursor)}`);
  }

  /** Forgets what was typed. */
  clear(): void {
    this.line = '';
    this.cursor = 0;
    this.sequence = '';
  }

  push(text: string): void {
    for (const character of text) this.key(character);
  }

  private key(character: string): void {
    const afterCr = this.lastWasCr;
    this.lastWasCr = character === '\r';
    if (this.sequence !== '') return this.inSequence(character);
    switch (character) {
      case '\r':
        return this.enter();
      case '\n':
        return afterCr ? undefined : this.enter();
      case '\t':
        return this.secret ? undefined : this.on({ is: 'complete' });
      case '\b':
      case '\u007f':
        return this.erase(1);
      case '\u001b':
        this.sequence = character;
        return undefined;
      default:
        return character < ' ' ? this.control(character) : this.print(character);
    }
  }

  private control(character: string): void {
    switch (character) {
      case '\u0001':
        return this.move(-this.cursor);
      case '\u0002':
        return this.move(-1);
      case '\u0003':
        this.write('^C\r\n');
        this.clear();
        return this.on({ is: 'interrupt' });
      case '\u0004':
        return this.line === '' ? this.on({ is: 'end' }) : this.remove();
      case '\u0005':
        return this.move(this.line.length - this.cursor);
      case '\u0006':
        return this.move(1);
      case '\u000b':
        return this.replace(this.line.slice(0, this.cursor));
      case '\u000c':
      case '\u0012':
        return this.redraw();
      case '\u000e':
        return this.recall(1);
      case '\u0010':
        return this.recall(-1);
      case '\u0015':
        return this.erase(this.cursor);
      case '\u0017':
        return this.erase(this.cursor - this.line.slice(0, this.cursor).replace(/\S+\s*$/, '').length);
      default:
        return undefined;
    }
  }

  /** ESC [ … letter, and ESC O letter. Anything else is no sequence, and typed again. */
  private inSequence(character: string): void {
    const sequence = this.sequence + character;
    this.sequence = '';
    if (sequence.length === 2 ? '[O'.includes(character) : /[\d;?]/.test(character)) {
      if (sequence.length < sequenceMax) this.sequence = sequence;
      return;
    }
    const keys: Record<string, () => void> = {
      A: () => this.recall(-1),
      B: () => this.recall(1),
      C: () => this.move(1),
      D: () => this.move(-1),
      H: () => this.move(-this.cursor),
      F: () => this.move(this.line.length - this.cursor),
    };
    if (sequence.length === 2) return this.key(character);
    if (sequence === '\u001b[3~') return this.remove();
    // An answer to a terminal's probe, or a key that means nothing here.
    return keys[character]?.();
  }

  private enter(): void {
    const { line } = this;
    this.write('\r\n');
    if (!this.secret && line.trim() !== '' && this.history.at(-1) !== line) {
      this.history.push(line);
      if (this.history.length > historyMax) this.history.shift();
    }
    this.clear();
    this.on({ is: 'line', line });
  }

  private print(character: string): void {
    if (character > '~' || this.line.length >= lineCharactersMax) return;
    this.insert(character);
  }

  private erase(count: number): void {
    const times = Math.min(count, this.cursor);
    if (times <= 0) return;
    const rest = this.line.slice(this.cursor);
    this.line = this.line.slice(0, this.cursor - times) + rest;
    this.cursor -= times;
    this.write('\b'.repeat(times) + this.shown(rest) + ' '.repeat(times) + '\b'.repeat(times + rest.length));
  }

  private remove(): void {
    if (this.cursor >= this.line.length) return;
    this.cursor += 1;
    this.write(this.shown(this.line.charAt(this.cursor - 1)));
    this.erase(1);
  }

  private move(steps: number): void {
    const target = Math.max(0, Math.min(this.line.length, this.cursor + steps));
    if (target < this.cursor) this.write('\b'.repeat(this.cursor - target));
    else this.write(this.shown(this.line.slice(this.cursor, target)));
    this.cursor = target;
  }

  private recall(step: number): void {
    if (this.secret) return;
    const place = Math.max(0, Math.min(this.history.length, this.place + step));
    if (place === this.place) return;
    if (this.place === this.history.length) this.typed = this.line;
    this.place = place;
    this.move(this.line.length - this.cursor);
    this.replace(this.history[place] ?? this.typed);
  }

  private replace(line: string): void {
    this.move(this.line.length - this.cursor);
    this.erase(this.cursor);
    this.insert(line);
  }

  private shown(text: string): string {
    return this.secret ? '*'.repeat(text.length) : text;
  }
}
