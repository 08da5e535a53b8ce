/** The bytes of an image, raw or compressed with zstd, range by range in rising order. */
import { spawn } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { messageOf } from '../../firmware/base/failure.ts';
import { Refusal } from './refusal.ts';

const buildAgain = 'Copy it again, or build it again with `npm run image`.';

export interface ImageSource {
  /** The bytes from `offset`, which is not before the end of the last range. Throws the Refusal image-damaged. */
  read(offset: number, bytes: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Opens an image whose raw length is `bytes`. Throws the Refusal image-damaged. */
export async function openImage(path: string, bytes: number): Promise<ImageSource> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw new Refusal(
      'image-damaged',
      `the image ${path} cannot be read: ${messageOf(cause)}`,
      buildAgain,
      cause,
    );
  });
  if (path.endsWith('.zst')) return compressed(path);
  if (facts.size !== bytes) {
    throw new Refusal(
      'image-damaged',
      `${path} has ${facts.size} bytes, and its manifest says ${bytes}`,
      buildAgain,
    );
  }
  const file = await open(path, 'r');
  return {
    async read(offset, size) {
      const buffer = Buffer.alloc(size);
      for (let at = 0; at < size; ) {
        const { bytesRead } = await file.read(buffer, at, size - at, offset + at);
        if (bytesRead === 0) throw damaged(path, `it ends at ${offset + at}`);
        at += bytesRead;
      }
      return buffer;
    },
    close: () => file.close(),
  };
}

function compressed(path: string): ImageSource {
  const child = spawn('zstd', ['-q', '-d', '-c', '--long=27', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-1_000);
  });
  child.once('error', (error) => {
    said = error.message;
  });
  const chunks = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let chunk: Buffer = Buffer.alloc(0);
  let position = 0;
  const next = async (): Promise<void> => {
    const { value, done } = await chunks.next();
    if (done === true) throw damaged(path, said.trim() === '' ? `it ends at ${position}` : said.trim());
    chunk = value;
  };
  const take = async (size: number, into?: Buffer): Promise<void> => {
    for (let left = size; left > 0; ) {
      if (chunk.length === 0) await next();
      const part = Math.min(left, chunk.length);
      if (into !== undefined) chunk.copy(into, size - left, 0, part);
      chunk = chunk.subarray(part);
      left -= part;
      position += part;
    }
  };
  return {
    async read(offset, size) {
      await take(offset - position);
      const buffer = Buffer.alloc(size);
      await take(size, buffer);
      return buffer;
    },
    close() {
      child.kill();
      return Promise.resolve();
    },
  };
}

export function damaged(path: string, reason: string): Refusal {
  return new Refusal('image-damaged', `${path} is damaged: ${reason}`, buildAgain);
}
