/**
 * The part of the page's stand-in server that is about people, settings and steering: it keeps what it is told, refuses
 * what the real one refuses, and notes every change that was asked for. One person is signed in at a time, whatever the
 * browser sends.
 */
import type {
  AuditAnswer,
  CameraAnswer,
  CameraSettingsAnswer,
  PtzAnswer,
  ServerSettingsAnswer,
  SessionAnswer,
  StatusAnswer,
  StreamAnswer,
  TokenAnswer,
  UserAnswer,
} from '../../firmware/viewing/api.ts';
import { failingBox, wellBox } from './box-reports.ts';

/** An answer of the stand-in server. */
export interface FixtureAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that changes something, or asks. */
export interface FixtureRequest {
  readonly method: string;
  /** of the path, decoded; `api` is the first */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

type AuditEntry = AuditAnswer['entries'][number];
type CameraSettings = Omit<CameraSettingsAnswer, 'camera'>;
type ServerSettings = Omit<ServerSettingsAnswer, 'server'>;

const begun = '2026-10-01T08:00:00.000Z';
const admin: SessionAnswer = { user: 'anna', role: 'admin', cameras: 'all', via: 'session', expiresAt: null };
const refused = (status: number, error: string, advice = 'Ask an admin of the site.'): FixtureAnswer => ({
  status,
  body: { error, advice },
});

/** See the top of this file. */
export class PageFixtureApi {
  /** who is signed in; null: nobody */
  session: SessionAnswer | null = admin;
  /** seconds that sign-in has to wait; 0: it need not */
  retryAfter = 0;
  /** what was asked for with another method than GET, such as `PUT /api/users/ben {"role":"viewer"}` */
  readonly changes: string[] = [];
  users: UserAnswer[] = [
    { user: 'anna', role: 'admin', cameras: 'all', createdAt: begun },
    { user: 'ben', role: 'operator', cameras: 'all', createdAt: begun },
    { user: 'cleo@harbour.example', role: 'viewer', cameras: ['gate', 'yard'], createdAt: begun },
  ];
  tokens: TokenAnswer[] = [
    {
      id: 't1',
      name: 'Home Assistant',
      role: 'operator',
      cameras: ['gate'],
      createdAt: begun,
      createdBy: 'anna',
      expiresAt: '2027-10-01T08:00:00.000Z',
    },
  ];
  audit: AuditEntry[] = madeAudit();
  ptz: PtzAnswer = {
    camera: 'gate',
    position: { pan: 12, tilt: -4, zoom: 1 },
    moving: false,
    limits: { pan: [-170, 170], tilt: [-30, 60], zoom: [1, 8] },
    fieldOfView: 60,
    presets: [
      { name: 'home', pan: 0, tilt: 0, zoom: 1 },
      { name: 'Driveway', pan: -40, tilt: -10, zoom: 2 },
      { name: 'Front door', pan: 25, tilt: 0, zoom: 3 },
    ],
  };
  readonly cameraSettings = new Map<string, CameraSettings>();
  readonly serverSettings = new Map<string, ServerSettings>();
  stream: StreamAnswer = {
    camera: 'gate',
    manager: 'north',
    bitrateKbps: 2_000,
    frameRate: 15,
    keyframeIntervalMs: 1_000,
    restarted: false,
  };

  /** The answer to a request; undefined when this is not its business. */
  answer(request: FixtureRequest): FixtureAnswer | undefined {
    const { method, parts, body } = request;
    if (method !== 'GET') {
      const shown = Object.keys(body).length === 0 ? '' : ` ${JSON.stringify(body)}`;
      this.changes.push(`${method} /${parts.join('/')}${shown}`);
    }
    if (parts[1] === 'session') return this.sessionAnswer(request);
    if (parts[0] === 'api' && this.session === null) {
      return refused(401, 'this server does not know who asks', 'Sign in.');
    }
    switch (parts[1]) {
      case 'users':
        return this.adminsOnly() ?? this.usersAnswer(request);
      case 'tokens':
        return this.adminsOnly() ?? this.tokensAnswer(request);
      case 'audit':
        return this.adminsOnly() ?? this.auditAnswer(request.query);
      case 'status':
        return { status: 200, body: status(request.query.get('server') ?? 'north') };
      case 'disks': {
        const server = request.query.get('server') ?? 'north';
        return { status: 200, body: server === 'south' ? failingBox(server) : wellBox(server) };
      }
      case 'servers':
        return settingsAnswer(this.serverSettings, request, { name: '', days: null });
      case 'cameras':
        return this.cameraAnswer(request);
      default:
        return undefined;
    }
  }

  /** Names and groups as they are set. */
  named(camera: CameraAnswer): CameraAnswer {
    const { name = '', group = '' } = this.cameraSettings.get(camera.id) ?? {};
    const ptz = camera.id === 'gate' ? { pan: true, tilt: true, zoom: true } : null;
    return { ...camera, name, group, ptz, frameRate: 15 };
  }

  private adminsOnly(): FixtureAnswer | undefined {
    if (this.session?.role === 'admin') return undefined;
    return refused(403, 'only a person with the role admin may do this');
  }

  private sessionAnswer({ method, parts, body }: FixtureRequest): FixtureAnswer {
    if (method === 'POST') {
      if (this.retryAfter > 0) {
        const headers = { 'retry-after': String(this.retryAfter) };
        return { ...refused(429, 'too many tries that failed', 'Wait.'), headers };
      }
      const user = this.users.find((one) => one.user === body.user);
      if (user === undefined || body.password !== 'right') {
        return refused(401, 'unknown name, or wrong password', 'Check both.');
      }
      this.session = {
        user: user.user,
        role: user.role,
        cameras: user.cameras,
        via: 'session',
        expiresAt: null,
      };
    }
    if (this.session === null) return refused(401, 'this server does not know who asks', 'Sign in.');
    if (parts[2] === 'password') {
      if (body.old === 'right') return { status: 204 };
      return refused(403, 'the old password is wrong', 'Type the password that you signed in with.');
    }
    if (method === 'DELETE') {
      this.session = null;
      return { status: 204 };
    }
    return { status: 200, body: this.session };
  }

  private usersAnswer({ method, parts, body, headers }: FixtureRequest): FixtureAnswer {
    const user = parts[2] ?? '';
    if (method === 'GET') return { status: 200, body: { users: this.users } };
    const others = this.users.filter((one) => one.user !== user);
    if (method === 'PUT') {
      if (!/^[a-z0-9][a-z0-9._@-]*$/.test(user))
        return refused(400, 'nobody can have this name', 'Letters and digits.');
      if (headers['if-none-match'] === '*' && others.length < this.users.length) {
        return refused(412, `there is a user ${user} already`, 'Choose another name.');
      }
      if (headers['if-match'] === '*' && others.length === this.users.length) {
        return refused(412, `there is no user ${user} any longer`, 'Add the user again.');
      }
      if (typeof body.password === 'string' && body.password.length < 8) {
        return refused(400, 'a password has at least 8 characters', 'Choose another password.');
      }
      const { role, cameras } = body as unknown as UserAnswer;
      this.users = [...others, { user, role, cameras, createdAt: begun }];
      return { status: 200, body: this.users.at(-1) };
    }
    if (!others.some(({ role }) => role === 'admin'))
      return refused(409, 'this is the last admin', 'Add another.');
    this.users = others;
    return { status: 204 };
  }

  private tokensAnswer({ method, parts, body }: FixtureRequest): FixtureAnswer {
    if (method === 'GET') return { status: 200, body: { tokens: this.tokens } };
    if (method === 'DELETE') {
      this.tokens = this.tokens.filter(({ id }) => id !== parts[2]);
      return { status: 204 };
    }
    const { name, role, cameras } = body as unknown as TokenAnswer;
    const token = { id: `t${this.tokens.length + 1}`, name, role, cameras, createdAt: begun };
    this.tokens = [...this.tokens, { ...token, createdBy: 'anna', expiresAt: null }];
    return { status: 201, body: { ...token, token: 'stl_dG9rZW4tdGhhdC1pcy1zaG93bi1vbmNl' } };
  }

  private auditAnswer(query: URLSearchParams): FixtureAnswer {
    const before = query.get('before') ?? '9999';
    const found = this.audit.filter(
      (entry) =>
        entry.at < before &&
        (query.get('user') ?? entry.user) === entry.user &&
        (query.get('camera') ?? entry.camera) === entry.camera,
    );
    const limit = Number(query.get('limit') ?? 50);
    const entries = found.slice(0, limit);
    const more = found.length > limit;
    const body = { entries, unreachable: ['west'], more, next: more ? (entries.at(-1)?.at ?? null) : null };
    return { status: 200, body };
  }

  private cameraAnswer(request: FixtureRequest): FixtureAnswer | undefined {
    const { method, parts, body } = request;
    const [, , camera = '', what, name = ''] = parts;
    switch (what) {
      case 'settings':
        return settingsAnswer(this.cameraSettings, request, { name: '', group: '', days: null, maxMb: null });
      case 'stream':
        if (method === 'PATCH') this.stream = { ...this.stream, ...body };
        return { status: 200, body: { ...this.stream, camera } };
      case 'links': {
        const format = typeof body.format === 'string' ? `&format=${body.format}` : '';
        const url = `/api/cameras/${camera}/video.mp4?from=x${format}&expires=1795341600&signature=c2lnbmF0dXJl`;
        return { status: 201, body: { url, expiresAt: new Date(Date.now() + 3_600_000).toISOString() } };
      }
      case 'ptz':
        return method === 'POST' && this.session?.role === 'viewer'
          ? refused(403, 'only a person with the role operator may do this')
          : this.steer(body);
      case 'presets': {
        const others = this.ptz.presets.filter((preset) => preset.name !== name);
        const { position } = this.ptz;
        const added = method === 'PUT' && position !== null ? [{ name, ...position }] : [];
        this.ptz = { ...this.ptz, presets: [...others, ...added] };
        return { status: 200, body: this.ptz };
      }
      default:
        return undefined;
    }
  }

  /** Goes there at once. */
  private steer(body: Record<string, unknown>): FixtureAnswer {
    const { position, presets } = this.ptz;
    const preset = presets.find(({ name }) => name === body.preset);
    const { pan, tilt, zoom } = { ...position, ...preset, ...body } as {
      pan: number;
      tilt: number;
      zoom: number;
    };
    this.ptz = { ...this.ptz, position: { pan, tilt, zoom }, moving: body.velocity !== undefined };
    return { status: 200, body: this.ptz };
  }
}

function settingsAnswer<T extends object>(
  kept: Map<string, T>,
  { method, parts, body }: FixtureRequest,
  none: T,
): FixtureAnswer | undefined {
  const id = parts[2] ?? '';
  if (parts[3] !== 'settings') return undefined;
  const { days } = body;
  if (typeof days === 'number' && days > 36_500) return refused(400, 'body days: expected 1..36500', '');
  if (method === 'PATCH') kept.set(id, { ...(kept.get(id) ?? none), ...body });
  return { status: 200, body: kept.get(id) ?? none };
}

function status(server: string): StatusAnswer {
  const volume = {
    number: 0,
    id: 'v0',
    folder: '/srv/starling/v0',
    state: 'ok' as const,
    reason: null,
    totalBytes: 4e12,
    freeBytes: 1.3e12,
    recordedBytes: 2.5e12,
    reserveBytes: 1e11,
  };
  const failed = { ...volume, number: 1, id: 'v1', folder: '/srv/starling/v1', state: 'failed' as const };
  const reason = 'The disk answers with errors.';
  return {
    server,
    version: '0.1.0',
    startedAt: begun,
    uptimeSeconds: 300_000,
    cpuSeconds: 900,
    residentBytes: 2e8,
    recordedBytes: 2.5e12,
    refused: {},
    alarms:
      server === 'south'
        ? [{ id: 'volume/v1', kind: 'volume', text: 'Volume v1 has failed.', since: begun }]
        : [],
    volumes: server === 'south' ? [volume, { ...failed, reason }] : [volume],
    cameras: [{ id: 'gate', receivedBytes: 1e9, samples: 1e6, durableThrough: null }],
  };
}

/** 70 entries, newest first. */
function madeAudit(): AuditEntry[] {
  const kinds = [
    { user: 'anna', action: 'signed in', camera: null, detail: '' },
    { user: 'cleo@harbour.example', action: 'watched', camera: 'gate', detail: 'live' },
    { user: 'ben', action: 'steered', camera: 'gate', detail: 'preset Front door' },
    { user: 'ben', action: 'exported', camera: 'yard', detail: '12:00:00 to 12:05:00, MP4' },
  ];
  return Array.from({ length: 70 }, (_, place) => ({
    at: new Date(Date.parse('2026-11-22T12:00:00Z') - place * 271_000).toISOString(),
    server: place % 3 === 0 ? 'south' : 'north',
    from: `192.0.2.${10 + (place % 4)}`,
    ...(kinds[place % 4] ?? { user: 'anna', action: 'signed in', camera: null, detail: '' }),
  }));
}
