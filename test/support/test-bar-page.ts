/** Reads the test picture's bar inside the browser: which frame a video shows, and when that frame was drawn. */
import { build } from 'esbuild';
import type { Page } from 'playwright-core';

/** Adds `starlingBar(video)` to a page: `{frameNumber, utcMs}` of the displayed frame, or null. */
export async function installBarReader(page: Page): Promise<void> {
  const entry = `
    import { readTestBar } from './firmware/capture/test-bar.ts';
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    window.starlingBar = (video) => {
      const width = video.videoWidth, height = video.videoHeight;
      if (width === 0) return null;
      const rows = Math.min(height, 96);
      canvas.width = width; canvas.height = rows;
      context.drawImage(video, 0, 0, width, rows, 0, 0, width, rows);
      const { data } = context.getImageData(0, 0, width, rows);
      const bar = readTestBar((x, y) => data[(y * width + x) * 4 + 1], width, height);
      return bar.ok ? bar.value : null;
    };`;
  const bundle = await build({
    stdin: { contents: entry, resolveDir: new URL('../../', import.meta.url).pathname, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'iife',
    logLevel: 'silent',
  });
  // The page's own rules forbid foreign scripts; the debugger is not the page.
  await page.evaluate(bundle.outputFiles[0]?.text ?? '');
}

/** A displayed frame: its number, when it was drawn, and how long after that it was displayed, ms. */
export interface DisplayedFrame {
  readonly frameNumber: number;
  readonly utcMs: number;
  readonly latencyMs: number;
}

/** Watches `count` displayed frames of a video element; rejects when they take longer than `limitMs`. */
export async function watchFrames(
  page: Page,
  selector: string,
  count: number,
  limitMs = 30_000,
): Promise<DisplayedFrame[]> {
  await installBarReader(page);
  return page.evaluate<DisplayedFrame[]>(`new Promise((resolve, reject) => {
    const video = document.querySelector(${JSON.stringify(selector)});
    const frames = [];
    const deadline = Date.now() + ${limitMs};
    const next = (now, { expectedDisplayTime }) => {
      const shownMs = performance.timeOrigin + Math.max(expectedDisplayTime, performance.now());
      const bar = starlingBar(video);
      if (bar !== null) frames.push({ ...bar, latencyMs: shownMs - bar.utcMs });
      if (frames.length >= ${count}) resolve(frames);
      else if (Date.now() > deadline) reject(new Error('only ' + frames.length + ' frames were displayed'));
      else video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  })`);
}
