/** Tab completion: what may follow what was typed. */
import type { CommandHelp } from './command-table.ts';
import { quoteWord, splitWords } from './command-words.ts';

export interface Completion {
  /** to be inserted at the cursor; may be empty */
  readonly insert: string;
  /** when there is more than one way to go on */
  readonly choices: readonly string[];
}

/** `text` is the line up to the cursor; `more` gives further words for arguments of a command, such as camera ids. */
export function complete(
  text: string,
  commands: readonly CommandHelp[],
  more: (command: string, before: readonly string[]) => readonly string[],
): Completion {
  const words = splitWords(text);
  if (!words.ok) return { insert: '', choices: [] };
  const isNewWord = text === '' || /\s$/.test(text);
  const before = isNewWord ? words.value : words.value.slice(0, -1);
  const typed = isNewWord ? '' : (words.value.at(-1) ?? '');
  const [name] = before;
  const known = commands.find((command) => command.name === name);
  const candidates =
    name === undefined
      ? commands.map((command) => command.name)
      : [
          ...(known?.words ?? []),
          ...more(name, before.slice(1)),
          ...(typed.startsWith('-') ? ['--json'] : []),
        ];
  const fitting = [...new Set(candidates)].filter((word) => word.startsWith(typed)).sort();
  const [only] = fitting;
  if (only === undefined) return { insert: '', choices: [] };
  if (fitting.length === 1) {
    // A path of settings goes on; anything else is whole.
    const whole = only.endsWith('.') ? only : `${quoteWord(only)} `;
    return { insert: whole.slice(typed.length), choices: [] };
  }
  const common = fitting.reduce(commonStart);
  return { insert: common.slice(typed.length), choices: fitting };
}

function commonStart(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return a.slice(0, length);
}
