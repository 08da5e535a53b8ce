/**
 * Data as people read it on a plain 80-column terminal: tables, name and value, the one screen of `status`. Names come
 * from other machines, so nothing but printable characters gets through.
 */
import { formatSpan } from '../base/quantity-text.ts';
import { type Check, type CheckLevel, worstLevel } from './command-table.ts';

const columnsMax = 79;

/** What may be printed; the rest becomes a question mark. Serial terminals are asked for ASCII alone. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/gu, (character) => asciiOf[character] ?? '?');
}

const asciiOf: Readonly<Record<string, string>> = {
  '\u2019': "'",
  '\u2026': '...',
  '\u2013': '-',
  '\u2014': '-',
  '\u00b0': ' deg',
  '\u00b5': 'u',
};

/** Columns as wide as their widest cell. */
function tableText(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, ...rows].map((line) => line.map(printable));
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Any JSON: rows of alike objects become a table, everything else name and value. */
export function plainText(data: unknown): string {
  if (Array.isArray(data)) return listText(data);
  if (typeof data !== 'object' || data === null) return cellText(data);
  const entries = Object.entries(data);
  const isBlock = (value: unknown): boolean =>
    Array.isArray(value) && value.some((item) => typeof item === 'object');
  const width = Math.max(0, ...entries.filter(([, value]) => !isBlock(value)).map(([name]) => name.length));
  const facts = entries
    .filter(([, value]) => !isBlock(value) && value !== undefined)
    .map(([name, value]) => `${printable(name).padEnd(width)}  ${cellText(value)}`);
  const blocks = entries
    .filter(([, value]) => isBlock(value))
    .map(([name, value]) => `\n${printable(name)}\n${plainText(value)}`);
  return [...facts, ...blocks].join('\n');
}

function listText(list: readonly unknown[]): string {
  if (list.length === 0) return 'none';
  if (!list.every((item) => typeof item === 'object' && item !== null && !Array.isArray(item)))
    return list.map(cellText).join('\n');
  const rows = list as Readonly<Record<string, unknown>>[];
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return tableText(
    names.map((name) => name.toUpperCase()),
    rows.map((row) => names.map((name) => cellText(row[name]))),
  );
}

function cellText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(cellText).join(', ') || '-';
  if (typeof value === 'number') return String(Number(value.toFixed(3)));
  if (typeof value === 'object') {
    if (Object.keys(value).length === 0) return '-';
    return Object.entries(value)
      .map(([name, part]) => `${printable(name)} ${cellText(part)}`)
      .join(', ');
  }
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}

/** What `status` shows above its lines. */
interface StatusHead {
  readonly unit: string;
  readonly role: string;
  readonly version: string;
  readonly uptimeSeconds: number | null;
  /** as this machine shows it */
  readonly utc: string;
}

export interface StatusAnswerData extends StatusHead {
  readonly level: CheckLevel;
  readonly checks: readonly Check[];
}

/** One screen: what is wrong first, each with the next step. */
export function statusText({ unit, role, version, uptimeSeconds, utc, checks }: StatusAnswerData): string {
  const level = worstLevel(checks);
  const up = uptimeSeconds === null ? 'not running' : `up ${formatSpan(Math.round(uptimeSeconds))}`;
  const order: readonly CheckLevel[] = ['FAIL', 'WARN', 'OK'];
  const sorted = order.flatMap((one) => checks.filter((check) => check.level === one));
  const width = Math.min(18, Math.max(4, ...sorted.map(({ name }) => name.length)));
  const lines = sorted.flatMap(({ name, level: is, text, next }) => {
    const head = `${is.padEnd(4)}  ${printable(name).slice(0, width).padEnd(width)}  `;
    const said = wrap(printable(text), columnsMax - head.length);
    const todo =
      next === undefined || is === 'OK' ? [] : wrap(`-> ${printable(next)}`, columnsMax - head.length);
    return [...said, ...todo].map((line, place) => (place === 0 ? head : ' '.repeat(head.length)) + line);
  });
  const failed = checks.filter((check) => check.level !== 'OK').length;
  const end = level === 'OK' ? 'all is well' : `${failed} of ${checks.length} need attention`;
  return [printable(`${unit}  ${role}  ${version}  ${up}  ${utc}`), ...lines, `${level}: ${end}`].join('\n');
}

/** Lines of at most `width` characters, broken at blanks. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (let rest = text; rest !== ''; ) {
    if (rest.length <= width) {
      lines.push(rest);
      break;
    }
    const blank = rest.lastIndexOf(' ', width);
    const at = blank > width / 3 ? blank : width;
    lines.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
  return lines.length === 0 ? [''] : lines;
}
