/**
 * Names that people give: to cameras, groups, presets. Anything readable, in any script, on one line; it is shown, and
 * never becomes a file name or part of a command.
 */

// Controls, formats that turn the direction of what follows, line separators, lone surrogates.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;

/** Whether `text` is such a name: 1 to `lengthMax` characters (UTF-16), no blanks around it. */
export function isGivenName(text: string, lengthMax: number): boolean {
  return text.length > 0 && text.length <= lengthMax && text === text.trim() && !unprintable.test(text);
}

/** Longest name of a preset, in characters. */
export const presetNameMax = 32;

/** Whether `text` may name a preset; it becomes part of a URL, where a slash would end it. */
export function isPresetName(text: string): boolean {
  return isGivenName(text, presetNameMax) && !/[/\\]/.test(text) && text !== '.' && text !== '..';
}
