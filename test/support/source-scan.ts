// A small scanner for TypeScript source: blanks comments and the contents of strings, and lists imports. TypeScript 7
// gives JavaScript no stable parser. Positions and line numbers stay those of the original text.
// Known limits: text between JSX tags is read as code, and a regular expression after `)` is read as a division.

export interface ImportLine {
  readonly specifier: string;
  /** True when nothing is left of it at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

const regexMayFollow =
  /(?:^|[=(,:;!&|?{}[+\-*%~^>]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield))$/;

/** The same text with comments and string contents turned into spaces; quotes and line ends stay. */
export function codeOnly(text: string): string {
  const out = text.split('');
  // One entry per open `${`: how many braces are open inside it.
  const templates: number[] = [];
  let at = 0;

  const blank = (from: number, to: number): void => {
    for (let index = from; index < to; index++) if (out[index] !== '\n') out[index] = ' ';
  };
  const codeBefore = (index: number): string =>
    out
      .slice(Math.max(0, index - 80), index)
      .join('')
      .trimEnd();
  /** From after an opening backtick or after the `}` of a substitution, to after its end. */
  const template = (from: number): number => {
    for (let index = from; index < text.length; index++) {
      if (text[index] === '\\') index++;
      else if (text[index] === '`') {
        blank(from, index);
        return index + 1;
      } else if (text[index] === '$' && text[index + 1] === '{') {
        blank(from, index);
        templates.push(0);
        return index + 2;
      }
    }
    blank(from, text.length);
    return text.length;
  };

  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '/' && (text[at + 1] === '/' || text[at + 1] === '*')) {
      const ending = text[at + 1] === '/' ? '\n' : '*/';
      const found = text.indexOf(ending, at + 2);
      const end = found < 0 ? text.length : ending === '\n' ? found : found + 2;
      blank(at, end);
      at = end;
      continue;
    }
    if (char === "'" || char === '"') {
      const end = endOfLiteral(text, at + 1, char);
      blank(at + 1, end);
      at = end + 1;
    } else if (char === '`') {
      at = template(at + 1);
    } else if (char === '/' && regexMayFollow.test(codeBefore(at)) && endOfRegex(text, at + 1) > 0) {
      const end = endOfRegex(text, at + 1);
      blank(at + 1, end);
      at = end + 1;
    } else if (char === '}' && templates.at(-1) === 0) {
      templates.pop();
      at = template(at + 1);
    } else {
      const depth = templates.length - 1;
      if (depth >= 0 && char === '{') templates[depth] = (templates[depth] ?? 0) + 1;
      if (depth >= 0 && char === '}') templates[depth] = (templates[depth] ?? 0) - 1;
      at++;
    }
  }
  return out.join('');
}

/** The index of the closing quote, or of the line end when the literal is not closed. */
function endOfLiteral(text: string, from: number, quote: string): number {
  for (let index = from; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === quote || text[index] === '\n') return index;
  }
  return text.length;
}

/** The index of the closing slash, or -1 when this line holds none. */
function endOfRegex(text: string, from: number): number {
  let inClass = false;
  for (let index = from; index < text.length && text[index] !== '\n'; index++) {
    const char = text[index];
    if (char === '\\') index++;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (char === '/' && !inClass) return index;
  }
  return -1;
}

const importPatterns = [
  /(?<![.\w$])(?:import|export)(?<type>\s+type(?=\s*[{*\w])(?!\s+from\b))?\s*[^'"();=]*?(?<![\w$])from\s*(?<quote>['"])/g,
  /(?<![.\w$])import\s*(?<quote>['"])/g,
  /(?<![.\w$])(?<type>typeof\s+)?import\s*\(\s*(?<quote>['"`])/g,
  /(?<![.\w$])require\s*\(\s*(?<quote>['"`])/g,
];

/** Every module a file names: static, side-effect and dynamic imports, re-exports and `require`. */
export function importsOf(text: string, code: string = codeOnly(text)): ImportLine[] {
  const found: ImportLine[] = [];
  for (const pattern of importPatterns) {
    for (const match of code.matchAll(pattern)) {
      const start = match.index + match[0].length;
      const end = code.indexOf(match.groups?.['quote'] ?? "'", start);
      if (end < 0) continue;
      found.push({
        specifier: text.slice(start, end),
        typeOnly: match.groups?.['type'] !== undefined,
        line: lineAt(text, match.index),
      });
    }
  }
  return found;
}

export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
