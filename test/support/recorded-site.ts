/**
 * A site whose servers `a` and `b` have recordings of camera `door`, managed by `b`, made of real video and sound: a
 * capture of 10 s, of which `a` has the first 5 and `b` the last 7, and on `b` another of 4 s, a minute later. And
 * what a test needs to look at them: lists, downloads with trailers, and ffmpeg as the judge.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import type { RecordingsAnswer } from '../../firmware/viewing/api.ts';
import { describeTrack, type Encoded, encodeAudio, encodeVideo, run } from './gst.ts';
import { ViewingSite } from './viewing-site.ts';

/** The one camera. */
export const camera = 'door';
/** UTC of PTS 0 of the first capture, µs. */
export const originUs = Date.parse('2026-11-22T12:00:00Z') * 1000;

/** An answer with everything that came with it; `fetch` does not show trailers. */
export interface Download {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
}

/** A video packet, seconds. */
export interface Packet {
  readonly pts: number;
  readonly duration: number;
}

export class RecordedSite implements AsyncDisposable {
  readonly site: ViewingSite;
  readonly video: Encoded;
  readonly tracks: readonly TrackDescription[];
  /** for files of the test */
  readonly folder: string;

  private constructor(parts: { site: ViewingSite; video: Encoded; audio: Encoded; folder: string }) {
    this.site = parts.site;
    this.video = parts.video;
    this.folder = parts.folder;
    this.tracks = [describeTrack(parts.video.format), describeTrack(parts.audio.format)];
  }

  static async open(): Promise<RecordedSite> {
    const video = await encodeVideo({ frames: 300, gopFrames: 30 });
    const audio = await encodeAudio({ buffers: 468 });
    const folder = await mkdtemp(path.join(os.tmpdir(), 'starling-recorded-'));
    const site = await ViewingSite.open('a', 'b');
    const recorded = new RecordedSite({ site, video, audio, folder });
    const { tracks } = recorded;
    const both = (from: number, to: number): Sample[][] => {
      return [video, audio].map(({ samples }) => between(samples, from, to));
    };
    site.addCamera(camera, 'b');
    await site.record('a', { tracks, epoch: 1, originUs, samples: both(0, 5) });
    await site.record('b', { tracks, epoch: 2, originUs, samples: both(3, 10) });
    const later = tracks.map((track) => ({ ...track, captureId: 'boot-1.2' }));
    await site.record('b', { tracks: later, epoch: 2, originUs: originUs + 60_000_000, samples: both(0, 4) });
    return recorded;
  }

  /** UTC of the first frame of the first capture, s from `originUs`. */
  get startSeconds(): number {
    return firstPts(this.video.samples) / 1e6;
  }

  url(server: string): string {
    return this.site.server(server).url;
  }

  async json<T>(server: string, target: string, headers: Record<string, string> = {}): Promise<T> {
    const response = await fetch(this.url(server) + target, { headers });
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as T;
  }

  recordings(server: string, query = `from=${at(0)}&to=${at(120)}`, headers = {}): Promise<RecordingsAnswer> {
    return this.json(server, `/api/cameras/${camera}/recordings?${query}`, headers);
  }

  /** `video.mp4` of a range; `onHeaders` is called before any of the body is read. */
  async download(server: string, query: string, onHeaders?: () => void): Promise<Download> {
    const url = `${this.url(server)}/api/cameras/${camera}/video.mp4?${query}`;
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(url, resolve).once('error', reject);
    });
    onHeaders?.();
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const { statusCode = 0, headers, trailers } = response;
    return { status: statusCode, body: Buffer.concat(chunks), headers, trailers };
  }

  /** Has ffmpeg decode every frame without a word, and lists the video packets. */
  async judge(body: Buffer): Promise<Packet[]> {
    const file = path.join(this.folder, 'judged.mp4');
    await writeFile(file, body);
    const decoded = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-']);
    assert.deepEqual([decoded.stderr, decoded.code], ['', 0]);
    const fields = [
      '-select_streams',
      'v',
      '-show_entries',
      'packet=pts_time,duration_time',
      '-of',
      'csv=p=0',
    ];
    const listed = await run('ffprobe', ['-v', 'error', ...fields, file]);
    assert.deepEqual([listed.stderr, listed.code], ['', 0]);
    const lines = listed.stdout.toString().trim().split('\n');
    return lines.map((line) => {
      const [pts, duration] = line.split(',').map(Number);
      return { pts: pts ?? Number.NaN, duration: duration ?? Number.NaN };
    });
  }

  /** Runs `task` while the network knows that it cannot reach a server. */
  async without(server: string, task: () => Promise<void>): Promise<void> {
    this.site.unreachable.add(server);
    try {
      await task();
    } finally {
      this.site.unreachable.delete(server);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** ISO time so many seconds after `originUs`. */
export function at(seconds: number): string {
  return new Date(originUs / 1000 + seconds * 1000).toISOString();
}

/** Samples from `from` to `to`, s after the first of them. */
export function between(samples: readonly Sample[], from: number, to: number): Sample[] {
  const start = firstPts(samples);
  return samples.filter(({ ptsUs }) => ptsUs - start >= from * 1e6 && ptsUs - start < to * 1e6);
}

function firstPts(samples: readonly Sample[]): number {
  return samples[0]?.ptsUs ?? 0;
}
