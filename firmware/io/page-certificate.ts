/**
 * The certificate that browsers are shown, from files that somebody else may replace while the server runs: it is
 * read again when a file has changed, and used when certificate and key fit together.
 *
 * Invariant: a pair that does not fit (one file is replaced before the other), or is not readable, changes nothing.
 */
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { Failure, messageOf } from '../base/failure.ts';

const lookEveryMs = 2_000;

export interface PagePair {
  /** PEM: the certificate, then those between it and its authority */
  readonly cert: string;
  readonly key: string;
}

export interface PageCertificateOptions {
  /** path */
  readonly certificate: string;
  /** path */
  readonly key: string;
  readonly onChange: (pair: PagePair) => void;
  /** changed files are not used */
  readonly onFault: (reason: string) => void;
}

/** Reads the files; rejects with Failure CONFIG_INVALID when they are no certificate with its key. */
export async function readPagePair({
  certificate,
  key,
}: Pick<PageCertificateOptions, 'certificate' | 'key'>): Promise<PagePair> {
  try {
    const pair = { cert: await readFile(certificate, 'utf8'), key: await readFile(key, 'utf8') };
    createSecureContext(pair);
    return pair;
  } catch (cause) {
    const message = `${certificate} and ${key} are no certificate with its key: ${messageOf(cause)}`;
    const advice =
      'Set server.https.certificate and server.https.key to PEM files, or leave out server.https.';
    throw new Failure('CONFIG_INVALID', message, { advice, cause });
  }
}

/** Looks at the files until disposed. */
export function watchPagePair(options: PageCertificateOptions): Disposable {
  let seen: string | undefined;
  let looking = false;
  const look = async (): Promise<void> => {
    const now = await stampOf(options);
    if (now === seen) return;
    const first = seen === undefined;
    seen = now;
    if (first) return;
    try {
      options.onChange(await readPagePair(options));
    } catch (error) {
      options.onFault(messageOf(error));
    }
  };
  const tick = (): void => {
    if (looking) return;
    looking = true;
    void look().finally(() => {
      looking = false;
    });
  };
  tick();
  const timer = setInterval(tick, lookEveryMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function stampOf({
  certificate,
  key,
}: Pick<PageCertificateOptions, 'certificate' | 'key'>): Promise<string> {
  const stamps = await Promise.all(
    [certificate, key].map(async (path) => {
      try {
        const { mtimeMs, size, ino } = await stat(path);
        return `${mtimeMs} ${size} ${ino}`;
      } catch {
        return 'missing';
      }
    }),
  );
  return stamps.join(', ');
}
