/**
 * Memory for the payloads of samples that come over a link, used again and again: were it left to the garbage
 * collector, each 10 MB received would cost a collection of the whole heap, more than all else the recorder does.
 *
 * A sample has one holder when it is made: whoever it is given to. Who keeps its payload longer retains it, and every
 * holder releases it once, when the payload will not be looked at again. Invariants: memory is used again only when all
 * holders of all samples in it have released them; a holder that never does costs nothing but a block that is left to
 * the garbage collector, so who passes a payload on without knowing for how long retains it for good.
 */
import assert from 'node:assert';

/** Payloads lie one after the other in a block; a longer one gets memory of its own, which is not used again. */
const blockBytes = 256 * 1024;
/** Blocks of one link that wait for their next use. */
const freeMax = 4;

/** Counts the holders of a payload; see above. */
export interface PayloadHold {
  retain(): void;
  release(): void;
}

class Block implements PayloadHold {
  readonly bytes = Buffer.allocUnsafeSlow(blockBytes);
  private readonly onFree: (block: Block) => void;
  private holders = 0;
  filled = 0;

  constructor(onFree: (block: Block) => void) {
    this.onFree = onFree;
  }

  retain(): void {
    this.holders += 1;
  }

  release(): void {
    assert(this.holders > 0, 'a payload was released too often');
    this.holders -= 1;
    if (this.holders === 0) this.onFree(this);
  }
}

/** Where the next payload goes, and its first hold. */
interface Place {
  readonly payload: Buffer;
  readonly hold: PayloadHold | undefined;
}

/** The memory of one link. */
export class PayloadMemory {
  private readonly free: Block[] = [];
  /** it counts as a holder of the block that it fills */
  private block: Block | undefined;
  private readonly onFree = (block: Block): void => {
    block.filled = 0;
    if (this.free.length < freeMax) this.free.push(block);
  };

  /** Memory for this many bytes. */
  take(bytes: number): Place {
    if (bytes > blockBytes) return { payload: Buffer.allocUnsafeSlow(bytes), hold: undefined };
    if (this.block === undefined || this.block.filled + bytes > blockBytes) this.next();
    const block = this.block as Block;
    const payload = block.bytes.subarray(block.filled, block.filled + bytes);
    block.filled += bytes;
    block.retain();
    return { payload, hold: block };
  }

  private next(): void {
    this.block?.release();
    this.block = this.free.pop() ?? new Block(this.onFree);
    this.block.retain();
  }
}
