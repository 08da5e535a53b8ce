/** The parts of the guests' rig that read text: serial lines full of terminal control, traces of GPIO lines. */
import assert from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { medianWidthUs, pulsesIn } from '../support/guest/gpio-trace.ts';
import { MachineProtocol } from '../support/guest/machine-protocol.ts';
import { SerialLine, withoutControl } from '../support/guest/serial-line.ts';

const changeOf = (at: string, line: number, level: number): string =>
  `77@${at}:pl061_set_output /machine/unattached/device[6] setting output ${line} to ${level}`;

/** A unix socket that does what an emulator's does. */
async function withSocket(
  serve: (socket: Socket) => void,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-guest-rig-'));
  const path = join(folder, 'socket');
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await use(path);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

describe('a serial line', () => {
  test('is read without colours, size probes, titles and bracketed paste', () => {
    const raw = '\x1b[6n\x1b[?2004h\x1b[1;32m[  OK  ]\x1b[0m Started \x1b]0;title\x07x\r\n\x1b(B\x1bM.';
    assert.equal(withoutControl(raw), '[  OK  ] Started x\n.');
  });

  test('is searched behind the last match only, also when a match comes in pieces', async () => {
    await withSocket(
      (socket) => {
        socket.write('login: \x1b[');
        socket.once('data', () => socket.write('6nlog\x1b[0min: again'));
      },
      async (path) => {
        using line = await SerialLine.open(path);
        await line.expect(/login:/, 5_000);
        line.type('root\n');
        await line.expect(/login: again/, 5_000);
        await assert.rejects(line.expect(/login:/, 200), /it said:\n.*again/s);
      },
    );
  });

  test('gives what a shell command printed, not what was typed', async () => {
    await withSocket(
      (socket) => {
        socket.on('data', (typed) =>
          socket.write(`$ ${typed.toString()}one\r\ntwo\r\nEND-OF-COMMAND 0\r\n$ `),
        );
      },
      async (path) => {
        using line = await SerialLine.open(path);
        assert.equal(await line.command('ls', 5_000), 'one\ntwo\n');
      },
    );
  });
});

describe("an emulator's protocol", () => {
  const greeting = '{"QMP": {"version": {}, "capabilities": []}}\n';
  const answering = (answer: (request: { execute: string; id: number }) => object) => (socket: Socket) => {
    socket.write(greeting);
    socket.on('data', (chunk) => {
      for (const line of chunk.toString().split('\n').filter(Boolean)) {
        const request = JSON.parse(line) as { execute: string; id: number };
        socket.write('{"event": "RESUME", "timestamp": {}}\n');
        socket.write(`${JSON.stringify({ ...answer(request), id: request.id })}\n`);
      }
    });
  };

  test('gives each command its answer, and keeps events', async () => {
    await withSocket(
      answering(({ execute }) => ({ return: execute })),
      async (path) => {
        using protocol = await MachineProtocol.open(path);
        const answers = await Promise.all([protocol.execute('one'), protocol.execute('two')]);
        assert.deepEqual(answers, ['one', 'two']);
        assert.equal((await protocol.event('RESUME', 1_000)).event, 'RESUME');
      },
    );
  });

  test('rejects with what the emulator says, and when it ends', async () => {
    await withSocket(
      (socket) => {
        answering(({ execute }) => {
          if (execute === 'last') socket.destroy();
          return execute === 'bad'
            ? { error: { class: 'GenericError', desc: 'no such disk' } }
            : { return: {} };
        })(socket);
      },
      async (path) => {
        using protocol = await MachineProtocol.open(path);
        await assert.rejects(protocol.execute('bad'), /bad: no such disk/);
        await assert.rejects(protocol.execute('last'), /the emulator has ended/);
        await assert.rejects(protocol.execute('more'), /the emulator has ended/);
      },
    );
  });
});

describe('a trace of GPIO lines', () => {
  test('is a list of pulses by line, with their widths', () => {
    const trace = [
      'qemu-system-aarch64: some warning',
      changeOf('100.000000', 0, 1),
      changeOf('100.000700', 1, 1),
      changeOf('100.001500', 0, 0),
      changeOf('100.002200', 1, 0),
      changeOf('100.020000', 0, 1),
      changeOf('100.021300', 0, 0),
      changeOf('100.040000', 0, 1),
    ].join('\n');
    assert.deepEqual(pulsesIn(trace), [
      { line: 0, atUs: 100_000_000, widthUs: 1_500 },
      { line: 1, atUs: 100_000_700, widthUs: 1_500 },
      { line: 0, atUs: 100_020_000, widthUs: 1_300 },
    ]);
  });

  test('has a median that a late edge does not move', () => {
    const pulses = [1_500, 1_400, 300_000].map((widthUs, n) => ({ line: 0, atUs: n, widthUs }));
    assert.equal(medianWidthUs(pulses), 1_500);
    assert.ok(Number.isNaN(medianWidthUs([])), 'none has no median');
  });
});
