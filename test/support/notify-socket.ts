/** A socket like systemd's (sd_notify(3)): reads datagrams, and closes what comes with them, for which the sender waits. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Node has no datagram sockets of the Unix kind. */
const receiver = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, fds, flags, address = socket.recv_fds(s, 4096, 4)
    for fd in fds: os.close(fd)
    print(data.decode().replace("\\n", " ").strip(), flush=True)
`;

/** Why there is no such socket on this machine; false when there is. */
export function notifyMissing(): string | false {
  try {
    execFileSync('systemd-notify', ['--version'], { stdio: 'ignore' });
    execFileSync('python3', ['-c', 'import socket; socket.recv_fds'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'systemd-notify or python3 is missing';
  }
}

export class NotifySocket implements AsyncDisposable {
  readonly path: string;
  /** each with its assignments between spaces, the oldest first */
  readonly messages: string[] = [];
  private readonly child: ChildProcess;

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.child = child;
  }

  static async open(path: string): Promise<NotifySocket> {
    const child = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(child.stdout !== null, 'it has an output');
    const socket = new NotifySocket(path, child);
    const lines = createInterface(child.stdout);
    await once(lines, 'line');
    // By which systemd-notify waits until all before was read.
    lines.on('line', (line) => line !== 'BARRIER=1' && socket.messages.push(line));
    return socket;
  }

  heard(text: string): boolean {
    return this.messages.some((message) => message.includes(text));
  }

  count(text: string): number {
    return this.messages.filter((message) => message.includes(text)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill();
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }
}
