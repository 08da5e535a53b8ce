/** Digital zoom: which part of the picture is shown, and how large. Pure. Places as in picture-gestures.ts. */

/** A place on a picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export const zoomMax = 8;

export interface Zoom {
  readonly scale: number;
  /** where the picture's middle is, in shares of the frame */
  readonly x: number;
  readonly y: number;
}

export const wholePicture: Zoom = { scale: 1, x: 0, y: 0 };

/** Larger by a factor; what lies under `around` stays under it. */
export function zoomedBy(zoom: Zoom, factor: number, around: Point = { x: 0, y: 0 }): Zoom {
  const wanted = zoom.scale * factor;
  const scale = wanted < 1.02 ? 1 : Math.min(zoomMax, wanted);
  const grown = scale / zoom.scale;
  const x = around.x - (around.x - zoom.x) * grown;
  const y = around.y - (around.y - zoom.y) * grown;
  return held({ scale, x, y });
}

/** Moved by a share of the frame. */
export function movedBy(zoom: Zoom, by: Point): Zoom {
  return held({ ...zoom, x: zoom.x + by.x, y: zoom.y + by.y });
}

/** The picture always fills the frame. */
function held({ scale, x, y }: Zoom): Zoom {
  const most = (scale - 1) / 2;
  const within = (value: number) => Math.max(-most, Math.min(most, value)) + 0;
  return { scale, x: within(x), y: within(y) };
}
