/**
 * A scenario from a seed: a small network, one to three themes of trouble in its first seconds, then peace. Most
 * networks are small, for there the same bugs show, sooner and cheaper.
 */
import type { ProfileName } from '../../firmware/overlay/constants.ts';
import { Stream } from './randomness.ts';
import type {
  CameraPlan,
  ClockPlan,
  EndpointKind,
  Fault,
  Restart,
  Scenario,
  ServerPlan,
} from './scenario.ts';

interface Draft {
  readonly stream: Stream;
  readonly servers: ServerPlan[];
  readonly cameras: CameraPlan[];
  readonly faults: Fault[];
  endpoints: readonly EndpointKind[];
  /** links that a server wants, where a theme depends on it */
  target?: number;
  /** all must not heal before */
  healMsMin: number;
  /** trouble happens between these */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** A time in the trouble phase, at least `beforeMs` before its end. */
function when({ stream, fromMs, untilMs }: Draft, beforeMs = 0): number {
  return Math.round(fromMs + stream.unit() * Math.max(0, untilMs - fromMs - beforeMs));
}

const server = (draft: Draft): string => draft.stream.pick(draft.servers).id;
const anyone = (draft: Draft): string => draft.stream.pick([...draft.servers, ...draft.cameras]).id;
const duration = ({ stream }: Draft, min: number, max: number): number =>
  Math.round(min * (max / min) ** stream.unit());

function restart(draft: Draft): Restart {
  const { stream } = draft;
  const disk = stream.pick(['kept', 'kept', 'stale', 'lost'] as const);
  const afterMs = duration(draft, 20, 6_000);
  return disk === 'stale' ? { afterMs, disk, staleMs: duration(draft, 200, 10_000) } : { afterMs, disk };
}

function crash(draft: Draft, units: Extract<Fault, { kind: 'crash' }>['units'], comesBack: number): void {
  const { stream } = draft;
  const machine = stream.pick(['on', 'off'] as const);
  const fault = {
    at: when(draft),
    kind: 'crash' as const,
    units,
    machine,
    lostShare: stream.pick([0, 0.5, 1]),
  };
  draft.faults.push(stream.chance(comesBack) ? { ...fault, restart: restart(draft) } : fault);
}

/** Splits the units into two parts; a bridge is a server that both reach. */
function partition(draft: Draft, bridge: boolean): void {
  const { stream, servers, cameras } = draft;
  const left: string[] = [];
  const right: string[] = [];
  for (const { id } of [...servers, ...cameras]) (stream.chance(0.5) ? left : right).push(id);
  const between = bridge ? server(draft) : undefined;
  const groups = [left, right].map((group) => group.filter((id) => id !== between));
  draft.faults.push({
    at: when(draft, 3_000),
    kind: 'partition',
    groups,
    forMs: duration(draft, 300, 12_000),
  });
}

/** Also what started last has been there for long enough to be judged (calm-rules.ts). */
const settledAt = 14_000;

/** At least so many servers. */
function grow({ servers }: Draft, count: number): void {
  for (let place = servers.length; place < count; place++) servers.push({ id: name('s', place), startMs: 0 });
}

function clockPlan(stream: Stream): ClockPlan {
  const rate = 1 + (stream.unit() - 0.5) * 0.002;
  const monotonicStartMs = Math.round(stream.unit() * 1e8);
  if (stream.chance(0.4)) return { rate, monotonicStartMs, is1970: true };
  return { rate, monotonicStartMs, utcOffMs: Math.round((stream.unit() - 0.5) * 400_000) };
}

const protocolSteps = [
  'ss-join',
  'ss-response',
  'ss-connection',
  'ss-arriving',
  'ss-exchange',
  'ss-reconnection',
  'ss-disconnection',
  'ss-relay',
  'cam-join',
  'cam-response',
  'cam-connection',
  'cam-rejoin',
  'cam-transfer',
] as const;

const themes: Readonly<Record<string, (draft: Draft) => void>> = {
  weather(draft) {
    const { stream } = draft;
    const weather = {
      loss: stream.pick([0, 0.1, 0.3, 0.6]),
      duplicate: stream.pick([0, 0.1, 0.5]),
      reorderMs: stream.pick([0, 20, 400]),
      jitterMs: stream.pick([0, 5, 60]),
    };
    draft.faults.push({ at: stream.pick([0, when(draft)]), kind: 'weather', weather, forMs: 60_000 });
  },
  'one crash': (draft) => crash(draft, [server(draft)], 0.6),
  'a camera crashes': (draft) => crash(draft, [draft.stream.pick(draft.cameras).id], 0.9),
  'crashes here and there'(draft) {
    for (let count = draft.stream.whole(2, 4); count > 0; count--) crash(draft, [anyone(draft)], 0.8);
  },
  'an adjacent pair dies': (draft) => crash(draft, { pick: 'pair' }, 0.2),
  'a chain dies': (draft) => crash(draft, { pick: 'chain' }, 0.2),
  'the hub dies': (draft) => crash(draft, { pick: 'hub' }, 0.3),
  'a mass dies': (draft) => crash(draft, { percent: draft.stream.pick([10, 50, 90]) }, 0.3),
  partition: (draft) => partition(draft, false),
  'an adjacent pair dies in a part'(draft) {
    partition(draft, false);
    const cut = draft.faults.at(-1)?.at ?? 0;
    const { stream } = draft;
    const pair = { pick: stream.pick(['pair', 'chain'] as const) };
    const at = cut + stream.whole(1, 3_000);
    draft.faults.push({ at, kind: 'crash', units: pair, machine: 'off', lostShare: 0 });
  },
  // A part is reconfigured when it has missed servers that it was not next to: few links each, and more of them beyond.
  'two die in a part that is cut off for long'(draft) {
    const { stream, servers, cameras } = draft;
    grow(draft, 12);
    draft.target = stream.pick([1, 2, 2]);
    const part = stream.some(servers, 6).map(({ id }) => id);
    const rest = servers.map(({ id }) => id).filter((id) => !part.includes(id));
    const groups = [[...part, ...cameras.map(({ id }) => id)], rest];
    const at = when(draft) + 5_000;
    draft.faults.push({ at, kind: 'partition', groups, forMs: 30_000 });
    draft.faults.push({ at: at + 500, kind: 'crash', units: part.slice(0, 2), machine: 'off', lostShare: 0 });
    draft.healMsMin = Math.max(draft.healMsMin, at + 30_000);
  },
  // Who joins one after another has one path to each other, and with a target of 1 nobody looks for more links.
  'the middle of a tree dies'(draft) {
    grow(draft, 7);
    draft.servers.splice(10);
    for (const [place, plan] of draft.servers.entries())
      draft.servers[place] = { ...plan, startMs: place * 600 };
    draft.target = 1;
    const at = settledAt + draft.stream.whole(0, 5_000);
    const machine = draft.stream.pick(['on', 'off'] as const);
    draft.faults.push({ at, kind: 'crash', units: { pick: 'hub' }, machine, lostShare: 0 });
    draft.healMsMin = Math.max(draft.healMsMin, at + 10_000);
  },
  // Long enough to be suspected, and back before the burial: of two servers neither has anybody to ask.
  'pauses that are nearly too long'(draft) {
    const { stream } = draft;
    draft.servers.splice(stream.pick([2, 2, 3, 4]));
    for (let count = stream.whole(1, 2), at = settledAt; count > 0; count--, at += 8_000) {
      const forMs = duration(draft, 1_600, 3_000);
      const timersFirst = stream.chance(0.5);
      draft.faults.push({ at, kind: 'pause', unit: server(draft), forMs, timersFirst });
      draft.healMsMin = Math.max(draft.healMsMin, at + 6_000);
    }
  },
  bridge: (draft) => partition(draft, true),
  'one-way cut'(draft) {
    const pairs = Array.from(
      { length: draft.stream.whole(1, 3) },
      () => [anyone(draft), server(draft)] as const,
    );
    const cut = pairs.map(([a, b]): [string, string] => (draft.stream.chance(0.5) ? [a, b] : [b, a]));
    draft.faults.push({
      at: when(draft),
      kind: 'cut',
      pairs: cut,
      oneWay: true,
      forMs: duration(draft, 300, 12_000),
    });
  },
  'two-way cut'(draft) {
    const pairs: [string, string][] = [[server(draft), anyone(draft)]];
    draft.faults.push({
      at: when(draft),
      kind: 'cut',
      pairs,
      oneWay: false,
      forMs: duration(draft, 300, 12_000),
    });
  },
  'links die'(draft) {
    for (let count = draft.stream.whole(1, 5); count > 0; count--) {
      const how = draft.stream.pick(['silent', 'reset'] as const);
      draft.faults.push({ at: when(draft), kind: 'links', a: server(draft), b: anyone(draft), how });
    }
  },
  pause(draft) {
    for (let count = draft.stream.whole(1, 2); count > 0; count--) {
      const timersFirst = draft.stream.chance(0.5);
      draft.faults.push({
        at: when(draft),
        kind: 'pause',
        unit: anyone(draft),
        forMs: duration(draft, 200, 8_000),
        timersFirst,
      });
    }
  },
  'killed at a step'(draft) {
    const { stream } = draft;
    const packet = stream.pick(protocolSteps);
    const fuse = { unit: anyone(draft), packet, way: stream.pick(['sent', 'received'] as const) };
    const more = { count: stream.whole(1, 6), machineToo: stream.chance(0.5) };
    const at = stream.pick([0, when(draft)]);
    draft.faults.push({
      at,
      kind: 'fuse',
      ...fuse,
      ...more,
      ...(stream.chance(0.8) ? { restart: restart(draft) } : {}),
    });
  },
  'a server leaves'(draft) {
    const leave = { at: when(draft), kind: 'leave' as const, unit: server(draft) };
    draft.faults.push(
      draft.stream.chance(0.5) ? { ...leave, restart: { ...restart(draft), afterMs: 6_000 } } : leave,
    );
  },
  clocks(draft) {
    for (const list of [draft.servers, draft.cameras]) {
      for (const [place, plan] of list.entries()) {
        if (draft.stream.chance(0.6)) list[place] = { ...plan, clock: clockPlan(draft.stream) };
      }
    }
    for (let count = draft.stream.whole(0, 3); count > 0; count--) {
      const byMs = Math.round((draft.stream.unit() - 0.5) * draft.stream.pick([2_000, 200_000, 4e12]));
      draft.faults.push({ at: when(draft), kind: 'clock-step', unit: anyone(draft), byMs });
      draft.faults.push({ at: when(draft), kind: 'clock-set', unit: server(draft) });
    }
  },
  'the disk refuses'(draft) {
    draft.faults.push({
      at: when(draft),
      kind: 'disk-refuses',
      unit: anyone(draft),
      forMs: duration(draft, 500, 10_000),
    });
    crash(draft, [server(draft)], 1);
  },
  attacker(draft) {
    const { stream } = draft;
    for (let count = stream.whole(1, 4); count > 0; count--) {
      const fault = { kind: 'replay' as const, count: stream.whole(1, 20), forgotten: stream.chance(0.7) };
      draft.faults.push({ at: when(draft), ...fault });
      draft.faults.push({ at: when(draft), kind: 'forge', unit: anyone(draft) });
    }
    // The best time for old joins is when their senders, and who has heard them, are just starting again: whoever is
    // about to answer an old join does not answer the new one, too.
    const at = when(draft, 2_000);
    const restarted: Restart = { afterMs: 1_000, disk: 'kept' };
    const half = [...draft.servers, ...draft.cameras].filter(() => stream.chance(0.5));
    const units = stream.pick([draft.servers, draft.cameras, half]).map(({ id }) => id);
    draft.faults.push({ at, kind: 'crash', units, machine: 'on', lostShare: 0, restart: restarted });
    for (const late of [-1, 10, 100]) {
      draft.faults.push({ at: at + 1_000 + late, kind: 'replay', count: 250, forgotten: true });
    }
  },
  'little capacity'(draft) {
    for (const [place, plan] of draft.servers.entries()) {
      if (draft.stream.chance(0.4))
        draft.servers[place] = { ...plan, camerasMax: draft.stream.pick([0, 1, 2]) };
    }
  },
  'one server has room, and anycast leads elsewhere'(draft) {
    draft.endpoints = ['anycast'];
    const roomy = server(draft);
    for (const [place, plan] of draft.servers.entries()) {
      if (plan.id !== roomy) draft.servers[place] = { ...plan, camerasMax: 0 };
    }
  },
  'mixed versions'(draft) {
    for (const [place, plan] of draft.servers.entries()) {
      const version = draft.stream.pick(['old', 'new', 'ours', 'ours'] as const);
      if (version === 'old') draft.servers[place] = { ...plan, skipsFrom: 18 };
      else if (version === 'new') draft.servers[place] = { ...plan, speaksUnknown: true };
    }
  },
  'routing changes'(draft) {
    for (let count = draft.stream.whole(1, 4); count > 0; count--)
      draft.faults.push({ at: when(draft), kind: 'reroute' });
    const { stream } = draft;
    draft.faults.push({
      at: when(draft),
      kind: 'crash',
      units: [server(draft)],
      machine: 'on',
      lostShare: 0,
      routeStays: true,
      restart: restart({ ...draft, stream }),
    });
  },
  people(draft) {
    for (let count = draft.stream.whole(2, 8); count > 0; count--) {
      const { stream } = draft;
      const value = stream.chance(0.2) ? undefined : `value ${stream.whole(1, 1_000)}`;
      draft.faults.push({
        at: when(draft),
        kind: 'write',
        server: server(draft),
        id: stream.pick(['x', 'y', 'z']),
        value,
      });
      draft.faults.push({
        at: when(draft),
        kind: 'query',
        server: server(draft),
        camera: stream.pick(draft.cameras).id,
      });
    }
  },
};

const endpointChoices: readonly (readonly EndpointKind[])[] = [
  ['multicast'],
  ['multicast'],
  ['anycast'],
  ['seeds'],
  ['anycast', 'seeds'],
  ['multicast', 'seeds'],
];

const name = (letter: string, place: number): string => `${letter}${String(place + 1).padStart(2, '0')}`;

/** One site in eight is as patient as `wifi`, one in sixteen as `wan`. Drawn by itself: all else of a seed stays. */
function profileOf(seed: number): ProfileName {
  const share = new Stream(seed, 'profile').unit();
  if (share < 1 / 8) return 'wifi';
  return share < 3 / 16 ? 'wan' : 'lan';
}

/** The scenario of a seed. */
export function generateScenario(seed: number): Scenario {
  const stream = new Stream(seed, 'scenario');
  const serverCount = stream.chance(0.04)
    ? stream.whole(13, 40)
    : stream.whole(2, stream.pick([3, 6, 8, 12]));
  const cameraCount = stream.chance(0.03) ? stream.whole(20, 60) : stream.whole(1, 6);
  const coldMs = stream.pick([0, 0, 50, 1_000, 4_000]);
  const start = (): number => Math.round(stream.unit() * coldMs);
  const servers = Array.from({ length: serverCount }, (_, place) => ({
    id: name('s', place),
    startMs: start(),
  }));
  const cameras = Array.from({ length: cameraCount }, (_, place) => ({
    id: name('c', place),
    startMs: start(),
  }));
  // Trouble at once, while the network forms, or once it stands.
  const fromMs = stream.pick([0, 1_000, coldMs + 4_000, coldMs + 4_000]);
  const untilMs = fromMs + stream.whole(2_000, 12_000);
  const endpoints = stream.pick(endpointChoices);
  const draft: Draft = { stream, servers, cameras, faults: [], endpoints, healMsMin: 0, fromMs, untilMs };
  const names = Object.keys(themes);
  for (let count = stream.pick([1, 1, 2, 3]); count > 0; count--) themes[stream.pick(names)]?.(draft);
  const anyTarget = stream.pick([1, 2, 3, 3, 3]);
  const target = draft.target ?? anyTarget;
  return {
    seed,
    profile: profileOf(seed),
    latencyMs: stream.pick([0.2, 1, 5, 30]),
    spreadMs: stream.pick([0, 1, 20]),
    endpoints: draft.endpoints,
    degree: { target, max: target === 1 ? 6 : stream.pick([4, 8]) },
    servers: draft.servers,
    cameras: draft.cameras,
    faults: draft.faults.sort((a, b) => a.at - b.at),
    healMs: Math.max(untilMs, coldMs, draft.healMsMin) + 500,
  };
}
