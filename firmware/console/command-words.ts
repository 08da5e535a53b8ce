/** Splits a command line into words as a shell would: blanks part them, quotes and a backslash keep them together. */
import { accept, type Result, reject } from '../base/result.ts';

export interface CommandLine {
  /** empty for a blank line */
  readonly name: string;
  readonly args: readonly string[];
  /** `--json` was among the words */
  readonly json: boolean;
}

export function parseCommandLine(line: string): Result<CommandLine> {
  const words = splitWords(line);
  if (!words.ok) return words;
  const json = words.value.includes('--json');
  const [name = '', ...args] = words.value.filter((word) => word !== '--json');
  return accept({ name, args, json });
}

export function splitWords(line: string): Result<string[]> {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote !== '' && character === quote) quote = '';
    else if (quote === "'") word = (word ?? '') + character;
    else if (character === '\\' && at + 1 < line.length) word = (word ?? '') + line.charAt(++at);
    else if (quote !== '') word = (word ?? '') + character;
    else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (character === ' ' || character === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') return reject(`a ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return accept(words);
}

/** One word as `splitWords` reads it back. */
export function quoteWord(word: string): string {
  return /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
