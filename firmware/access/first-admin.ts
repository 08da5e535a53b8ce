/**
 * The first admin: made with the site, so that somebody can sign in to its first server.
 *
 *     version: 1
 *     user: admin
 *     row: AQEA…        the user's row of the site document (scrypt, no password), base64
 *
 * The file goes to every server that is enrolled. A server that knows no user at all, not even a deleted one, takes the
 * row into its site document with the earliest time there is: whatever anybody has done about users since, on any
 * server, is later and wins. So a changed password stays changed, and an admin who was removed does not come back.
 */
import { randomBytes } from 'node:crypto';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { accept, type Result, reject } from '../base/result.ts';
import type { DocumentRow } from '../overlay/packets.ts';
import { decodeUser, encodeUser, generationBytes, userKind } from './access-rows.ts';
import { Passwords } from './passwords.ts';
import { userName } from './user-name.ts';

/** Before every row that anybody writes. */
const earliest = { ms: 1, count: 0 } as const;
/** The same on every server, so that all have the same row. */
const author = 'site';

const fileSchema = z.strictObject({ version: z.literal(1), user: z.string(), row: z.base64() });

export interface FirstAdmin {
  readonly user: string;
  /** shown once */
  readonly password: string;
  /** text of the file */
  readonly text: string;
}

/** Makes a first admin with a random password; refuses a malformed name. */
export async function createFirstAdmin(name: string, nowMs: number): Promise<Result<FirstAdmin>> {
  const user = userName(name);
  if (user === undefined) return reject('nobody can have this name');
  const password = generatedPassword(randomBytes(20));
  const stored = await new Passwords().store(password);
  if (stored === undefined) return reject('the machine is too busy');
  const generation = randomBytes(generationBytes);
  const createdAtMs = Math.floor(nowMs);
  const row = encodeUser({
    name: user,
    role: 'admin',
    cameras: 'all',
    password: stored,
    generation,
    createdAtMs,
  });
  if (!row.ok) return row;
  const text = `# Who may sign in first.\n${stringify({ version: 1, user, row: row.value.toString('base64') })}`;
  return accept({ user, password, text });
}

/** The document with the first admin in it, if it knows no user; `text` is that of the file. */
export function withFirstAdmin(rows: readonly DocumentRow[], text: string): Result<readonly DocumentRow[]> {
  const admin = parseFirstAdmin(text);
  if (!admin.ok) return admin;
  return accept(rows.some(({ kind }) => kind === userKind) ? rows : [...rows, admin.value]);
}

function parseFirstAdmin(text: string): Result<DocumentRow> {
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 0, logLevel: 'error' });
  } catch {
    return reject('it is no YAML');
  }
  const file = fileSchema.safeParse(document);
  if (!file.success) return reject('it is damaged, or of another version');
  const value = Buffer.from(file.data.row, 'base64');
  const user = decodeUser(file.data.user, value);
  if (!user.ok) return user;
  return accept({ kind: userKind, id: user.value.name, time: earliest, author, value });
}

/** None that look like others. */
const letters = 'abcdefghjkmnpqrstuvwxyz23456789';

/** Such as `kx3fa-9m2qe-…`: 20 letters, some 99 bits. */
function generatedPassword(random: Uint8Array): string {
  const text = [...random].map((byte) => letters[byte % letters.length] ?? '').join('');
  return text.replaceAll(/(.{5})(?=.)/g, '$1-');
}
