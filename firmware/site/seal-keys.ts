/**
 * The keys that seal a site's anycast datagrams, and the text file that holds them:
 *
 *     starling-seal-keys 1
 *     2846190337 5f0c…   (id in decimal, 32 bits; secret in hexadecimal, 256 bits)
 *
 * The first key seals, all of them open. To rotate: add the new key second on every unit, then move it first, then
 * drop the old one. Invariants: 1 to 8 keys, no id twice.
 */
import assert from 'node:assert';
import { accept, type Result, reject } from '../base/result.ts';
import type { RandomBytes, SealKey } from './seal.ts';

/** Most keys a unit holds at a time. */
const sealKeysMax = 8;
const secretBytes = 32;

const header = 'starling-seal-keys 1';
const linePattern = /^(0|[1-9][0-9]{0,9}) ([0-9a-f]{64})$/;

/** Makes a new key with a random id. */
export function createSealKey(random: RandomBytes): SealKey {
  const id = Buffer.from(random(4)).readUInt32BE(0);
  return { id, secret: Buffer.from(random(secretBytes)) };
}

/** The text of a seal key file. */
export function formatSealKeys(keys: readonly SealKey[]): string {
  assert(keys.length >= 1 && keys.length <= sealKeysMax, `1..${sealKeysMax} seal keys, got ${keys.length}`);
  const lines = keys.map((key) => `${key.id} ${key.secret.toString('hex')}`);
  return `${[header, ...lines].join('\n')}\n`;
}

/** Reads a seal key file. Reasons name the line and never quote it: it may hold a secret. */
export function parseSealKeys(text: string): Result<SealKey[]> {
  const [first, ...lines] = text.trimEnd().split(/\r?\n/);
  if (first !== header) return reject(`line 1 is not "${header}"`);
  if (lines.length === 0) return reject('no key in it');
  if (lines.length > sealKeysMax) return reject(`more than ${sealKeysMax} keys`);
  const keys: SealKey[] = [];
  for (const [index, line] of lines.entries()) {
    const [, idText, secretText] = linePattern.exec(line) ?? [];
    if (idText === undefined || secretText === undefined) {
      return reject(`line ${index + 2} is not a decimal id, a space and 64 hexadecimal digits`);
    }
    const id = Number(idText);
    if (id > 0xffff_ffff) return reject(`line ${index + 2} has an id above 32 bits`);
    if (keys.some((key) => key.id === id)) return reject(`line ${index + 2} repeats the id ${id}`);
    keys.push({ id, secret: Buffer.from(secretText, 'hex') });
  }
  return accept(keys);
}
