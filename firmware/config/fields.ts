/**
 * The kinds of settings a configuration is declared with. Each says in its error what was expected, in words that
 * read well after the setting's name; bounds are included in the range.
 */
import { z } from 'zod';
import { isId } from '../base/ids.ts';
import { isAddress, isHost } from './endpoint.ts';

/** Keys longer than this are not compared with known ones. */
const keyLengthMax = 64;

/**
 * An object in which an unknown key is an error. The error's message has one line for each unknown key, in the order
 * of `issue.keys`, with the nearest known key when one is near.
 */
export function section<S extends z.core.$ZodShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error(issue) {
      if (issue.code !== 'unrecognized_keys') return 'expected named settings';
      return issue.keys.map((key) => unknownKey(key, Object.keys(shape))).join('\n');
    },
  });
}

const expectedId = { error: 'expected a lower case letter or digit, then up to 31 of those and hyphens' };

/** The name of a site, a unit or a camera. */
export const id = z.string(expectedId).refine(isId, expectedId);

/** A whole number within bounds, both included. */
export function integer(min: number, max: number) {
  const error = `expected ${min}..${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** A number within bounds, both included, that need not be whole. */
export function amount(min: number, max: number) {
  const error = `expected ${min}..${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
}

/** A whole even number of pixels: 4:2:0 video has one colour sample for two. */
export function pixels(min: number, max: number) {
  return integer(min, max).refine((value) => value % 2 === 0, { error: 'expected an even number' });
}

/** One of a few words. */
export function choice<const W extends readonly string[]>(words: W) {
  return z.enum(words, { error: `expected ${words.join(' or ')}` });
}

/** Text that `isRight`; `error` says what was expected. */
export function textThat(isRight: (text: string) => boolean, error: string) {
  return z.string({ error }).refine(isRight, { error });
}

/** Between `min` and `max` items. */
export function listOf<T extends z.ZodType>(item: T, min: number, max: number) {
  const error = `expected a list of ${min}..${max}`;
  return z.array(item, { error }).min(min, { error }).max(max, { error });
}

/**
 * Items with different keys. It runs even when an item is malformed, so that one start shows every problem; hence
 * `keyOf` takes anything.
 */
export function withoutRepeats<T extends z.ZodType>(
  items: T,
  keyOf: (item: unknown) => unknown,
  error: string,
) {
  return items.refine(
    (value) => {
      const keys = Array.isArray(value) ? value.map(keyOf) : [];
      return new Set(keys).size === keys.length;
    },
    { error, when: () => true },
  );
}

/** A path of the file system, absolute or relative. */
export const path = textThat(
  (text) => /^[^\p{Cc}\p{Cs}]{1,1024}$/u.test(text),
  'expected a path of 1..1024 characters',
);
export const host = textThat(isHost, 'expected an IP address or a host name');
export const listenAddress = textThat(isAddress, 'expected an IP address');
/** TCP port to listen on; 0 takes any free one. */
export const listenPort = integer(0, 65_535);

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === undefined ? 'unknown setting' : `unknown setting, did you mean ${near}?`;
}

/** The word of `words` with the fewest edits from `word`, when these leave most of its letters as they are. */
function nearest(word: string, words: readonly string[]): string | undefined {
  if (word.length > keyLengthMax) return undefined;
  const letters = plain(word);
  const limit = letters.length < 4 ? 1 : Math.max(2, Math.floor(letters.length / 3));
  const ranked = words
    .map((candidate) => ({ candidate, edits: editDistance(letters, plain(candidate)) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= limit ? best.candidate : undefined;
}

/** `Segment_Seconds` and `segmentSeconds` are the same word to a person in a hurry. */
function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '');
}

/** Insertions, deletions and substitutions that turn `a` into `b` (Levenshtein), one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
