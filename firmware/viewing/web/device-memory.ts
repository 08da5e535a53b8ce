/**
 * What this device remembers of how somebody likes the page, in the browser's local storage. It may be forbidden, full,
 * or hold anything: nothing depends on it.
 */

/** What was remembered under a name; undefined when nothing usable was. */
export function recall(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(`starling.${name}`) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** Remembers a value that JSON can hold, if the browser allows. */
export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(`starling.${name}`, JSON.stringify(value));
  } catch {
    // a private window, or no room: the choice holds until the page is closed
  }
}
