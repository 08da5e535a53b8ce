/** The part of a picture that digital zoom shows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Crop,
  cropOf,
  cropSteps,
  type DigitalView,
  digitalReach,
} from '../../firmware/capture/digital-view.ts';

const view: DigitalView = { width: 1280, height: 720, fieldOfView: 60, follows: 'all' };

const even = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: min / 2, max: max / 2 }).map((half) => half * 2);
const views: fc.Arbitrary<DigitalView> = fc.record({
  width: even(160, 3840),
  height: even(120, 2160),
  fieldOfView: fc.double({ min: 1, max: 180, noNaN: true }),
  follows: fc.constantFrom('zoom', 'all'),
});
const positions = fc.record({
  pan: fc.double({ min: -360, max: 360, noNaN: true }),
  tilt: fc.double({ min: -360, max: 360, noNaN: true }),
  zoom: fc.double({ min: 1, max: 64, noNaN: true }),
});

describe('digital zoom', () => {
  test('shows everything without zoom, wherever it looks', () => {
    const nothing = { left: 0, right: 0, top: 0, bottom: 0 };
    assert.deepEqual(cropOf(view, { pan: 0, tilt: 0, zoom: 1 }), nothing);
    assert.deepEqual(cropOf(view, { pan: 25, tilt: -10, zoom: 1 }), nothing);
  });

  test('shows the middle when it looks straight ahead', () => {
    assert.deepEqual(cropOf(view, { pan: 0, tilt: 0, zoom: 2 }), {
      left: 320,
      right: 320,
      top: 180,
      bottom: 180,
    });
  });

  test('looks to the right and upwards, as far as the picture goes', () => {
    const crop = cropOf(view, { pan: 7.5, tilt: 3, zoom: 2 });
    assert.deepEqual(crop, { left: 480, right: 160, top: 116, bottom: 244 });
    const corner = cropOf(view, { pan: 40, tilt: 40, zoom: 4 });
    assert.deepEqual(corner, { left: 960, right: 0, top: 0, bottom: 540 });
    assert.equal(digitalReach(60, 4), 22.5);
    assert.equal(digitalReach(60, 1), 0);
  });

  test('leaves the direction to motors where there are some', () => {
    const motors: DigitalView = { ...view, follows: 'zoom' };
    assert.deepEqual(
      cropOf(motors, { pan: 40, tilt: -20, zoom: 2 }),
      cropOf(view, { pan: 0, tilt: 0, zoom: 2 }),
    );
  });

  test('cuts an even number of pixels at each side, and always leaves a picture of the same shape', () => {
    fc.assert(
      fc.property(views, positions, (any, position) => {
        const { left, right, top, bottom } = cropOf(any, position);
        for (const side of [left, right, top, bottom]) assert(side >= 0 && side % 2 === 0, `${side}`);
        const [across, down] = [any.width - left - right, any.height - top - bottom];
        assert(across >= 16 && down >= 16, `${across}x${down}`);
        assert(Math.abs(across - Math.max(16, any.width / position.zoom)) <= 2);
        assert(Math.abs(down - Math.max(16, any.height / position.zoom)) <= 2);
      }),
    );
  });

  test('goes from one part to another without ever cutting off more than one of them does', () => {
    fc.assert(
      fc.property(views, positions, positions, (any, one, other) => {
        const from = cropOf(any, one);
        const to = cropOf(any, other);
        const crop: { -readonly [S in keyof Crop]: number } = { ...from };
        for (const [side, pixels] of cropSteps(from, to)) {
          crop[side] = pixels;
          const widest = Math.max(from.left + from.right, to.left + to.right);
          const highest = Math.max(from.top + from.bottom, to.top + to.bottom);
          assert(crop.left + crop.right <= widest && crop.top + crop.bottom <= highest);
        }
        assert.deepEqual(crop, to);
      }),
    );
  });
});
