/**
 * Names of users. They travel in URLs, headers and the audit log, so the alphabet is narrow; it has room for a mail
 * address. Capital letters mean the same as small ones, as people expect of a name that they type.
 */

const namePattern = /^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$/;

/** Longest name, in bytes. */
export const userNameBytesMax = 64;

/** The name as it is kept, or undefined when nobody may be called that. */
export function userName(text: string): string | undefined {
  const name = text.toLowerCase();
  return namePattern.test(name) ? name : undefined;
}

export const userNameAdvice =
  'A name has 1 to 64 letters, digits, dots, hyphens, underscores and @, and begins and ends with a letter or digit.';
