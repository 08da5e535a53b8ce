/**
 * What makes a run of the recording bench valid: every sample that was sent is on the disk, byte for byte. The files
 * are read as they are, without asking the server or its index.
 */
import assert from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FrameReader } from '../../firmware/base/frames.ts';
import { frameKinds, SampleAssembler } from '../../firmware/media/link-frames.ts';
import { parseFragment, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import { isSample } from './recording-stream.ts';

/** What the cameras sent: the sequences below these, of camera 1, 2, … */
export interface Sent {
  readonly ends: readonly number[];
  readonly kbps: number;
}

/** What is missing, or is not what was sent. */
export interface Verdict {
  readonly missing: number;
  /** samples that are on the disk more than once */
  readonly repeated: number;
  readonly wrong: number;
  /** for a person: the first of them */
  readonly first: string | undefined;
}

class Ledger {
  private readonly sent: Sent;
  private readonly seen: Uint8Array[];
  private repeated = 0;
  private wrong = 0;
  private first: string | undefined;

  constructor(sent: Sent) {
    this.sent = sent;
    this.seen = sent.ends.map((end) => new Uint8Array(end));
  }

  sample(place: number, sequence: number, payload: readonly Uint8Array[]): void {
    const seen = this.seen[place - 1];
    if (
      seen === undefined ||
      sequence >= seen.length ||
      !isSample(payload, place, sequence, this.sent.kbps)
    ) {
      this.wrong += 1;
      this.first ??= `sample ${sequence} of camera ${place} was not sent like this`;
      return;
    }
    if (seen[sequence] === 1) this.repeated += 1;
    seen[sequence] = 1;
  }

  verdict(): Verdict {
    let missing = 0;
    for (const [place, seen] of this.seen.entries()) {
      const lost = seen.reduce((sum, one) => sum + 1 - one, 0);
      if (lost > 0) this.first ??= `camera ${place + 1} lacks sample ${seen.indexOf(0)} of ${seen.length}`;
      missing += lost;
    }
    return { missing, repeated: this.repeated, wrong: this.wrong, first: this.first };
  }
}

function filesBelow(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: true }).map(String);
  return names
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    .sort();
}

/** Looks for all samples in the recordings below these folders. */
export async function findSamples(folders: readonly string[], sent: Sent): Promise<Verdict> {
  const ledger = new Ledger(sent);
  for (const path of folders.flatMap((folder) => filesBelow(folder, '.mp4'))) {
    const place = Number(/\/cam-(\d+)\//.exec(path)?.[1]);
    const file = readFileSync(path);
    const { fragments } = await scanSegment(
      async (offset, length) => file.subarray(offset, offset + length),
      file.length,
    );
    for (const { offset, bytes } of fragments) {
      const parsed = parseFragment(file.subarray(offset, offset + bytes));
      assert(parsed.ok, `${path}: ${parsed.ok ? '' : parsed.reason}`);
      for (const { samples } of parsed.value.batches) {
        for (const { sequence, payload } of samples) ledger.sample(place, sequence, payload);
      }
    }
  }
  return ledger.verdict();
}

/** The same in what the floor has kept: the frames of a link as they came, a file for each camera in turn. */
export function findFloorSamples(folder: string, sent: Sent): Verdict {
  const ledger = new Ledger(sent);
  for (const place of sent.ends.keys()) {
    const samples = new SampleAssembler();
    const reader = new FrameReader((kind, parts) => {
      if (kind !== frameKinds.sample && kind !== frameKinds.slice) return;
      const pushed = samples.push(kind, parts);
      if (!pushed.ok || pushed.value === undefined) return;
      const { sequence, payload } = pushed.value.sample;
      ledger.sample(place + 1, sequence, payload);
    });
    reader.push(readFileSync(join(folder, `${place}.stream`)));
  }
  return ledger.verdict();
}
