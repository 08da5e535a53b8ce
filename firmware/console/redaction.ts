/**
 * Takes secrets out of text that leaves the unit in a support archive: keys, passwords, PINs, tokens, the secrets in
 * addresses. Rather too much than too little.
 *
 * Invariants: the contents of a file that `isSecretFile` names never leave at all; every secret that is given to
 * `redact` by value is gone from the text, whatever stands around it, also as base64, hexadecimal or in a URL.
 */

const mark = '[redacted]';

/** Files whose contents never leave, by name. */
export function isSecretFile(path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  return /\.(key|pin|p12|pfx|jks)$|^(first-admin\.yaml|local-key\.json|shadow|wpa_supplicant.*|.*\.nmconnection|.*\.psk)$/i.test(
    name,
  );
}

const patterns: readonly (readonly [RegExp, string])[] = [
  // A cut block has no end; what follows is gone then, too.
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$(?![\s\S]))/g, mark],
  // user:password@host of an address; passwords have an @ themselves sometimes
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/'"]*@/gi, `$1${mark}@`],
  // password: x, "psk":"x", token=x, Authorization: Bearer x
  [
    /(["']?\b[\w.-]*(?:passw(?:or)?d|passphrase|psk|secret|token|cookie|authorization|credential|api[_-]?key|private[_-]?key|\bpin\b)["']?\s*[:=]\s*)(?:bearer\s+|basic\s+)?("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s,;}&]+)/gi,
    `$1${mark}`,
  ],
  [/\bbearer\s+[\w.~+/=-]+/gi, mark],
  // tokens, sessions, links and keys of this program
  [/\bstarling_[a-z]+_[\w-]+/g, mark],
  [/\bscrypt:\d+:[\w+/=:]+/g, mark],
  // Links that work for whoever has them carry a signature.
  [/([?&](?:key|sig|signature|token|access_token)=)[^\s&"']+/gi, `$1${mark}`],
];

/** Shorter ones would take ordinary words away. */
const secretCharactersMin = 4;

/** `secrets` are values that must not be in the text, such as the lines of key files. */
export function redact(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of formsOf(secrets)) clean = clean.replaceAll(secret, mark);
  for (const [pattern, replacement] of patterns) clean = clean.replaceAll(pattern, replacement);
  return clean;
}

const secretName = /^(?:passw(?:or)?d|passphrase|psk|secret|token|credential|api_?key|pin)$/i;

/** The same of every string in plain data, such as settings; one whose name says that it is secret goes whole. */
export function redactData(data: unknown): unknown {
  if (typeof data === 'string') return redact(data);
  if (Array.isArray(data)) return data.map(redactData);
  if (typeof data !== 'object' || data === null) return data;
  const clean = (name: string, value: unknown) =>
    typeof value === 'string' && secretName.test(name) ? mark : redactData(value);
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, clean(name, value)]));
}

/** Longest first, so that none leaves a part of another. */
function formsOf(secrets: readonly string[]): string[] {
  const forms = secrets
    .filter((secret) => secret.trim().length >= secretCharactersMin)
    .flatMap((secret) => {
      const bytes = Buffer.from(secret);
      return [secret, bytes.toString('base64'), bytes.toString('hex'), encodeURIComponent(secret)];
    });
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}
