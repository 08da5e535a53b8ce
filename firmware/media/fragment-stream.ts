/**
 * Finds the fragments in a stream of our fragmented MP4, such as an export while it arrives.
 *
 * Invariants: bytes may come in pieces of any size; what is held is one unfinished fragment, at most `fragmentBytesMax`;
 * a stream that is none of ours is refused with Failure SERVER_FAILED.
 */
import { Failure } from '../base/failure.ts';
import { boxAt } from './mp4-reader.ts';
import { type ParsedFragment, type ParsedInit, parseFragment, parseInit } from './mp4-scanner.ts';

/** Far more than a fragment has: eight of the largest samples. */
const fragmentBytesMax = 64 * 1024 * 1024;

/** A whole fragment and its bytes. */
export interface StreamedFragment {
  readonly bytes: Buffer;
  readonly parsed: ParsedFragment;
}

export class FragmentStream {
  /** the init segment, when it has come */
  init: ParsedInit | undefined;
  private pieces: Buffer[] = [];
  private heldBytes = 0;
  /** no fragment can be whole before so many bytes are held */
  private neededBytes = 8;

  /** Takes the next bytes and returns the fragments they complete. */
  push(bytes: Buffer): StreamedFragment[] {
    this.pieces.push(bytes);
    this.heldBytes += bytes.length;
    if (this.heldBytes < this.neededBytes) return [];
    let rest = Buffer.concat(this.pieces, this.heldBytes);
    const fragments: StreamedFragment[] = [];
    for (;;) {
      const end = this.endOf(rest);
      if (end === undefined) break;
      const whole = rest.subarray(0, end);
      rest = rest.subarray(end);
      if (this.init === undefined) {
        const init = parseInit(whole);
        if (!init.ok) throw foreign(init.reason);
        this.init = init.value;
      } else {
        const parsed = parseFragment(whole);
        if (!parsed.ok) throw foreign(parsed.reason);
        fragments.push({ bytes: whole, parsed: parsed.value });
      }
    }
    this.pieces = [rest];
    this.heldBytes = rest.length;
    return fragments;
  }

  /** Where the init segment or the fragment at 0 ends; undefined while that has not come. */
  private endOf(bytes: Buffer): number | undefined {
    const last = this.init === undefined ? 'moov' : 'mdat';
    for (let at = 0; ; ) {
      const box = boxAt(bytes, at);
      if (!box.ok && box.reason !== 'truncated') throw foreign(box.reason);
      this.neededBytes = box.ok ? box.value.end : at + 16;
      if (this.neededBytes > fragmentBytesMax) throw foreign('a fragment of impossible size');
      if (!box.ok || box.value.end > bytes.length) return undefined;
      at = box.value.end;
      if (box.value.type === last) return at;
    }
  }
}

function foreign(reason: string): Failure {
  return new Failure('SERVER_FAILED', `what the server sent is no recording: ${reason}`, {
    advice: 'Check that the server and this program are of the same version.',
  });
}
