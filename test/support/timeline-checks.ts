/** What the tests of the page's timeline do again and again: find places on it, read what it says, drag on it. */
import type { CDPSession, Page } from 'playwright-core';
import { readPixels, waitFor } from './chromium.ts';
import { squareSide } from './page-fixture-video.ts';

export const slider = '.timeline-slider';
/** The picture that is seen while scrubbing. */
export const scrubVideo = '.scrub video';

/** What a timeline shows, ms UTC, and where it is on the screen. */
export interface TimelineFacts {
  readonly fromMs: number;
  readonly toMs: number;
  readonly headMs: number;
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The window's end is not told: it follows from the place of the head. */
export function readTimeline(page: Page): Promise<TimelineFacts> {
  return page.evaluate<TimelineFacts>(`(() => {
    const slider = document.querySelector('${slider}');
    const box = slider.getBoundingClientRect();
    const { from, to } = slider.dataset;
    return {
      fromMs: Number(from),
      toMs: Number(to),
      headMs: Number(slider.getAttribute('aria-valuenow')) * 1000,
      text: slider.getAttribute('aria-valuetext'),
      left: box.left + slider.clientLeft, top: box.top + slider.clientTop,
      width: slider.clientWidth, height: slider.clientHeight,
    };
  })()`);
}

/** Where a time is on the screen. */
export async function xOf(page: Page, ms: number): Promise<{ x: number; y: number }> {
  const { fromMs, toMs, left, top, width, height } = await readTimeline(page);
  return { x: left + ((ms - fromMs) / (toMs - fromMs)) * width, y: top + height * 0.6 };
}

/** The second and the segment painted into the picture that is seen while scrubbing. */
async function scrubbedFrame(page: Page): Promise<{ second: number; segment: number }> {
  const pixels = await readPixels(page, scrubVideo, 640, 360);
  let value = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    const [x, y] = [bit * squareSide + squareSide / 2, 360 - squareSide / 2];
    if ((pixels[(y * 640 + x) * 4] ?? 0) > 127) value |= 1 << bit;
  }
  return { second: value & 63, segment: value >> 6 };
}

/** Waits until the scrub picture shows a second of a segment. */
export function scrubbedTo(page: Page, second: number, segment: number): Promise<unknown> {
  return waitFor(
    `the picture of second ${second} of segment ${segment}`,
    () => scrubbedFrame(page),
    (frame) => frame.second === second && frame.segment === segment,
    5_000,
  );
}

/** Fingers on the screen, by way of the debugger: the page gets real touches. */
export async function touch(
  session: CDPSession,
  type: 'touchStart' | 'touchMove' | 'touchEnd',
  points: readonly { x: number; y: number }[],
): Promise<void> {
  await session.send('Input.dispatchTouchEvent', {
    type,
    touchPoints: points.map((point, id) => ({ ...point, id })),
  });
}
