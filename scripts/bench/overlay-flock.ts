/**
 * A running flock: the members of one contender on a field, what they declare about each other and whom they hold for
 * alive. Times are `performance.now()` of this process.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Contender, nameOf } from './overlay-contenders.ts';
import type { Field } from './overlay-field.ts';

/** Members that start at the same time: more would only take each other's processor. */
const startingMax = 4;
/** Members that are asked at the same time. */
const askingMax = 4;
const readyMs = 60_000;
const askAgainMs = 500;
/** Lines kept to explain a member that ends. */
const lastLinesMax = 20;

/** `by` has declared `subject` dead. */
export interface Declaration {
  readonly atMs: number;
  readonly by: string;
  readonly subject: string;
}

interface Member {
  readonly child: ChildProcess;
  /** what it said last, when it has ended by itself */
  crash: string | undefined;
  readonly gone: Promise<unknown>;
}

export class Flock implements AsyncDisposable {
  readonly contender: Contender;
  readonly field: Field;
  /** in the order of their arrival, since the flock was started */
  readonly declarations: Declaration[] = [];
  private readonly members = new Map<number, Member>();

  constructor(contender: Contender, field: Field) {
    this.contender = contender;
    this.field = field;
  }

  /** Starts all members, a few at a time. */
  async start(): Promise<void> {
    await eachOf(this.all(), startingMax, (member) => this.startOne(member));
  }

  all(): number[] {
    return Array.from({ length: this.field.size }, (_, place) => place + 1);
  }

  others(member: number): number[] {
    return this.all().filter((other) => other !== member);
  }

  /** Of the members that run. */
  pids(): number[] {
    return [...this.members.values()].flatMap(({ child }) => (child.pid === undefined ? [] : [child.pid]));
  }

  /** Starts a member; resolves when it is up. */
  async startOne(member: number): Promise<void> {
    const { file, args } = this.contender.command(member);
    const child = this.field.spawn(member, file, args);
    const gone = once(child, 'close');
    const lastLines: string[] = [];
    let isUp = (): void => undefined;
    const onLine = (line: string): void => {
      lastLines.push(line);
      if (lastLines.length > lastLinesMax) lastLines.shift();
      if (this.contender.isReady(line)) isUp();
      const subject = this.contender.declaredDead(line);
      if (subject !== undefined)
        this.declarations.push({ atMs: performance.now(), by: nameOf(member), subject });
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', onLine);
    }
    const running: Member = { child, crash: undefined, gone };
    this.members.set(member, running);
    await new Promise<void>((resolve, reject) => {
      const refuse = (why: string): void => {
        clearTimeout(deadline);
        reject(new Error(`${nameOf(member)} ${why}:\n${lastLines.join('\n')}`));
      };
      const deadline = setTimeout(() => refuse(`was not up after ${readyMs / 1000} s`), readyMs);
      isUp = () => {
        clearTimeout(deadline);
        resolve();
      };
      child.once('error', (error) => refuse(error.message));
      child.once('close', () => {
        running.crash = lastLines.join('\n');
        refuse('has ended');
      });
    });
  }

  /** Sends a signal to a member. */
  signal(member: number, name: NodeJS.Signals): void {
    this.members.get(member)?.child.kill(name);
  }

  /** Kills a member and waits until it is gone. */
  async kill(member: number): Promise<void> {
    const found = this.members.get(member);
    if (found === undefined) return;
    this.members.delete(member);
    // A stopped process dies of this signal as well.
    found.child.kill('SIGKILL');
    await found.gone;
  }

  /**
   * Waits until each of `asked` holds exactly `living` for alive. Returns what is still otherwise after `limitMs`,
   * undefined when all agree.
   */
  async disagreement(
    asked: readonly number[],
    living: readonly number[],
    limitMs: number,
  ): Promise<string | undefined> {
    const wanted = new Set(living.map(nameOf));
    const deadline = performance.now() + limitMs;
    for (let open = asked; ; await pause(askAgainMs)) {
      const wrong: { member: number; why: string }[] = [];
      await eachOf(open, askingMax, async (member) => {
        const why = await this.difference(member, wanted);
        if (why !== undefined) wrong.push({ member, why });
      });
      const [first] = wrong;
      if (first === undefined) return undefined;
      if (performance.now() > deadline)
        return `${nameOf(first.member)} ${first.why} (and ${wrong.length - 1} more)`;
      open = wrong.map(({ member }) => member);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.members.keys()].map((member) => this.kill(member)));
  }

  private async difference(member: number, wanted: ReadonlySet<string>): Promise<string | undefined> {
    const crash = this.members.get(member)?.crash;
    if (crash !== undefined) return `has ended by itself:\n${crash}\n`;
    try {
      const held = new Set(await this.contender.living(this.field, member));
      const missing = [...wanted].filter((name) => !held.has(name));
      const wrong = [...held].filter((name) => !wanted.has(name));
      if (missing.length + wrong.length === 0) return undefined;
      return `misses ${list(missing)} and still holds ${list(wrong)} for alive`;
    } catch (error) {
      return `does not answer: ${String(error).slice(0, 200)}`;
    }
  }
}

function list(names: readonly string[]): string {
  if (names.length === 0) return 'nobody';
  return names.length <= 4
    ? names.join(', ')
    : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more`;
}

/** Waits for so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Does `work` for each, at most `atOnce` at the same time. */
async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
