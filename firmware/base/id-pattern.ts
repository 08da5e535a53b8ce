/** How an id looks; apart from its codec, so that types of the API can be made where there is no Node. */

/** A lower-case letter or digit, then up to 31 of those and hyphens. */
export const idPattern = /^[a-z0-9][a-z0-9-]{0,31}$/;
