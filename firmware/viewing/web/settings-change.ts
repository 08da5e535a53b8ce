/** What a form of settings shows and sends. Pure. */

/** What was changed, and what takes exactly that back. */
export interface SettingsChange<T> {
  readonly change: Partial<T>;
  readonly undo: Partial<T>;
}

/**
 * The settings that differ; undefined when none does. The others are not sent: somebody else may have changed them since
 * `before` was loaded.
 */
export function settingsChange<T extends object>(
  before: Readonly<T>,
  after: Readonly<T>,
): SettingsChange<T> | undefined {
  const names = (Object.keys(after) as (keyof T)[]).filter((name) => after[name] !== before[name]);
  if (names.length === 0) return undefined;
  const of = (settings: Readonly<T>) =>
    Object.fromEntries(names.map((name) => [name, settings[name]])) as Partial<T>;
  return { change: of(after), undo: of(before) };
}

/** Whether a text of a form is a whole number above 0, or nothing. */
export function isWholeOrEmpty(text: string): boolean {
  return text.trim() === '' || /^[1-9]\d{0,9}$/.test(text.trim());
}

/** The number of such a text; null of nothing. */
export function numberOf(text: string): number | null {
  return text.trim() === '' ? null : Number(text);
}

/** The text of such a number. */
export function textOf(value: number | null): string {
  return value === null ? '' : String(value);
}
