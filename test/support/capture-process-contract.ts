/** What every StartCapture promises the capture service; whatever stands in for a real process passes the same suite. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CaptureHandlers, CaptureProcess } from '../../firmware/capture/capture-process.ts';
import { type GdpPacket, GdpParser } from '../../firmware/media/gdp-parser.ts';
import { until } from './recorder-rig.ts';

/** Starts a process that shows pictures without end, that fails, or that comes to its source's end. */
export interface CaptureSubject {
  flows(handlers: CaptureHandlers): CaptureProcess;
  fails(handlers: CaptureHandlers): CaptureProcess;
  ends(handlers: CaptureHandlers): CaptureProcess;
  close(): Promise<void>;
}

/** Notes what it is told, in order. */
class Notes implements CaptureHandlers {
  readonly words: string[] = [];
  readonly chunks: Buffer[] = [];
  times: { fromUs: number; toUs: number } | undefined;
  reason = '';
  exits = 0;

  private note(word: string): void {
    assert.equal(this.exits, 0, `${word} after the exit`);
    if (this.words.at(-1) !== word) this.words.push(word);
  }

  data(sink: 'video' | 'audio', bytes: Buffer): void {
    this.note(`data ${sink}`);
    this.chunks.push(bytes);
  }

  playing(fromUs: number, toUs: number): void {
    this.note('playing');
    this.times = { fromUs, toUs };
  }

  failed(message: string): void {
    this.note('failed');
    this.reason = message;
  }

  ended(): void {
    this.note('ended');
  }

  exited(how: string): void {
    this.note('exited');
    this.exits += 1;
    assert.notEqual(how, '');
  }
}

export function captureProcessContract(name: string, make: () => Promise<CaptureSubject>): void {
  describe(`capture process contract: ${name}`, () => {
    let subject: CaptureSubject;
    before(async () => {
      subject = await make();
    });
    after(() => subject.close());

    test('plays, then delivers a GDP stream with caps first and times that rise, until it is killed', async () => {
      const notes = new Notes();
      const process = subject.flows(notes);
      assert.deepEqual(notes.words, [], 'nothing is told within the call');
      const parser = new GdpParser();
      const packets: GdpPacket[] = [];
      await until('pictures', () => {
        for (const chunk of notes.chunks.splice(0)) {
          const parsed = parser.push(chunk);
          assert(parsed.ok, parsed.ok ? '' : parsed.reason);
          packets.push(...parsed.value);
        }
        return packets.filter(({ type }) => type === 'buffer').length >= 3;
      });
      process.kill();
      await until('the exit', () => notes.exits === 1);
      process.kill();
      assert.deepEqual(notes.words, ['playing', 'data video', 'exited']);
      const { fromUs, toUs } = notes.times ?? { fromUs: 1, toUs: 0 };
      assert(fromUs <= toUs && fromUs > 0);
      const buffers = packets.filter(({ type }) => type === 'buffer');
      assert(
        packets.findIndex(({ type }) => type === 'caps') < packets.findIndex(({ type }) => type === 'buffer'),
      );
      let lastUs = -1;
      for (const buffer of buffers) {
        assert(buffer.type === 'buffer' && (buffer.ptsUs ?? -1) > lastUs);
        lastUs = buffer.ptsUs ?? lastUs;
      }
    });

    test('exits once when it is killed before it has said anything', async () => {
      const notes = new Notes();
      const process = subject.flows(notes);
      process.kill();
      process.kill();
      assert.equal(notes.exits, 0, 'not within the call');
      await until('the exit', () => notes.exits === 1);
    });

    test('says why it failed, then exits', async () => {
      const notes = new Notes();
      subject.fails(notes);
      await until('the exit', () => notes.exits === 1);
      assert.deepEqual(
        notes.words.filter((word) => word !== 'playing'),
        ['failed', 'exited'],
      );
      assert.notEqual(notes.reason, '');
    });

    test('says that its source has ended, behind the last picture, then exits', async () => {
      const notes = new Notes();
      subject.ends(notes);
      await until('the exit', () => notes.exits === 1);
      assert.deepEqual(notes.words, ['playing', 'data video', 'ended', 'exited']);
    });

    test('takes settings, and where to look, before it plays, while it plays and after its exit, and goes on', async () => {
      const notes = new Notes();
      const process = subject.flows(notes);
      const settings = { bitrateKbps: 100, frameRate: 5, keyframeIntervalMs: 500 };
      process.adjust(settings);
      process.aim({ pan: 10, tilt: 0, zoom: 2 });
      await until('pictures', () => notes.chunks.length >= 3);
      const before = notes.chunks.length;
      process.adjust({ ...settings, bitrateKbps: 200 });
      process.aim({ pan: -10, tilt: 5, zoom: 1 });
      await until('more pictures', () => notes.chunks.length >= before + 3);
      process.kill();
      await until('the exit', () => notes.exits === 1);
      process.adjust(settings);
      process.aim({ pan: 0, tilt: 0, zoom: 1 });
      assert.deepEqual(notes.words, ['playing', 'data video', 'exited']);
    });

    test('has a number while it runs, and is not in the way of another', async () => {
      const [a, b] = [new Notes(), new Notes()];
      const [first, second] = [subject.flows(a), subject.flows(b)];
      assert(first.pid !== undefined && second.pid !== undefined && first.pid !== second.pid);
      await until('pictures of both', () => a.chunks.length > 0 && b.chunks.length > 0);
      first.kill();
      await until('the exit of one', () => a.exits === 1);
      const before = b.chunks.length;
      await until('more pictures of the other', () => b.chunks.length > before);
      second.kill();
      await until('the exit of the other', () => b.exits === 1);
    });
  });
}
