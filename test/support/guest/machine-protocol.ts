/**
 * QMP, by which an emulator is controlled (its documentation: docs/interop/qmp-spec): JSON lines, one answer for each
 * command, and events in between.
 */
import assert from 'node:assert';
import { until } from '../network.ts';
import { LineSocket } from './line-socket.ts';

const answerMs = 60_000;
const eventsMax = 1_000;

interface MachineEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Message extends Partial<MachineEvent> {
  readonly QMP?: object;
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: Error) => void;
}

export class MachineProtocol implements Disposable {
  /** all that came, the oldest first */
  readonly events: MachineEvent[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private socket: LineSocket | undefined;
  private commands = 0;
  private greeted = false;

  private constructor() {}

  static async open(path: string): Promise<MachineProtocol> {
    const protocol = new MachineProtocol();
    protocol.socket = await LineSocket.open(
      path,
      (line) => protocol.take(JSON.parse(line) as Message),
      () => protocol.giveUp(),
    );
    await until('the emulator greets', () => protocol.greeted);
    await protocol.execute('qmp_capabilities');
    return protocol;
  }

  /** Runs a command; rejects with what the emulator says against it. */
  async execute<T>(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const { socket } = this;
    assert(socket !== undefined, `${command}: the emulator has ended`);
    const id = ++this.commands;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.waiting.set(id, { command, resolve, reject });
    });
    const limit = setTimeout(() => this.fail(id, `no answer within ${answerMs} ms`), answerMs);
    socket.send(JSON.stringify({ execute: command, arguments: args, id }));
    try {
      return (await answer) as T;
    } finally {
      clearTimeout(limit);
    }
  }

  /** A command of the human monitor, for what has no other: `savevm`. Rejects when it prints anything. */
  async monitor(line: string): Promise<void> {
    const said = await this.execute<string>('human-monitor-command', { 'command-line': line });
    assert.equal(said.trim(), '', `${line}: ${said}`);
  }

  /** Waits for an event of this name among those after the first `from`. */
  event(name: string, limitMs: number, from = 0): Promise<MachineEvent> {
    return until(`event ${name}`, () => this.events.slice(from).find(({ event }) => event === name), limitMs);
  }

  /** Path in the emulator's object tree of the first device whose type begins so; it differs from version to version. */
  async find(type: string, path = '/machine', depth = 4): Promise<string | undefined> {
    const children = await this.execute<{ name: string; type: string }[]>('qom-list', { path });
    for (const child of children) {
      if (child.type.startsWith(`child<${type}`)) return `${path}/${child.name}`;
    }
    if (depth === 0) return undefined;
    for (const child of children) {
      if (!child.type.startsWith('child<')) continue;
      const found = await this.find(type, `${path}/${child.name}`, depth - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.socket?.[Symbol.dispose]();
    this.giveUp();
  }

  private take(message: Message): void {
    if (message.QMP !== undefined) this.greeted = true;
    else if (message.event !== undefined) this.takeEvent(message as MachineEvent);
    else if (message.id !== undefined) {
      const { error } = message;
      if (error !== undefined) return this.fail(message.id, error.desc);
      this.waiting.get(message.id)?.resolve(message.return);
      this.waiting.delete(message.id);
    }
  }

  private takeEvent(event: MachineEvent): void {
    if (this.events.push(event) > eventsMax) this.events.shift();
  }

  private fail(id: number, reason: string): void {
    const waiting = this.waiting.get(id);
    waiting?.reject(new Error(`${waiting.command}: ${reason}`));
    this.waiting.delete(id);
  }

  private giveUp(): void {
    this.socket = undefined;
    for (const id of this.waiting.keys()) this.fail(id, 'the emulator has ended');
  }
}
