/** The page's address, its layout and its zoom: what can be known of them without a browser. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PtzAnswer } from '../../firmware/viewing/api.ts';
import { movedBy, wholePicture, zoomedBy, zoomMax } from '../../firmware/viewing/web/picture-zoom.ts';
import { centredOn, draggedBy, zoomedTo } from '../../firmware/viewing/web/ptz-steering.ts';

type Route = Record<string, unknown> & { view: string };

interface LocationState {
  parseHash: (hash: string) => Route;
  gridHref: (group?: string, columns?: number) => string;
  cameraHref: (camera: string, atMs?: number) => string;
  playHref: (cameras: readonly string[], atMs?: number) => string;
  networkHref: (server?: string) => string;
}

interface GridLayout {
  readLayout: (kept: unknown) => { columns: number | undefined; order: string[]; hidden: string[] };
  movedTo: (all: readonly string[], shown: readonly string[], camera: string, index: number) => string[];
  bestColumns: (count: number, width: number, height: number) => number;
}

/** These files are of the page's own TypeScript project, which knows a browser. */
const page = (file: string) => import(new URL(`../../firmware/viewing/web/${file}`, import.meta.url).href);
const { parseHash, ...hrefs } = (await page('location-state.ts')) as LocationState;
const { readLayout, movedTo, bestColumns } = (await page('grid-layout.ts')) as GridLayout;

const id = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/);
const time = fc.integer({ min: 0, max: 4e12 });

describe('the address', () => {
  it('says the same to whoever opens it', () => {
    fc.assert(
      fc.property(id, time, (camera, atMs) => {
        assert.deepEqual(parseHash(hrefs.cameraHref(camera, atMs)), { view: 'camera', camera, atMs });
      }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 9 }), time, (cameras, atMs) => {
        assert.deepEqual(parseHash(hrefs.playHref(cameras, atMs)), { view: 'play', cameras, atMs, speed: 1 });
      }),
    );
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.integer({ min: 1, max: 8 }),
        (group, columns) => {
          assert.deepEqual(parseHash(hrefs.gridHref(group, columns)), { view: 'grid', group, columns });
        },
      ),
    );
    assert.deepEqual(parseHash(hrefs.networkHref('ss-1')), { view: 'network', server: 'ss-1' });
  });

  it('is readable, and to the millisecond only where that matters', () => {
    assert.equal(hrefs.cameraHref('cam-1', 0), '#/camera/cam-1?at=1970-01-01T00:00:00Z');
    assert.equal(hrefs.playHref(['a', 'b'], 1), '#/play?cameras=a,b&at=1970-01-01T00:00:00.001Z');
    assert.equal(hrefs.gridHref('A & B'), '#/?group=A+%26+B');
  });

  it('leads somewhere, whatever it says', () => {
    const views = ['grid', 'camera', 'play', 'network', 'settings'];
    const places = fc.constantFrom('#/camera/', '#/play?cameras=', '#/settings/', '#/network?', '#/?', '#');
    fc.assert(
      fc.property(places, fc.string({ unit: 'binary' }), (place, rest) => {
        assert.ok(views.includes(parseHash(place + rest).view), 'no view');
      }),
    );
    assert.deepEqual(parseHash('#/camera/%E0%A4%A'), { view: 'grid', group: undefined, columns: undefined });
    assert.deepEqual(parseHash('#/settings/nothing'), { view: 'settings', page: 'cameras' });
    assert.equal(parseHash('#/?layout=99').columns, undefined);
    const many = Array.from({ length: 100 }, (_, place) => `cam-${place}`);
    assert.equal((parseHash(hrefs.playHref(many)).cameras as string[]).length, 9);
  });
});

describe('the layout of a device', () => {
  it('is what makes sense of anything that the browser kept', () => {
    fc.assert(
      fc.property(fc.anything(), (kept) => {
        const { columns, order, hidden } = readLayout(kept);
        assert.ok(columns === undefined || (columns >= 1 && columns <= 6), `${columns} columns`);
        assert.ok(
          [...order, ...hidden].every((one) => typeof one === 'string'),
          'an id that is no text',
        );
      }),
    );
    assert.equal(readLayout({ order: Array(5_000).fill('x') }).order.length, 1_000);
  });

  it('moves one camera among those shown and leaves the others where they are', () => {
    assert.deepEqual(movedTo(['a', 'b', 'c', 'd'], ['a', 'c', 'd'], 'a', 2), ['c', 'b', 'd', 'a']);
    assert.deepEqual(movedTo(['a', 'b', 'c'], ['a', 'b', 'c'], 'c', -9), ['c', 'a', 'b']);
  });

  it('makes pictures as large as the screen allows', () => {
    assert.equal(bestColumns(4, 1920, 1080), 2);
    assert.equal(bestColumns(3, 1080, 1920), 1);
    assert.equal(bestColumns(9, 1920, 1080), 3);
    assert.equal(bestColumns(1, 360, 740), 1);
  });
});

describe('looking closer', () => {
  it('never shows what is beyond the picture, however one zooms and moves', () => {
    const step = fc.record({
      factor: fc.double({ min: 0.1, max: 10, noNaN: true }),
      x: fc.double({ min: -3, max: 3, noNaN: true }),
      y: fc.double({ min: -3, max: 3, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let zoom = wholePicture;
        for (const { factor, x, y } of steps)
          zoom = movedBy(zoomedBy(zoom, factor, { x, y }), { x: y, y: x });
        assert.ok(zoom.scale >= 1 && zoom.scale <= zoomMax, `scale ${zoom.scale}`);
        const most = (zoom.scale - 1) / 2 + 1e-9;
        assert.ok(Math.abs(zoom.x) <= most && Math.abs(zoom.y) <= most, 'an edge inside the frame');
      }),
    );
  });

  it('keeps what lies under the pointer under it', () => {
    const around = { x: 0.2, y: -0.1 };
    const zoom = zoomedBy(wholePicture, 3, around);
    // where the point of the picture that was there is now
    assert.ok(Math.abs(zoom.x + 0.2 * zoom.scale - 0.2) < 1e-9, String(zoom.x));
    assert.ok(Math.abs(zoom.y - 0.1 * zoom.scale + 0.1) < 1e-9, String(zoom.y));
  });
});

describe('steering by the picture', () => {
  const ptz: PtzAnswer = {
    camera: 'gate',
    position: { pan: 0, tilt: 0, zoom: 1 },
    moving: false,
    limits: { pan: [-90, 90], tilt: null, zoom: [1, 4] },
    fieldOfView: 60,
    presets: [],
  };

  it('centres a point by what the picture shows at its zoom, within the limits, on the axes there are', () => {
    assert.deepEqual(centredOn(ptz, { pan: 0, tilt: 0, zoom: 1 }, { x: 0.5, y: 0.5 }), { pan: 30 });
    assert.deepEqual(centredOn(ptz, { pan: 0, tilt: 0, zoom: 2 }, { x: 0.5, y: 0 }), { pan: 15 });
    assert.deepEqual(centredOn(ptz, { pan: 80, tilt: 0, zoom: 1 }, { x: 0.5, y: 0 }), { pan: 90 });
    const turning: PtzAnswer = { ...ptz, limits: { ...ptz.limits, tilt: [-20, 30] } };
    // a point in the upper half is further up
    assert.deepEqual(centredOn(turning, { pan: 0, tilt: 0, zoom: 1 }, { x: 0, y: -0.5 }), {
      pan: 0,
      tilt: 16.88,
    });
  });

  it('moves the scene with the pointer, and zooms by factors', () => {
    assert.deepEqual(draggedBy(ptz, { pan: 0, tilt: 0, zoom: 1 }, { x: 0.5, y: 0 }), { pan: -30 });
    assert.deepEqual(zoomedTo(ptz, 2, 10), { zoom: 4 });
  });
});
