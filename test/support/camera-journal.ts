/**
 * What a synthetic camera writes down as it goes, a text file of one line for each event, so that afterwards it is
 * known what an archive must hold. Runs of the camera follow one another in the same file.
 *
 *     run CAPTURE                     a run begins; its tracks' sequences count from 0
 *     sample CAPTURE TRACK SEQUENCE PTS UTC DURATION     captured, all times µs, UTC `-` when the
 *                                     camera does not know it; written before it can be sent
 *     durable CAPTURE TRACK THROUGH   a server said so
 *     lost TOTAL                      samples that its outbox has given up so far, in this run
 *     end CAPTURE                     the run has ended as it should: everything was handed to a server
 *
 * Lines are handed to the system one by one: `kill -9` of the camera loses none.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Durable } from '../../firmware/capture/backlog.ts';

/** A sample that was captured. */
export interface Captured {
  readonly sequence: number;
  readonly ptsUs: number;
  /** undefined while the camera did not know the date */
  readonly utcUs: number | undefined;
  readonly durationUs: number;
}

/** One track of one run. */
export interface JournalTrack {
  readonly captureId: string;
  readonly trackId: number;
  /** by sequence, from 0 */
  readonly samples: Captured[];
  /** the last sequence that a server called durable; −1 when none */
  durableThrough: number;
  /** the run ended as it should */
  ended: boolean;
}

/** What a camera has done, in all its runs. */
export interface CameraHistory {
  readonly camera: string;
  readonly tracks: readonly JournalTrack[];
  /** samples its outbox has given up, in all runs */
  readonly lost: number;
}

export class CameraJournal {
  private readonly file: number;
  private readonly captureId: string;
  private lost = 0;

  constructor(path: string, captureId: string) {
    this.file = openSync(path, 'a');
    this.captureId = captureId;
    this.line(`run ${captureId}`);
  }

  captured(trackId: number, { sequence, ptsUs, utcUs, durationUs }: Captured): void {
    this.line(`sample ${this.captureId} ${trackId} ${sequence} ${ptsUs} ${utcUs ?? '-'} ${durationUs}`);
  }

  durable(acknowledged: readonly Durable[]): void {
    for (const { captureId, trackId, through } of acknowledged) {
      this.line(`durable ${captureId} ${trackId} ${through}`);
    }
  }

  /** Tells how many samples the outbox has given up; the same number again is no news. */
  givenUp(total: number): void {
    if (total > this.lost) this.line(`lost ${total}`);
    this.lost = total;
  }

  end(): void {
    this.line(`end ${this.captureId}`);
    closeSync(this.file);
  }

  private line(text: string): void {
    writeSync(this.file, `${text}\n`);
  }
}

/** Reads a camera's journal; one that does not exist yet is an empty history. */
export function readJournal(path: string, camera: string): CameraHistory {
  const tracks = new Map<string, JournalTrack>();
  const trackOf = (captureId: string, trackId: number): JournalTrack => {
    const key = `${captureId}/${trackId}`;
    const known = tracks.get(key) ?? { captureId, trackId, samples: [], durableThrough: -1, ended: false };
    tracks.set(key, known);
    return known;
  };
  let lost = 0;
  let lostInRun = 0;
  // A camera that runs may be in the middle of a line.
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  for (const line of lines) {
    const [word = '', captureId = '', ...rest] = line.split(' ');
    const [trackId = 0, second = 0, ptsUs = 0, utc = 0, durationUs = 0] = rest.map(Number);
    const utcUs = Number.isNaN(utc) ? undefined : utc;
    if (word === 'run') lostInRun = 0;
    else if (word === 'sample')
      trackOf(captureId, trackId).samples.push({ sequence: second, ptsUs, utcUs, durationUs });
    else if (word === 'durable') {
      const track = trackOf(captureId, trackId);
      track.durableThrough = Math.max(track.durableThrough, second);
    } else if (word === 'lost') {
      lost += Number(captureId) - lostInRun;
      lostInRun = Number(captureId);
    } else if (word === 'end') {
      for (const track of tracks.values()) if (track.captureId === captureId) track.ended = true;
    }
  }
  return { camera, tracks: [...tracks.values()], lost };
}
