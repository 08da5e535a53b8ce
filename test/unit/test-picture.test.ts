/** The test source: the bar survives real coding, the flash is on time, and only changes are drawn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { drawText } from '../../firmware/capture/bitmap-font.ts';
import { readTestBar } from '../../firmware/capture/test-bar.ts';
import { createTestPicture, nearestTestSize } from '../../firmware/capture/test-picture.ts';
import { layoutOf } from '../../firmware/capture/test-scene.ts';
import { run } from '../support/gst.ts';

const utcMs = Date.UTC(2026, 10, 22, 12, 34, 56, 789);
const options = { width: 640, height: 360, frameRate: 25, label: 'door', hue: 210 };

function lumaOf(frame: Uint8Array, width: number): (x: number, y: number) => number {
  const stride = (width + 3) & ~3;
  return (x, y) => frame[y * stride + x] ?? 0;
}

function read(frame: Uint8Array, width = 640, height = 360): ReturnType<typeof readTestBar> {
  return readTestBar(lumaOf(frame, width), width, height);
}

/** One frame in a buffer of its own. */
function frameOf(change: Partial<typeof options>, frameNumber: number, timeMs = utcMs): Buffer {
  const picture = createTestPicture({ ...options, ...change });
  const frame = Buffer.alloc(picture.bytes);
  picture.draw(frame, frameNumber, timeMs);
  return frame;
}

/** Places (x, y) where the luma of two frames differs. */
function differences(a: Buffer, b: Buffer, width = 640, height = 360): { x: number; y: number }[] {
  const places: { x: number; y: number }[] = [];
  for (let i = 0; i < width * height; i++) {
    if (a[i] !== b[i]) places.push({ x: i % width, y: Math.floor(i / width) });
  }
  return places;
}

/** Luma in the middle of the patch in the top right corner. */
function patch(frame: Buffer): number | undefined {
  return frame[36 * 640 + 604];
}

test('the bar tells frame number and time in every size', () => {
  for (const [width, height] of [
    [256, 144],
    [322, 182],
    [640, 360],
    [854, 480],
    [1280, 720],
    [1920, 1080],
  ] as const) {
    const frame = frameOf({ width, height }, 123_456);
    assert.deepEqual(read(frame, width, height), { ok: true, value: { frameNumber: 123_456, utcMs } });
  }
});

test('the bar holds every frame number and time up to its bits', () => {
  const picture = createTestPicture(options);
  const frame = Buffer.alloc(picture.bytes);
  fc.assert(
    fc.property(
      fc.nat(2 ** 24 - 1),
      fc.maxSafeNat().map((value) => value % 2 ** 44),
      (frameNumber, timeMs) => {
        picture.draw(frame, frameNumber, timeMs);
        assert.deepEqual(read(frame), { ok: true, value: { frameNumber, utcMs: timeMs } });
      },
    ),
  );
});

for (const [width, height] of [
  [640, 360],
  [1280, 720],
] as const) {
  test(`the bar survives H.264 at 1 Mbit/s in ${width} × ${height}`, async () => {
    const picture = createTestPicture({ ...options, width, height });
    const frames = Array.from({ length: 50 }, (_, n) => {
      const frame = Buffer.alloc(picture.bytes);
      picture.draw(frame, 1000 + n, utcMs + n * 40);
      return frame;
    });
    const raw = [
      '-f',
      'rawvideo',
      '-pix_fmt',
      'yuv420p',
      '-s',
      `${width}x${height}`,
      '-r',
      '25',
      '-i',
      'pipe:0',
    ];
    const coding = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-b:v', '1M'];
    const limits = ['-maxrate', '1M', '-bufsize', '1M', '-g', '25', '-f', 'h264', 'pipe:1'];
    const coded = await run('ffmpeg', ['-v', 'error', ...raw, ...coding, ...limits], Buffer.concat(frames));
    assert.equal(coded.stderr, '');
    assert(coded.stdout.length < 450_000, `${coded.stdout.length} bytes for two seconds`);
    const decoded = await run(
      'ffmpeg',
      ['-v', 'error', '-f', 'h264', '-i', 'pipe:0', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', 'pipe:1'],
      coded.stdout,
    );
    assert.equal(decoded.stdout.length, frames.length * picture.bytes);
    for (const n of frames.keys()) {
      const frame = decoded.stdout.subarray(n * picture.bytes, (n + 1) * picture.bytes);
      assert.deepEqual(read(frame, width, height), {
        ok: true,
        value: { frameNumber: 1000 + n, utcMs: utcMs + n * 40 },
      });
    }
  });
}

test('a picture without a bar, and a bar with one cell turned over, are refused', () => {
  assert.deepEqual(
    readTestBar(() => 100, 640, 360),
    { ok: false, reason: 'no test bar' },
  );
  const frame = frameOf({}, 77);
  const luma = lumaOf(frame, 640);
  for (let cell = 4; cell < 80; cell++) {
    const left = 12 * (1 + (cell % 40));
    const top = 12 * (1 + Math.floor(cell / 40));
    const turned = (x: number, y: number) => {
      const inside = x >= left && x < left + 12 && y >= top && y < top + 12;
      return inside ? 251 - luma(x, y) : luma(x, y);
    };
    assert.deepEqual(
      readTestBar(turned, 640, 360),
      { ok: false, reason: 'CRC of the test bar' },
      `cell ${cell}`,
    );
  }
});

test('the patch is white during the first 80 ms of every second of running time', () => {
  const picture = createTestPicture(options);
  const frame = Buffer.alloc(picture.bytes);
  for (let n = 0; n < 100; n++) {
    // the clock on the wall does not matter
    picture.draw(frame, n, utcMs + 313 + n * 40);
    assert.equal(patch(frame), n % 25 < 2 ? 235 : 16, `frame ${n}`);
  }
});

test('drawing changes over an earlier frame gives the same picture as drawing it whole', () => {
  const picture = createTestPicture(options);
  const reused = Buffer.alloc(picture.bytes);
  const other = Buffer.alloc(picture.bytes);
  for (let n = 0; n < 700; n += 7) {
    picture.draw(n % 2 === 0 ? reused : other, n, utcMs + n * 1234);
    const whole = Buffer.alloc(picture.bytes);
    picture.draw(whole, n, utcMs + n * 1234);
    assert(whole.equals(n % 2 === 0 ? reused : other), `frame ${n}`);
  }
});

test('the label is written large at the bottom left and nowhere else', () => {
  const places = differences(frameOf({ label: 'door' }, 5), frameOf({ label: 'gate' }, 5));
  assert(places.length > 500, `${places.length} pixels differ`);
  for (const { x, y } of places) assert(x < 320 && y > 250, `${x}, ${y}`);
});

test('the longest label of a camera stays inside the picture', () => {
  for (const { x } of differences(frameOf({ label: 'w'.repeat(32) }, 5), frameOf({ label: '' }, 5))) {
    assert(x >= 12 && x < 640 - 12, `${x}`);
  }
});

test('a second later the clock and the birds have changed, the hills have not', () => {
  const places = differences(frameOf({}, 30), frameOf({}, 55, utcMs + 1000));
  const clock = places.filter(({ y }) => y > 330);
  assert(clock.length > 50);
  assert(places.some(({ y }) => y > 60 && y < 230));
  assert.deepEqual(
    places.filter(({ y }) => y > 250 && y < 330),
    [],
  );
});

test('cameras of another hue have another picture', () => {
  const a = frameOf({ hue: 30 }, 5);
  const b = frameOf({ hue: 210 }, 5);
  const { lumaBytes, chromaBytes } = layoutOf(640, 360);
  const blue = (frame: Buffer) => {
    const plane = frame.subarray(lumaBytes, lumaBytes + chromaBytes);
    return plane.reduce((sum, value) => sum + value, 0) / chromaBytes;
  };
  assert(blue(b) > 132 && blue(a) < 124, `${blue(a)} and ${blue(b)}`);
});

test('sizes are made even and large enough', () => {
  assert.deepEqual(nearestTestSize(641, 359), { width: 642, height: 360 });
  assert.deepEqual(nearestTestSize(1, 1), { width: 256, height: 144 });
  assert.throws(() => createTestPicture({ ...options, width: 641 }), assert.AssertionError);
});

test('letters of either case are drawn from the same bitmaps', () => {
  const draw = (text: string) => {
    const plane = { bytes: Buffer.alloc(12 * 8, '.'), stride: 12 };
    const style = { x: 0, y: 0, scale: 1, luma: '#'.charCodeAt(0), shadowLuma: '.'.charCodeAt(0) };
    drawText(plane, style, text);
    return plane.bytes.toString('latin1').match(/.{12}/g);
  };
  assert.deepEqual(draw('r2'), [
    '####...###..',
    '#...#.#...#.',
    '#...#.....#.',
    '####.....#..',
    '#.#.....#...',
    '#..#...#....',
    '#...#.#####.',
    '............',
  ]);
  assert.deepEqual(draw('R2'), draw('r2'));
  assert.deepEqual(draw('é~'), draw('??'));
});
