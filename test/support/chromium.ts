/**
 * Debian's Chromium for tests of the page: launched through playwright-core with a profile of its own, with every
 * console error and every uncaught error collected, and with ways to ask a video what it really shows.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

const executable = '/usr/bin/chromium';
const switches = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface ChromiumOptions {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'dark' | 'light';
  readonly touch?: boolean;
  /** such as `Europe/Berlin`; by default the machine's */
  readonly timeZone?: string;
  /** PEM file of a certificate authority that this browser trusts, as if somebody had imported it */
  readonly authority?: string;
}

/** A browser with one page; dispose it and its profile is gone. */
export class Chromium implements AsyncDisposable {
  readonly page: Page;
  /** console errors and uncaught errors, oldest first */
  readonly errors: string[] = [];
  private readonly context: BrowserContext;
  private readonly profile: string;

  constructor(context: BrowserContext, page: Page, profile: string) {
    this.context = context;
    this.page = page;
    this.profile = profile;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Launches Chromium with one empty page. */
export async function openChromium(options: ChromiumOptions = {}): Promise<Chromium> {
  const profile = await mkdtemp(join(tmpdir(), 'starling-chromium-'));
  if (options.authority !== undefined) await importAuthority(profile, options.authority);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    headless: true,
    args: switches,
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    colorScheme: options.colorScheme ?? 'dark',
    hasTouch: options.touch ?? false,
    ...(options.timeZone === undefined ? {} : { timezoneId: options.timeZone }),
    // where this browser looks for what its user has imported
    env: { ...process.env, HOME: profile },
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const browser = new Chromium(context, page, profile);
  page.on('console', (message) => {
    if (message.type() === 'error') browser.errors.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => browser.errors.push(String(error.stack ?? error)));
  return browser;
}

/** As Settings → Certificates → Import does, for a home folder. */
async function importAuthority(home: string, certificate: string): Promise<void> {
  const folder = join(home, '.pki', 'nssdb');
  const certutil = (...args: string[]) => promisify(execFile)('certutil', ['-d', `sql:${folder}`, ...args]);
  await mkdir(folder, { recursive: true });
  await certutil('-N', '--empty-password');
  await certutil('-A', '-n', 'the site', '-t', 'C,,', '-i', certificate);
}

/** What a video element says of itself. */
export interface VideoFacts {
  readonly state: string;
  readonly displayedFrames: number;
  readonly currentTime: number;
  /** media seconds ready behind the playing position */
  readonly ahead: number;
  readonly playbackRate: number;
  /** of a recording: the displayed frame's time, ms UTC */
  readonly wallClockMs: number;
}

/** Reads a video element; one that is not there, as while the page goes to another view, has shown nothing. */
export function readVideo(page: Page, selector: string): Promise<VideoFacts> {
  return page.evaluate<VideoFacts>(`(() => {
    const video = document.querySelector(${JSON.stringify(selector)}) ?? document.createElement('video');
    const { buffered, currentTime, dataset } = video;
    return {
      state: dataset.state ?? '',
      displayedFrames: Number(dataset.displayedFrames ?? 0),
      currentTime,
      ahead: buffered.length === 0 ? 0 : buffered.end(buffered.length - 1) - currentTime,
      playbackRate: video.playbackRate,
      wallClockMs: Date.parse(dataset.wallClock ?? ''),
    };
  })()`);
}

/** RGBA pixels of the frame a video element shows, scaled to a width and height. */
export async function readPixels(
  page: Page,
  selector: string,
  width: number,
  height: number,
): Promise<Buffer> {
  const base64 = await page.evaluate<string>(`(() => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [${width}, ${height}];
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(document.querySelector(${JSON.stringify(selector)}), 0, 0, ${width}, ${height});
    const { data } = context.getImageData(0, 0, ${width}, ${height});
    let text = '';
    for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
    return btoa(text);
  })()`);
  return Buffer.from(base64, 'base64');
}

/** A hash of the frame a video element shows; two different pictures differ. */
export async function hashPicture(page: Page, selector: string): Promise<string> {
  return createHash('sha256')
    .update(await readPixels(page, selector, 160, 90))
    .digest('hex');
}

/** Asks until the answer is good; rejects with the last answer when the time is over. */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T>,
  good: (answer: T) => boolean,
  limitMs = 10_000,
): Promise<T> {
  const until = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (performance.now() > until) {
      throw new Error(`${what}: not within ${limitMs} ms; last seen ${JSON.stringify(answer)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
