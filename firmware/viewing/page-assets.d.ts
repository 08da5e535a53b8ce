// What scripts/build.ts puts into the program: the bundled page as text, and the version.
// These exist only in the bundle. Import them where the parts are wired (roles, main), not in code under test.

declare module 'virtual:page.js' {
  const text: string;
  export default text;
}

/** Parts of the script that are fetched later: JSON, text by file name. */
declare module 'virtual:page-parts.json' {
  const text: string;
  export default text;
}

declare module 'virtual:page.css' {
  const text: string;
  export default text;
}

/** `0.1.0+1a2b3c4`: package.json's version and the commit. Undefined when run from source: test with `typeof`. */
declare const STARLING_VERSION: string | undefined;
