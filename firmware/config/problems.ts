/**
 * Turns what zod found wrong with a document into lines that a person can act on:
 * `camera.cameras[0].width: expected 160..3840, got 12`.
 *
 * The schema's own messages say what was expected; this file adds where it is and what is there instead.
 */
import type { z } from 'zod';
import { Failure } from '../base/failure.ts';
import { withoutPassword } from './source-spec.ts';

/** Most lines about one document; the rest is counted. */
const problemLinesMax = 50;
const quotedLengthMax = 60;

/** One line for each problem, in the order found, without repeats. `input` is the document that was parsed. */
export function problemLines(error: z.core.$ZodError, input: unknown): string[] {
  return firstLines(
    error.issues.flatMap((issue) => linesOf(issue, input)),
    problemLinesMax,
  );
}

/** `lines` without repeats; of very many, the first and how many more there are. */
export function firstLines(lines: readonly string[], linesMax: number): string[] {
  const different = [...new Set(lines)];
  if (different.length <= linesMax) return different;
  return [...different.slice(0, linesMax), `and ${different.length - linesMax} more problems`];
}

/** The Failure that a document is answered with which has these problems. */
export function configInvalid(problems: readonly string[]): Failure {
  return new Failure('CONFIG_INVALID', problems.join('\n'), { advice: 'Correct these settings.' });
}

function linesOf(issue: z.core.$ZodIssue, input: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    const texts = issue.message.split('\n');
    return issue.keys.map((key, index) => `${pathText([...issue.path, key])}: ${texts[index]}`);
  }
  const place = issue.path.length === 0 ? '' : `${pathText(issue.path)}: `;
  // The line ends up in logs and in questions to friends.
  if (issue.path.at(-1) === 'password') return [`${place}${issue.message}`];
  return [`${place}${issue.message}, got ${quoted(valueAt(input, issue.path))}`];
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const name = /^[\w-]+$/.test(String(step)) ? String(step) : quoted(String(step));
    return text === '' ? name : `${text}.${name}`;
  }, '');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, step) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    return (value as Record<PropertyKey, unknown>)[step];
  }, input);
}

/** A value as it would stand in a document, on one line and not too long. */
function quoted(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 1 ? 'a list of 1' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'named settings';
  const text =
    typeof value === 'string' ? JSON.stringify(withoutPassword(value)) : `${value as number | boolean}`;
  return text.length <= quotedLengthMax ? text : `${text.slice(0, quotedLengthMax)}…`;
}
