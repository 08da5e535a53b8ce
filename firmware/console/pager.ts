/**
 * Long answers a screen at a time. Without a way to know how high the terminal is, a screen has 24 lines of 80 columns.
 */

const pageLines = 22;
const question = '-- more: space, Enter, q --';

export class Pager {
  private readonly lines: string[];
  private at = 0;
  private asked = false;

  constructor(text: string) {
    const all = text.replace(/\n$/, '').split('\n');
    this.lines = text === '' ? [] : all;
  }

  get done(): boolean {
    return this.at >= this.lines.length;
  }

  /** What to print after a key; the first one shows the first page. */
  key(key: string): string {
    const erased = this.asked ? `\r${' '.repeat(question.length)}\r` : '';
    if (key === 'q' || key === '\u0003') {
      this.at = this.lines.length;
      return erased;
    }
    if (key !== ' ' && key !== '\r') return '';
    const rest = this.lines.length - this.at;
    // A last line or two are shown at once.
    const count = key === '\r' ? 1 : rest <= pageLines + 1 ? rest : pageLines;
    const page = this.lines.slice(this.at, this.at + count);
    this.at += count;
    this.asked = !this.done;
    return `${erased}${page.map((line) => `${line}\r\n`).join('')}${this.asked ? question : ''}`;
  }
}
