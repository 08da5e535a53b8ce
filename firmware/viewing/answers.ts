/**
 * Answers: errors as ErrorAnswer in JSON, and bodies that are produced only as fast as they are read.
 *
 * Invariant: a body that cannot be finished ends its connection instead of looking finished.
 */
import { Failure, type FailureCode } from '../base/failure.ts';
import type { ErrorAnswer } from './api.ts';

/** What an answer may do to the connection it goes out on. */
export interface Connection {
  /** id of the server that asks; undefined for a person */
  readonly peer: string | undefined;
  /** IP address of the other end */
  readonly remoteAddress: string;
  /** it came over HTTPS */
  readonly secure: boolean;
  /** Adds a trailer to a chunked body; before the body's last chunk is read. */
  trailer(name: string, value: string): void;
  /** Ends the connection at once. */
  abort(): void;
}

/** An error answer. */
export function refuse(
  status: number,
  error: string,
  advice: string,
  headers: Record<string, string> = {},
): Response {
  const answer: ErrorAnswer = { error, advice };
  return new Response(JSON.stringify(answer), {
    status,
    headers: { ...headers, 'content-type': 'application/json' },
  });
}

const statusOf: Partial<Record<FailureCode, number>> = {
  NOT_FOUND: 404,
  FILE_MISSING: 404,
  UNREACHABLE: 502,
  LINK_BROKEN: 502,
  USAGE: 400,
  BUSY: 503,
};

/** The answer to anything that was thrown; a bug's message stays inside. */
export function failureAnswer(thrown: unknown): Response {
  if (thrown instanceof Failure) return refuse(statusOf[thrown.code] ?? 500, thrown.message, thrown.advice);
  return refuse(500, 'this server made a mistake', 'See its log.');
}

/**
 * A body from chunks: each is produced when the one before has left. `abandon` is called first when nobody wants the
 * rest: it ends what the next chunk waits for, and `chunks` is closed after that.
 */
export function streamed(
  chunks: AsyncGenerator<Uint8Array, void, void>,
  connection: Connection,
  abandon?: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (thrown) {
          connection.abort();
          if (!(thrown instanceof Failure)) throw thrown;
          controller.close();
        }
      },
      async cancel() {
        abandon?.();
        await chunks.return();
      },
    },
    { highWaterMark: 1 },
  );
}
