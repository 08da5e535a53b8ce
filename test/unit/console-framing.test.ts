// Frames on a line that loses and changes bytes, and blobs carried over it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  BlobReceiver,
  describeBlob,
  formatDescription,
  formatRequest,
  parseDescription,
  parseRequest,
  partsFor,
  unitBytes,
} from '../../firmware/console/blob-transfer.ts';
import {
  crc32,
  type Frame,
  FrameScanner,
  formatFrame,
  frameCharactersMax,
} from '../../firmware/console/framed-lines.ts';

const frame = fc.record(
  {
    kind: fc.constantFrom('C', 'D', 'N', 'e', 'h'),
    tag: fc.nat(2 ** 31),
    number: fc.nat(2 ** 31),
    payload: fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

function scan(text: string | Buffer, cutEvery = 7): { frames: Frame[]; text: string } {
  const scanner = new FrameScanner();
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1');
  const found = [];
  for (let at = 0; at < bytes.length; at += cutEvery)
    found.push(...scanner.push(bytes.subarray(at, at + cutEvery)));
  const rest = scanner.flush();
  return {
    frames: found.flatMap((one) => ('frame' in one ? [one.frame] : [])),
    text: found.flatMap((one) => ('text' in one ? [one.text] : [])).join('') + rest,
  };
}

describe('framed lines', () => {
  test('the CRC is that of zlib', () => {
    assert.equal(crc32('123456789'), 0xcbf43926);
  });

  test('every frame comes back, whatever text is around it and however it is cut up', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(frame, fc.string())), fc.integer({ min: 1, max: 50 }), (items, cut) => {
        const plain = items.map(([one, text]) => [one, text.replaceAll(/[^ -z]|@/g, '')] as const);
        const line = plain.map(([one, text]) => formatFrame(one) + text).join('');
        const found = scan(line, cut);
        assert.deepEqual(
          found.frames,
          plain.map(([one]) => one),
        );
        assert.equal(found.text, plain.map(([, text]) => text).join(''));
      }),
    );
  });

  test('a frame with one byte changed, lost or added is no frame, and the next one is found', () => {
    fc.assert(
      fc.property(
        frame,
        frame,
        fc.nat(),
        fc.nat(255),
        fc.constantFrom(0, 1, 2),
        (first, second, at, byte, how) => {
          const good = Buffer.from(formatFrame(first), 'latin1');
          const place = at % good.length;
          const broken = Buffer.concat([
            good.subarray(0, place),
            how === 1 ? Buffer.alloc(0) : Buffer.from([byte]),
            good.subarray(how === 2 ? place : place + 1),
          ]);
          if (broken.equals(good)) return;
          const { frames } = scan(
            Buffer.concat([broken, Buffer.from(`\r\n${formatFrame(second)}`, 'latin1')]),
          );
          const last = frames.at(-1);
          assert.deepEqual(last, second);
          // A byte before the whole frame leaves it whole.
          for (const other of frames.slice(0, -1)) assert.deepEqual(other, first);
        },
      ),
    );
  });

  test('any bytes at all are endured, and nothing grows', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9_000 }), (bytes) => {
        const scanner = new FrameScanner();
        const start = Buffer.from('@S:');
        let out = 0;
        for (const found of scanner.push(Buffer.concat([start, bytes])))
          if ('text' in found) out += found.text.length;
        assert.ok(bytes.length + start.length - out <= frameCharactersMax, 'held back no more than a frame');
      }),
    );
  });

  test('a kernel message in front of a frame, on the same line, does no harm', () => {
    const one = { kind: 'D', tag: 1, number: 2, payload: Buffer.from('abc') };
    assert.deepEqual(scan(`[   12.345] usb 1-1: new device@S:D1.${formatFrame(one)}`).frames, [one]);
  });
});

describe('blobs', () => {
  const noise = fc.infiniteStream(fc.integer({ min: 0, max: 99 }));

  test('a blob arrives whole, whatever share of its frames is lost', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60_000, size: 'max' }),
        fc.nat(60),
        noise,
        (content, lostPercent, chance) => {
          const blob = Buffer.from(content);
          const description = parseDescription(formatDescription(describeBlob(blob)));
          assert.ok(description !== undefined, 'a description survives its frame');
          const receiver = new BlobReceiver(description);
          for (let round = 0; !receiver.done && round < 500; round++) {
            for (const request of receiver.requests(4)) {
              const asked = parseRequest(formatRequest(request));
              assert.deepEqual(asked, request);
              for (const part of partsFor(blob, request)) {
                if ((chance.next().value ?? 0) >= lostPercent) receiver.take(part);
                else receiver.heardBroken(1);
              }
            }
          }
          assert.ok(receiver.done, 'it is done');
          assert.deepEqual(receiver.result(), blob);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('any bytes as a request or a description are refused or harmless', () => {
    const blob = Buffer.alloc(1_000, 7);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 29 }), (bytes) => {
        const request = parseRequest(Buffer.from(bytes));
        for (const { unit, bytes: part } of request === undefined ? [] : partsFor(blob, request))
          assert.ok(unit * unitBytes + part.length <= blob.length, 'within the blob');
        const description = parseDescription(Buffer.from(bytes));
        if (description !== undefined) assert.ok(description.size <= 256 * 1024 * 1024, 'bounded');
      }),
    );
  });

  test('a part that does not belong into the blob is not taken', () => {
    const receiver = new BlobReceiver(describeBlob(Buffer.alloc(100)));
    assert.equal(receiver.take({ unit: 2, bytes: Buffer.alloc(36) }), false);
    assert.equal(receiver.take({ unit: 0, bytes: Buffer.alloc(35) }), false);
    assert.equal(receiver.take({ unit: 2, bytes: Buffer.alloc(28) }), true);
  });

  test('a blob that came out wrong is asked for again', () => {
    const receiver = new BlobReceiver(describeBlob(Buffer.alloc(72, 1)));
    receiver.take({ unit: 0, bytes: Buffer.alloc(72, 2) });
    assert.equal(receiver.done, true);
    assert.equal(receiver.result(), undefined);
    assert.equal(receiver.done, false);
    receiver.take({ unit: 0, bytes: Buffer.alloc(72, 1) });
    assert.deepEqual(receiver.result(), Buffer.alloc(72, 1));
  });

  test('a clean line gets long frames, a noisy one short ones', () => {
    const after = (broken: number): number => {
      const receiver = new BlobReceiver(describeBlob(Buffer.alloc(100_000)));
      for (let unit = 0; unit < 100; unit++) receiver.take({ unit, bytes: Buffer.alloc(36) });
      receiver.heardBroken(broken);
      receiver.requests(1);
      return receiver.runLength;
    };
    assert.equal(after(0), 32);
    assert.ok(after(300) <= 2, 'short');
  });
});
