/** The stream to a manager when the unit stops: what waits is sent, however slowly the manager reads. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Outbox } from '../../firmware/capture/outbox.ts';
import { frameKinds } from '../../firmware/media/link-frames.ts';
import { UnitStream } from '../../firmware/roles/unit-stream.ts';
import { Source } from '../support/outbox-source.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const framesWaiting = 40;

/** A stream with forty frames that wait, over a link that is full after every few. */
function slowStream() {
  const source = new Source(new Outbox({ bytesMax: 1_000_000, secondsMax: 60 }));
  source.gop(framesWaiting);
  const clock = new VirtualClock();
  let samples = 0;
  let room = 0;
  const send = (kind: number): boolean => {
    if (kind === frameKinds.sample) samples += 1;
    room -= 1;
    return room > 0;
  };
  const stream = new UnitStream({ send }, new Map([['cam-1', source.outbox]]), clock);
  const drain = (): void => {
    room = 7;
    stream.drained();
  };
  return { stream, clock, drain, samples: () => samples };
}

/** Whether a promise has settled once everything that can run now has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('the stream of a unit that stops', () => {
  test('has sent every frame before it is over', async () => {
    const { stream, drain, samples } = slowStream();
    const flushed = stream.flush();
    for (let n = 0; n < 20 && samples() < framesWaiting; n++) {
      assert.equal(await isSettled(flushed), false, `${samples()} frames are sent`);
      drain();
    }
    assert.equal(samples(), framesWaiting);
    drain();
    assert(await isSettled(flushed));
  });

  test('is over at once when nothing waits', async () => {
    const { stream, drain } = slowStream();
    for (let n = 0; n < 20; n++) drain();
    assert(await isSettled(stream.flush()));
  });

  test('does not wait for a manager that is gone', async () => {
    const { stream, clock } = slowStream();
    const flushed = stream.flush();
    stream.close();
    assert(await isSettled(flushed));
    assert.equal(clock.pending, 0);
    assert(await isSettled(stream.flush()));
  });

  test('waits five seconds for a manager that reads nothing', async () => {
    const { stream, clock } = slowStream();
    const flushed = stream.flush();
    clock.advance(4_999);
    assert.equal(await isSettled(flushed), false);
    clock.advance(1);
    assert(await isSettled(flushed));
  });
});
