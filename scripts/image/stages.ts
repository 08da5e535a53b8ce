/** Progress of a long command: one line for each stage with its time; on a terminal the running one counts seconds. */
import { performance } from 'node:perf_hooks';

export interface StageTime {
  readonly stage: string;
  readonly seconds: number;
}

export class Stages {
  readonly times: StageTime[] = [];
  private readonly quiet: boolean;
  private detailText = '';

  constructor(options: { readonly quiet: boolean }) {
    this.quiet = options.quiet;
  }

  /** Runs one stage; `note` of its result is printed beside the time. */
  async run<T>(stage: string, work: () => T | Promise<T>, note?: (result: T) => string): Promise<T> {
    const startedMs = performance.now();
    const seconds = (): number => Math.round((performance.now() - startedMs) / 100) / 10;
    const live = process.stderr.isTTY === true && !this.quiet;
    this.detailText = '';
    const show = (): void => this.tell(`\r\x1b[K  ${stage} … ${seconds().toFixed(0)} s  ${this.detailText}`);
    const ticker = live ? setInterval(show, 500) : undefined;
    try {
      const result = await work();
      this.times.push({ stage, seconds: seconds() });
      const remark = note === undefined ? '' : `  ${note(result)}`;
      this.tell(`${live ? '\r\x1b[K' : ''}  ${stage}: ${seconds().toFixed(1)} s${remark}\n`);
      return result;
    } catch (error) {
      this.tell(`${live ? '\r\x1b[K' : ''}  ${stage}: failed after ${seconds().toFixed(1)} s\n`);
      throw error;
    } finally {
      clearInterval(ticker);
    }
  }

  /** What the stage is at, for whoever waits; a line of its own where nothing can be overwritten. */
  detail(text: string): void {
    this.detailText = text.slice(0, 60);
    if (process.stderr.isTTY !== true) this.tell(`    ${text}\n`);
  }

  private tell(text: string): void {
    if (!this.quiet) process.stderr.write(text);
  }
}
