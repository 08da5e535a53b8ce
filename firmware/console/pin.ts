/**
 * The PIN of a field console: kept as a hash in `console.pin` beside unit.yaml, one line:
 *
 *     scrypt:<log2 N>:<salt, base64>:<hash, base64>
 *
 * Invariants: three wrong PINs are free, after that each costs a wait that doubles from `firstWaitMs` to `waitMsMax`;
 * while it lasts nothing is even compared; a right PIN forgives all. A try is counted before it is compared, where it
 * outlives this process: whoever cuts the power waits once more. What is no PIN at all (noise on the line) does not
 * count. The cost is chosen so that the smallest board takes about a second.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.ts';

/** In the folder of unit.yaml. */
export const pinFileName = 'console.pin';
/** Beside it: how many wrong ones were tried. */
export const pinFailuresName = 'console.failures';
/** Longest file that is read. */
export const pinFileBytesMax = 400;

const freeFailures = 3;
const firstWaitMs = 10_000;
const waitMsMax = 300_000;
const logCost = 14;
const hashBytes = 32;

/** 4 to 12 digits. */
export function isPin(text: string): boolean {
  return /^\d{4,12}$/.test(text);
}

/** The line for the file. */
export async function hashPin(pin: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(pin, salt, logCost);
  return `scrypt:${logCost}:${salt.toString('base64')}:${hash.toString('base64')}\n`;
}

/** False also for a damaged record: a console that cannot check a PIN stays shut. */
export async function verifyPin(pin: string, record: string): Promise<boolean> {
  const [, cost = '', salt = '', hash = ''] =
    /^scrypt:(\d{1,2}):([A-Za-z0-9+/=]{8,64}):([A-Za-z0-9+/=]{40,64})\s*$/.exec(record) ?? [];
  const expected = Buffer.from(hash, 'base64');
  const log = Number(cost);
  if (expected.length !== hashBytes || log < 10 || log > 17) return false;
  const derived = await derive(pin, Buffer.from(salt, 'base64'), log).catch(() => undefined);
  return derived !== undefined && timingSafeEqual(derived, expected);
}

function derive(pin: string, salt: Buffer, log: number): Promise<Buffer> {
  const N = 2 ** log;
  return new Promise((resolve, reject) => {
    scrypt(pin, salt, hashBytes, { N, r: 8, p: 1, maxmem: 256 * N * 8 }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

export type PinVerdict = 'right' | 'wrong' | 'not a PIN' | { readonly waitMs: number };

/** Where wrong PINs are counted, for all consoles of a unit. Neither rejects: a disk that refuses opens and shuts nothing. */
export interface PinFailures {
  /** since the last right one; undefined when nobody knows */
  read(): Promise<number | undefined>;
  keep(count: number): Promise<void>;
}

/** Who may use this console. Both the prompt and framed calls ask the same gate. */
export class PinGate {
  private readonly clock: Clock;
  private readonly record: string | undefined;
  private readonly kept: PinFailures | undefined;
  private failures = 0;
  private waitUntilMs = Number.NEGATIVE_INFINITY;
  private checking = false;

  /** Without a record there is no PIN, and everybody with a cable may do everything. */
  constructor(clock: Clock, record: string | undefined, kept?: PinFailures) {
    this.clock = clock;
    this.record = record;
    this.kept = kept;
  }

  /** A gate that knows of the failures before it, and lets nobody try before their wait is over. */
  static async open(clock: Clock, record: string | undefined, kept: PinFailures): Promise<PinGate> {
    const gate = new PinGate(clock, record, kept);
    gate.failed((await kept.read()) ?? 0);
    return gate;
  }

  /** Whether a PIN is asked for at all. */
  get needed(): boolean {
    return this.record !== undefined;
  }

  /** How long nothing is compared. */
  waitMs(): number {
    return Math.max(0, Math.ceil(this.waitUntilMs - this.clock.monotonicMs()));
  }

  /** Never rejects. */
  async try(pin: string): Promise<PinVerdict> {
    if (this.record === undefined) return 'right';
    const waitMs = this.waitMs();
    if (waitMs > 0) return { waitMs };
    if (!isPin(pin)) return 'not a PIN';
    // One at a time, or many at once would all be free.
    if (this.checking) return { waitMs: 1_000 };
    this.checking = true;
    try {
      const failures = ((await this.kept?.read()) ?? this.failures) + 1;
      await this.kept?.keep(failures);
      if (await verifyPin(pin, this.record)) {
        this.failures = 0;
        await this.kept?.keep(0);
        return 'right';
      }
      this.failed(failures);
      return 'wrong';
    } finally {
      this.checking = false;
    }
  }

  private failed(failures: number): void {
    this.failures = failures;
    const beyond = failures - freeFailures;
    if (beyond >= 0)
      this.waitUntilMs = this.clock.monotonicMs() + Math.min(firstWaitMs * 2 ** beyond, waitMsMax);
  }
}
