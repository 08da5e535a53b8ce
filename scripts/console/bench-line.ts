/**
 * The bench's end of a line: a serial port, a pty, or the unix socket of an emulator's port (`unix:PATH`). Bytes only.
 */
import { connect, type Socket } from 'node:net';
import { autoDetect } from '@serialport/bindings-cpp';
import { SerialPortStream } from '@serialport/stream';

export const baudDefault = 115_200;

export interface BenchLine {
  /** resolves when the bytes are on their way */
  write(text: string): Promise<void>;
  onData(take: (bytes: Buffer) => void): void;
  /** resolves with the reason when the line is gone */
  readonly closed: Promise<string>;
  close(): Promise<void>;
}

/** Rejects with an Error that says what to do. */
export function openBenchLine(device: string, baud: number): Promise<BenchLine> {
  return device.startsWith('unix:') ? openSocket(device.slice(5)) : openSerial(device, baud);
}

function openSerial(path: string, baudRate: number): Promise<BenchLine> {
  return new Promise((resolve, reject) => {
    // Without `hupcl` the unit's side does not see a hang-up each time the bench is done.
    const options = { binding: autoDetect(), path, baudRate, hupcl: false, autoOpen: false } as const;
    const port = new SerialPortStream(options);
    const closed = new Promise<string>((gone) => {
      port.on('close', (error?: Error | null) => gone(error?.message ?? 'the port was closed'));
      port.on('error', (error: Error) => gone(error.message));
    });
    port.open((error) => {
      if (error !== null && error !== undefined) return reject(new Error(openAdvice(path, error.message)));
      resolve({
        closed,
        onData: (take) => void port.on('data', take),
        write: (text) =>
          new Promise((written, failed) => {
            port.write(Buffer.from(text, 'latin1'), (fault) => (fault ? failed(fault) : written()));
          }),
        close: () => new Promise((done) => (port.isOpen ? port.close(() => done()) : done())),
      });
    });
  });
}

function openAdvice(path: string, message: string): string {
  if (/no such file/i.test(message))
    return `there is no ${path}: is the adapter plugged in? ls /dev/ttyUSB* /dev/ttyACM*`;
  if (/permission|access/i.test(message))
    return `no permission for ${path}: sudo adduser $USER dialout, and sign in again`;
  if (/lock|busy|temporarily/i.test(message))
    return `${path} is in use: end the other program (screen, minicom, ModemManager)`;
  return `cannot open ${path}: ${message}`;
}

function openSocket(path: string): Promise<BenchLine> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path);
    socket.once('error', (error) => reject(new Error(`cannot open ${path}: ${error.message}`)));
    socket.once('connect', () => {
      const closed = new Promise<string>((gone) => {
        socket.on('error', (error) => gone(error.message));
        socket.on('close', () => gone('the socket was closed'));
      });
      resolve({
        closed,
        onData: (take) => void socket.on('data', take),
        write: (text) =>
          new Promise((written) => void socket.write(Buffer.from(text, 'latin1'), () => written())),
        close: async () => void socket.destroy(),
      });
    });
  });
}
