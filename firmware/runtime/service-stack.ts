/**
 * Services in the order in which they were opened; they are closed in the opposite order, each even when another
 * fails to close. (Node 20 has no AsyncDisposableStack.)
 */

export class ServiceStack implements AsyncDisposable {
  private readonly closers: (() => void | PromiseLike<void>)[] = [];
  private closing: Promise<void> | undefined;

  use(service: AsyncDisposable): void {
    this.closers.push(() => service[Symbol.asyncDispose]());
  }

  defer(close: () => void | PromiseLike<void>): void {
    this.closers.push(close);
  }

  /** Closes everything once; rejects with the first error after all were closed. */
  [Symbol.asyncDispose](): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const close of this.closers.reverse()) {
      try {
        await close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
