/** The page as files: the HTML shell, script and style, each with its ETag. All inline code is forbidden by CSP. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** One file of the page. */
export interface PageFile {
  readonly type: string;
  readonly text: string;
  /** the text, compressed once */
  readonly gzip: Buffer;
  /** of both forms, so it is to be sent as a weak one (RFC 9110 §8.8.1) */
  readonly etag: string;
}

/** What the bundle brings. */
export interface PageAssets {
  readonly script: string;
  /** what the script imports, and what it fetches later; by file name */
  readonly parts?: Readonly<Record<string, string>>;
  readonly style: string;
}

const shell = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Starling</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/page.js"></script>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;

const javascript = 'text/javascript; charset=utf-8';

/** Files by path. */
export function pageFiles(assets: PageAssets): ReadonlyMap<string, PageFile> {
  return new Map<string, PageFile>([
    ['/', file('text/html; charset=utf-8', shell)],
    ['/page.js', file(javascript, assets.script)],
    ...Object.entries(assets.parts ?? {}).map(
      ([name, text]) => [`/${name}`, file(javascript, text)] as const,
    ),
    ['/page.css', file('text/css; charset=utf-8', assets.style)],
  ]);
}

function file(type: string, text: string): PageFile {
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  return { type, text, gzip: gzipSync(text), etag };
}

/**
 * Sent with every answer: nothing from elsewhere, nothing inline, no framing, no guessing of types. `'self'` in connect-src
 * includes WebSockets of this host and port (CSP 3 §6.7.2.8).
 *
 * Strict-Transport-Security is left out on purpose. It holds for a host name, all ports, for months: on a machine with
 * a certificate of the site's own authority it would make plain HTTP on other ports unreachable, and turn a browser's
 * warning about an expired or unknown certificate into a wall that nobody can pass. Whoever has a public name and a
 * public certificate has a proxy before the server that sends it.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
};
