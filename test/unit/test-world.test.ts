/** The test picture of a camera that turns: it shows the same world from wherever it looks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readTestBar } from '../../firmware/capture/test-bar.ts';
import { createTestPicture } from '../../firmware/capture/test-picture.ts';
import { drawLandscape, landscapePainter, layoutOf } from '../../firmware/capture/test-scene.ts';
import { createWorld, straightAhead, type View, viewAt } from '../../firmware/capture/test-world.ts';
import type { Position } from '../../firmware/ptz/position.ts';

const [width, height] = [320, 192];
const layout = layoutOf(width, height);
const hue = 205;
const paint = landscapePainter(layout, hue);

/** What a camera sees, from a world that has shown `before` already. */
function seen(view: View, before: readonly View[] = []): Buffer {
  const show = createWorld(layout, paint);
  const picture = Buffer.alloc(layout.bytes);
  for (const earlier of before) show(picture, earlier);
  show(picture, view);
  return picture;
}

const luma = (picture: Buffer, x: number, y: number): number => picture[y * layout.stride + x] ?? -1;

describe('the world of a camera that turns', () => {
  test('is the still landscape, straight ahead', () => {
    assert(seen(straightAhead).equals(drawLandscape(layout, hue)));
    const home = viewAt({ pan: 0, tilt: 0, zoom: 1 }, layout, 60);
    assert.deepEqual(home, straightAhead);
  });

  test('moves by as many pixels as the camera turns', () => {
    const ahead = seen(straightAhead);
    // 60 degrees are 320 pixels: 15 to the right are 80, 7.5 upwards are 40.
    const turned = seen(viewAt({ pan: 15, tilt: 7.5, zoom: 1 }, layout, 60));
    let compared = 0;
    for (let y = 40; y < height; y++) {
      for (let x = 0; x < width - 80; x++) {
        assert.equal(luma(turned, x, y), luma(ahead, x + 80, y - 40), `${x}, ${y}`);
        compared += 1;
      }
    }
    assert(compared > 30_000);
    assert(!turned.equals(ahead));
  });

  test('is larger about the middle of the picture when the camera zooms', () => {
    const ahead = seen(straightAhead);
    const near = seen(viewAt({ pan: 0, tilt: 0, zoom: 2 }, layout, 60));
    for (let y = 0; y < height; y += 7) {
      for (let x = 0; x < width; x += 5) {
        const from = [Math.floor(80 + x / 2), Math.floor(48 + y / 2)] as const;
        assert.equal(luma(near, x, y), luma(ahead, ...from), `${x}, ${y}`);
      }
    }
  });

  test('looks the same whichever way the camera came', () => {
    const position: fc.Arbitrary<Position> = fc.record({
      pan: fc.double({ min: -180, max: 180, noNaN: true }),
      tilt: fc.double({ min: -90, max: 90, noNaN: true }),
      zoom: fc.double({ min: 1, max: 64, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(position, { maxLength: 4 }), position, (before, last) => {
        const views = before.map((one) => viewAt(one, layout, 60));
        const view = viewAt(last, layout, 60);
        assert(seen(view, views).equals(seen(view)));
      }),
      { numRuns: 20 },
    );
  });

  test('has stars above, and nothing that is out of range', () => {
    const sky = seen(viewAt({ pan: 40, tilt: 60, zoom: 1 }, layout, 60));
    const values = [...sky.subarray(0, layout.lumaBytes)];
    assert(values.filter((value) => value > 60).length > 20, 'stars');
    assert(Math.min(...values) >= 16 && Math.max(...values) <= 235, 'range');
  });
});

describe('the test picture of a camera that turns', () => {
  const options = { width: 640, height: 360, frameRate: 25, label: 'door', hue, fieldOfView: 60 };
  const utcMs = Date.UTC(2026, 10, 22, 12, 34, 56, 789);
  const home: Position = { pan: 0, tilt: 0, zoom: 1 };

  test('says where it looks, and is otherwise that of one that cannot turn', () => {
    const [fixed, turning] = [createTestPicture(options), createTestPicture(options, home)];
    const [a, b] = [Buffer.alloc(fixed.bytes), Buffer.alloc(fixed.bytes)];
    fixed.draw(a, 30, utcMs);
    turning.draw(b, 30, utcMs, home);
    const rows = new Set<number>();
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) rows.add(Math.floor(i / 640));
    assert(rows.size > 0 && rows.size < 24, `${rows.size} rows differ`);
    for (const row of rows) assert(row > 200 && row < 300, `row ${row}`);
  });

  test('drawn over an earlier frame is as drawn anew, wherever it looked before', () => {
    const turning = createTestPicture(options, home);
    const reused = Buffer.alloc(turning.bytes);
    for (let n = 0; n < 60; n += 3) {
      const position = { pan: Math.floor(n / 9) * 7 - 20, tilt: n / 6, zoom: 1 + Math.floor(n / 12) / 2 };
      turning.draw(reused, n, utcMs + n * 40, position);
      const anew = createTestPicture(options, position);
      const whole = Buffer.alloc(anew.bytes);
      anew.draw(whole, n, utcMs + n * 40, position);
      assert(whole.equals(reused), `frame ${n}`);
      const bar = readTestBar((x, y) => reused[y * 640 + x] ?? 0, 640, 360);
      assert.deepEqual(bar, { ok: true, value: { frameNumber: n, utcMs: utcMs + n * 40 } });
    }
  });

  test('shows birds that stay in their place when it turns and grow when it zooms', () => {
    const shades = (position: Position): number => {
      const turning = createTestPicture({ ...options, label: '' }, position);
      const [early, late] = [Buffer.alloc(turning.bytes), Buffer.alloc(turning.bytes)];
      turning.draw(early, 1, utcMs, position);
      turning.draw(late, 201, utcMs, position);
      let count = 0;
      for (let i = 640 * 60; i < 640 * 200; i++) if (early[i] !== late[i]) count += 1;
      return count;
    };
    const [ahead, near, away] = [shades(home), shades({ ...home, zoom: 2 }), shades({ ...home, pan: 90 })];
    assert(ahead > 500 && near > ahead, `${ahead} pixels, then ${near}`);
    assert.equal(away, 0, 'no birds a quarter turn away');
  });
});
