/** One line that shows how far flashing is: bytes, rate, time left. */
import { performance } from 'node:perf_hooks';
import type { Phase } from './write-image.ts';

const words: Record<Phase, string> = { write: 'writing', verify: 'reading back' };
/** Pipes get a line so often, terminals five times a second. */
const pipeMs = 5_000;
const terminalMs = 200;

export class ProgressLine {
  private readonly quiet: boolean;
  private readonly terminal = process.stderr.isTTY === true;
  private phase: Phase | undefined;
  private startedMs = 0;
  private shownMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly quiet: boolean }) {
    this.quiet = options.quiet;
  }

  show(phase: Phase, done: number, total: number): void {
    if (this.quiet) return;
    const now = performance.now();
    if (phase !== this.phase) {
      this.end();
      this.phase = phase;
      this.startedMs = now;
    }
    if (done < total && now - this.shownMs < (this.terminal ? terminalMs : pipeMs)) return;
    this.shownMs = now;
    const text = progressText(words[phase], { done, total, seconds: (now - this.startedMs) / 1_000 });
    process.stderr.write(this.terminal ? `\r\x1b[K${text}` : `${text}\n`);
  }

  end(): void {
    if (!this.quiet && this.terminal && this.phase !== undefined) process.stderr.write('\n');
  }
}

export function progressText(
  word: string,
  { done, total, seconds }: { done: number; total: number; seconds: number },
): string {
  const rate = seconds > 0.5 ? done / seconds : 0;
  const left =
    rate > 0 ? `, ${(rate / 1e6).toFixed(1)} MB/s, ${Math.ceil((total - done) / rate)} s left` : '';
  return `  ${word} ${Math.floor((done / total) * 100)} % of ${(total / 1e6).toFixed(0)} MB${left}`;
}
