/**
 * Sets the clock of single processes, as a person or NTP sets that of a machine: `shifted-clock.c` is put in front of
 * the C library. The program under test is the one that is delivered; nothing in it knows of this. (A time namespace
 * cannot do it: it moves only clocks that count from boot.) Needs gcc, which the npm packages need too.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { FieldUnit } from './namespaces-units.ts';

const source = join(import.meta.dirname, 'shifted-clock.c');

/** Clocks of one site's units; the object and the files are put into `folder`. */
export class ShiftedClocks {
  private readonly folder: string;
  private readonly object: string;

  constructor(folder: string) {
    this.folder = folder;
    this.object = join(folder, 'shifted-clock.so');
    execFileSync('gcc', ['-O1', '-shared', '-fPIC', '-Wall', '-Werror', '-o', this.object, source], {
      timeout: 30_000,
    });
  }

  /** From its next start on a unit goes by a clock of its own; this much off the machine's, ms. */
  give(unit: FieldUnit, offsetMs = 0): void {
    this.set(unit, offsetMs);
    unit.env = { LD_PRELOAD: this.object, SHIFTED_CLOCK: this.file(unit) };
  }

  /** Steps it, also while the unit runs. */
  set(unit: FieldUnit, offsetMs: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(offsetMs)) * 1_000_000n);
    // Not written anew: the unit has this very file in its memory.
    const file = openSync(this.file(unit), 'a+');
    closeSync(file);
    const open = openSync(this.file(unit), 'r+');
    writeSync(open, bytes, 0, 8, 0);
    closeSync(open);
  }

  private file(unit: FieldUnit): string {
    return join(this.folder, `${unit.id}.clock`);
  }
}
