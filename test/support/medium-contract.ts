/** What every medium does, a real disk or one in memory; and one in memory that lies as bad cards do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Medium } from '../../scripts/flash/medium.ts';
import { Refusal } from '../../scripts/flash/refusal.ts';

/** `open` gives a medium of at least 4 MiB, and what frees it. */
export function mediumContract(
  name: string,
  open: () => Promise<Medium & Partial<Disposable>>,
  skip: string | false = false,
): void {
  const withMedium = (title: string, run: (medium: Medium) => Promise<void>): void => {
    test(`${name}: ${title}`, { skip }, async () => {
      const medium = await open();
      try {
        await run(medium);
      } finally {
        await medium.close();
        medium[Symbol.dispose]?.();
      }
    });
  };

  withMedium('what was written is read back, at any offset, before and after a flush', async (medium) => {
    const bytes = Buffer.from('a block that begins nowhere in particular');
    for (const offset of [0, 4096, 1_000_003, medium.bytes - bytes.length]) {
      await medium.write(bytes, offset);
      const found = Buffer.alloc(bytes.length);
      await medium.read(found, offset);
      assert.deepEqual(found, bytes);
      await medium.flush();
      await medium.read(found.fill(0), offset);
      assert.deepEqual(found, bytes);
    }
  });

  withMedium('writing leaves the bytes around it alone', async (medium) => {
    await medium.write(Buffer.alloc(3 * 4096, 1), 8192);
    await medium.write(Buffer.alloc(100, 2), 8192 + 5000);
    const found = Buffer.alloc(3 * 4096);
    await medium.read(found, 8192);
    assert.equal(found.filter((byte) => byte === 2).length, 100);
    assert.equal(found[5000], 2);
    assert.equal(found[5100], 1);
  });

  withMedium('reading beyond its end is refused', async (medium) => {
    await assert.rejects(
      medium.read(Buffer.alloc(8192), medium.bytes - 4096),
      (error) => error instanceof Refusal && error.kind === 'write-failed',
    );
  });

  withMedium('writing beyond its end is refused', async (medium) => {
    await assert.rejects(
      medium.write(Buffer.alloc(8192), medium.bytes - 4096),
      (error) => error instanceof Refusal && error.kind === 'write-failed',
    );
  });
}

/** How a medium in memory lies. */
export interface Lies {
  /** what it really holds; the rest overwrites it from the beginning */
  readonly wrapsAt?: number;
  /** what is written from here on goes nowhere */
  readonly dropsFrom?: number;
  /** this bit of it is stuck */
  readonly stuckAt?: number;
}

export class MemoryMedium implements Medium {
  readonly path = '/dev/memory';
  readonly bytes: number;
  readonly held: Buffer;
  private readonly lies: Lies;

  constructor(bytes: number, lies: Lies = {}) {
    this.bytes = bytes;
    this.held = Buffer.alloc(lies.wrapsAt ?? bytes);
    this.lies = lies;
  }

  read(bytes: Buffer, offset: number): Promise<void> {
    return this.each(bytes, offset, (at, part) => void this.held.copy(part, 0, at, at + part.length));
  }

  write(bytes: Buffer, offset: number): Promise<void> {
    const { dropsFrom = Number.POSITIVE_INFINITY, stuckAt } = this.lies;
    return this.each(bytes, offset, (at, part) => {
      const length = Math.min(part.length, Math.max(0, dropsFrom - at));
      part.copy(this.held, at, 0, length);
      if (stuckAt !== undefined) this.held[stuckAt] = (this.held[stuckAt] ?? 0) | 1;
    });
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** In pieces that do not cross where it wraps. */
  private each(bytes: Buffer, offset: number, use: (at: number, part: Buffer) => void): Promise<void> {
    if (offset + bytes.length > this.bytes)
      return Promise.reject(
        new Refusal('write-failed', `${this.path} ends at ${this.bytes}`, 'Try another one.'),
      );
    for (let done = 0; done < bytes.length; ) {
      const at = (offset + done) % this.held.length;
      const part = bytes.subarray(done, done + Math.min(bytes.length - done, this.held.length - at));
      use(at, part);
      done += part.length;
    }
    return Promise.resolve();
  }
}
