/**
 * A stand-in for the server, for tests of the page alone: it serves the bundled page under a strict policy and answers
 * the API with real video. Live fragments carry one frame each on a clock that began days ago, as a camera's does.
 *
 * Faults on command: a camera stops or restarts, sockets drop, the whole server goes away.
 */
import type { ChildProcess } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { type WebSocket, WebSocketServer } from 'ws';
import type { CameraAnswer, LiveMessage, SiteAnswer } from '../../firmware/viewing/api.ts';
import { securityHeaders } from '../../firmware/viewing/page-shell.ts';
import { readInit } from '../../firmware/viewing/web/fmp4-boxes.ts';
import { PageFixtureApi } from './page-fixture-api.ts';
import { makePageArchive, type PageArchive } from './page-fixture-archive.ts';
import { PageFixtureTimes } from './page-fixture-times.ts';
import { filmLive, frameRate, type LivePart, pictureSize } from './page-fixture-video.ts';

const cameraClockSeconds = 432_000.125;
const policy = securityHeaders['content-security-policy'] ?? '';
const document =
  '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
  '<meta name="viewport" content="width=device-width,initial-scale=1"><title>Starling</title>' +
  '<link rel="icon" href="data:,"><link rel="stylesheet" href="/assets/page.css">' +
  '<script type="module" src="/assets/page.js"></script></head><body><div id="app"></div></body></html>';

type StateMessage = Extract<LiveMessage, { type: 'state' }>;

interface LiveCamera {
  readonly id: string;
  readonly picture: string;
  sending: boolean;
  process: ChildProcess;
  init: Buffer | undefined;
  /** fragments since the newest keyframe */
  gop: Buffer[];
  /** what viewers were told, and are told who come later, before they get pictures */
  stalled: StateMessage | undefined;
  readonly viewers: Set<Viewer>;
}

interface Viewer {
  readonly socket: WebSocket;
  needsKeyframe: boolean;
}

/** See the top of this file; made by `openPageFixture`. */
export class PageFixture implements AsyncDisposable {
  /** what GET /api/cameras says */
  listed: CameraAnswer[] = [];
  /** the API answers 503 */
  refusing = false;
  /** live sockets opened so far */
  connections = 0;
  /** bytes of segments sent so far */
  segmentBytesSent = 0;
  readonly archive: PageArchive;
  /** people, settings, steering */
  api = new PageFixtureApi();
  /** keyframes, days, what is kept, tables, logs */
  readonly times: PageFixtureTimes;
  private readonly site: SiteAnswer;
  private readonly cameras = new Map<string, LiveCamera>();
  private readonly listeners = new Set<ChildProcess>();
  private readonly assets: ReadonlyMap<string, string>;
  private readonly sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  private server: Server | undefined;
  private port = 0;

  constructor(assets: ReadonlyMap<string, string>, archive: PageArchive) {
    this.assets = assets;
    this.archive = archive;
    this.times = new PageFixtureTimes(archive);
    const page = (port: number) => `http://127.0.0.1:${port}`;
    this.site = {
      site: 'harbour',
      server: 'north',
      version: '0.1.0',
      servers: [
        { id: 'north', name: '', state: 'self', hops: 0, pageUrl: page(1), cameras: ['gate', 'yard'] },
        { id: 'south', name: '', state: 'reachable', hops: 1, pageUrl: page(2), cameras: ['stairs'] },
        { id: 'west', name: '', state: 'unreachable', hops: null, pageUrl: page(3), cameras: [] },
      ],
    };
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** What GET /api/site says of the servers; may be changed. */
  get servers(): SiteAnswer['servers'] {
    return this.site.servers;
  }

  /** Of the page's script what the first view needs, as it is served. */
  get script(): string {
    const names = ['page.js'];
    for (const name of names) {
      const text = this.assets.get(`/assets/${name}`) ?? '';
      const statics = [...text.matchAll(/(?:from|^import|;import) ?"\.\/([\w.-]+\.js)"/g)].map(
        (match) => match[1] ?? '',
      );
      names.push(...statics.filter((one) => !names.includes(one)));
    }
    return names.map((name) => this.assets.get(`/assets/${name}`) ?? '').join('\n');
  }

  /** Starts a camera; `picture` is an ffmpeg source. */
  addCamera(id: string, manager: string, picture: string): void {
    const camera: LiveCamera = {
      id,
      picture,
      sending: true,
      process: filmLive(
        { picture, audio: false, clockSeconds: cameraClockSeconds, preset: 'ultrafast' },
        (part) => publish(camera, part),
      ),
      init: undefined,
      gop: [],
      stalled: undefined,
      viewers: new Set(),
    };
    this.cameras.set(id, camera);
    this.listed.push({
      id,
      unit: `unit-${id}`,
      manager,
      epoch: 1,
      state: 'online',
      lastFrameAt: null,
      durableThrough: null,
      width: 640,
      height: 360,
      codecs: 'avc1.42c01e,mp4a.40.2',
      name: '',
      group: '',
      ptz: null,
      frameRate: null,
    });
  }

  /** The camera stops sending; `say` tells the viewers so. While it is stalled its last pictures are held. */
  pause(id: string, say?: StateMessage): void {
    const camera = this.camera(id);
    camera.sending = false;
    if (say?.state !== 'stalled') camera.gop = [];
    camera.stalled = undefined;
    for (const viewer of camera.viewers) viewer.needsKeyframe = true;
    if (say !== undefined) this.say(id, say);
  }

  /** Tells the viewers how old the pictures are, whether they go on or not. */
  say(id: string, state: StateMessage): void {
    const camera = this.camera(id);
    camera.stalled = state.state === 'stalled' ? state : undefined;
    for (const { socket } of camera.viewers) socket.send(JSON.stringify(state));
  }

  resume(id: string): void {
    const camera = this.camera(id);
    camera.sending = true;
    if (camera.stalled !== undefined) this.say(id, { type: 'state', state: 'live', lastFrameAt: null });
  }

  /** The camera begins a new capture on another clock, in the format that x264's preset leads to. */
  restart(id: string, clockSeconds: number, preset: 'ultrafast' | 'veryfast'): void {
    const camera = this.camera(id);
    camera.process.kill('SIGKILL');
    camera.process.stdout?.removeAllListeners('data');
    camera.gop = [];
    const plan = { picture: camera.picture, audio: false, clockSeconds, preset };
    camera.process = filmLive(plan, (part) => {
      publish(camera, part);
      if (part.kind !== 'init') return;
      for (const viewer of camera.viewers) this.sendStream(viewer.socket, id, part.bytes);
    });
  }

  /** Cuts the sockets of a camera's viewers without a word; returns how many there were. */
  dropSockets(id: string): number {
    const { viewers } = this.camera(id);
    const count = viewers.size;
    for (const viewer of viewers) viewer.socket.terminate();
    return count;
  }

  viewers(id: string): number {
    return this.camera(id).viewers.size;
  }

  /** Listens, at first or again, on the same port. */
  async comeUp(): Promise<void> {
    const server = createServer((request, response) => void this.serve(request, response));
    server.on('upgrade', (request, socket, head) => {
      if (this.api.session === null) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n');
        return;
      }
      this.sockets.handleUpgrade(request, socket, head, (webSocket) => this.view(webSocket, request));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(this.port, '127.0.0.1', resolve);
    });
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** The whole server is gone. */
  async goDown(): Promise<void> {
    for (const id of this.cameras.keys()) this.dropSockets(id);
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const camera of this.cameras.values()) camera.process.kill('SIGKILL');
    for (const child of this.listeners) child.kill('SIGKILL');
    await this.goDown();
    this.sockets.close();
  }

  private seen(): CameraAnswer[] {
    const mine = this.api.session?.cameras ?? [];
    const seen = this.listed.filter(({ id }) => mine === 'all' || mine.includes(id));
    return seen.map((camera) => this.api.named(camera));
  }

  private camera(id: string): LiveCamera {
    const camera = this.cameras.get(id);
    if (camera === undefined) throw new Error(`the fixture has no camera ${id}`);
    return camera;
  }

  private view(socket: WebSocket, request: IncomingMessage): void {
    const url = new URL(request.url ?? '', this.url);
    const camera = this.camera(url.pathname.split('/')[3] ?? '');
    this.connections += 1;
    if (url.searchParams.get('audio') === '1') {
      const { id, picture } = camera;
      const plan = { picture, audio: true, clockSeconds: cameraClockSeconds, preset: 'ultrafast' };
      const child = filmLive(plan, (part) => {
        if (part.kind === 'init') this.sendStream(socket, id, part.bytes);
        else socket.send(part.bytes);
      });
      this.listeners.add(child);
      socket.on('close', () => child.kill('SIGKILL'));
      return;
    }
    const viewer = { socket, needsKeyframe: camera.gop.length === 0 };
    camera.viewers.add(viewer);
    socket.on('close', () => camera.viewers.delete(viewer));
    if (camera.init === undefined) {
      socket.close();
      return;
    }
    this.sendStream(socket, camera.id, camera.init);
    if (camera.stalled !== undefined) socket.send(JSON.stringify(camera.stalled));
    for (const fragment of camera.gop) socket.send(fragment);
  }

  private sendStream(socket: WebSocket, camera: string, init: Buffer): void {
    const manager = this.listed.find(({ id }) => id === camera)?.manager ?? 'north';
    const mime = readInit(init)?.mime ?? '';
    const message: LiveMessage = { type: 'stream', camera, manager, mime, width: 640, height: 360 };
    socket.send(JSON.stringify(message));
    socket.send(init);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    this.answer(request, response, text === '' ? {} : (JSON.parse(text) as Record<string, unknown>));
  }

  private answer(request: IncomingMessage, response: ServerResponse, body: Record<string, unknown>): void {
    const url = new URL(request.url ?? '/', this.url);
    const parts = url.pathname.split('/').map(decodeURIComponent);
    const method = request.method ?? 'GET';
    const asset = this.assets.get(url.pathname);
    response.setHeader('content-security-policy', policy);
    response.setHeader('cache-control', 'no-store');
    if (asset !== undefined) {
      response.setHeader('content-type', typeOf(url.pathname));
      response.end(asset);
      return;
    }
    if (this.refusing) {
      sendJson(response, 503, { error: 'The server is starting.', advice: 'Wait a moment.' });
      return;
    }
    const { headers } = request;
    const asked = { method, parts: parts.slice(1), query: url.searchParams, body, headers };
    const timed = this.times.answer(asked);
    const answered = timed ?? this.api.answer(asked);
    if (answered !== undefined) {
      for (const [name, value] of Object.entries(answered.headers ?? {})) response.setHeader(name, value);
      if (timed?.bytes === undefined) sendJson(response, answered.status, answered.body);
      else sendVideo(response, timed.bytes, timed.half === true);
    } else if (url.pathname === '/api/site') {
      sendJson(response, 200, this.site);
    } else if (url.pathname === '/api/cameras') {
      sendJson(response, 200, { cameras: this.seen(), alarms: [], unreachable: ['west'] });
    } else if (parts[4] === 'recordings') {
      sendJson(response, 200, this.archive.recordings(parts[3] ?? '', url.searchParams));
    } else if (parts[4] === 'segments') {
      this.segmentBytesSent += sendRange(request, response, this.archive.file(url.pathname));
    } else {
      sendJson(response, 404, { error: 'There is no such page.', advice: '' });
    }
  }
}

/** Bundles the page, makes the recordings, starts the cameras `gate`, `stairs` and `yard`, and listens. */
export async function openPageFixture(): Promise<PageFixture> {
  const [assets, archive] = await Promise.all([bundlePage(), makePageArchive(cameraClockSeconds)]);
  const fixture = new PageFixture(assets, archive);
  const source = `size=${pictureSize}:rate=${frameRate}`;
  fixture.addCamera('gate', 'north', `testsrc2=${source}`);
  fixture.addCamera('stairs', 'south', `testsrc=${source}`);
  fixture.addCamera('yard', 'north', `smptehdbars=${source}`);
  await fixture.comeUp();
  return fixture;
}

async function bundlePage(): Promise<Map<string, string>> {
  const web = new URL('../../firmware/viewing/web/', import.meta.url).pathname;
  const result = await build({
    entryPoints: { page: `${web}main.tsx`, style: `${web}style.css` },
    bundle: true,
    minify: true,
    format: 'esm',
    splitting: true,
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    write: false,
    outdir: '/assets',
    logLevel: 'error',
  });
  const assets = result.outputFiles.map(({ path, text }) => [path.replace('/style.css', '/page.css'), text]);
  return new Map([['/', document], ...assets] as [string, string][]);
}

function publish(camera: LiveCamera, part: LivePart): void {
  if (part.kind === 'init') {
    camera.init = part.bytes;
    return;
  }
  if (!camera.sending) return;
  if (part.keyframe) camera.gop = [part.bytes];
  else if (camera.gop.length > 0) camera.gop.push(part.bytes);
  for (const viewer of camera.viewers) {
    if (viewer.needsKeyframe && !part.keyframe) continue;
    viewer.needsKeyframe = false;
    viewer.socket.send(part.bytes);
  }
}

function typeOf(path: string): string {
  const type = path.endsWith('.js') ? 'text/javascript' : path.endsWith('.css') ? 'text/css' : 'text/html';
  return `${type}; charset=utf-8`;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function sendVideo(response: ServerResponse, bytes: Buffer, half: boolean): void {
  response.writeHead(200, { 'content-type': 'video/mp4' });
  if (half) response.write(bytes.subarray(0, bytes.length / 2));
  else response.end(bytes);
}

/** Returns how many bytes were sent. */
function sendRange(request: IncomingMessage, response: ServerResponse, file: Buffer | undefined): number {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  response.setHeader('content-type', 'video/mp4');
  if (file === undefined) {
    sendJson(response, 404, { error: 'This segment is not here.', advice: '' });
    return 0;
  }
  const start = Number(first ?? 0);
  if (start >= file.length) {
    response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
    return 0;
  }
  const end = Math.min(file.length, last === undefined || last === '' ? file.length : Number(last) + 1);
  const headers = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${file.length}` };
  response.writeHead(first === undefined ? 200 : 206, headers).end(file.subarray(start, end));
  return end - start;
}
