/** Writes a tar archive (POSIX.1-1988 ustar): plain files, owner 0, mode 600. */

const blockBytes = 512;

export interface TarFile {
  /** at most 100 characters of ASCII */
  readonly name: string;
  readonly content: Buffer;
}

/** `atMs` is the date of every file, ms UTC. */
export function tarArchive(files: readonly TarFile[], atMs: number): Buffer {
  const parts: Buffer[] = [];
  for (const { name, content } of files) {
    parts.push(header(name, content.length, atMs), content);
    const over = content.length % blockBytes;
    if (over > 0) parts.push(Buffer.alloc(blockBytes - over));
  }
  // Two empty blocks end it.
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

function header(name: string, size: number, atMs: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, digits: number): string =>
    Math.floor(value).toString(8).padStart(digits, '0');
  block.write(name.slice(0, 100), 0, 'latin1');
  block.write(`${octal(0o600, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100, 'latin1');
  block.write(`${octal(size, 11)}\0${octal(Math.max(0, atMs / 1000), 11)}\0`, 124, 'latin1');
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000root', 257, 'latin1');
  block.write('root', 297, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return block;
}
