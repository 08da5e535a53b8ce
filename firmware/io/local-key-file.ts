/**
 * The key of this machine as a file in the data folder of a running server, for the command line: where the server is,
 * and what to show it. Only the server's own user (and root) can read it. It is there as long as the server runs.
 *
 *     {"url":"http://127.0.0.1:8300","key":"starling_local_…"}
 */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasErrno, writeText } from './text-files.ts';

const fileSchema = z.strictObject({ url: z.url(), key: z.string().min(1).max(200) });
type LocalKeyFile = z.output<typeof fileSchema>;

/** In the data folder. */
export const localKeyName = 'local-key.json';

/** Rejects with Failure FILE_IO. Disposing of the result removes the file. */
export async function writeLocalKey(dataFolder: string, content: LocalKeyFile): Promise<AsyncDisposable> {
  const path = join(dataFolder, localKeyName);
  await writeText(path, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  return {
    async [Symbol.asyncDispose]() {
      await unlink(path).catch((error: unknown) => {
        if (!hasErrno(error, 'ENOENT')) throw error;
      });
    },
  };
}

/** Undefined for a damaged text. */
export function parseLocalKey(text: string): LocalKeyFile | undefined {
  try {
    return fileSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
