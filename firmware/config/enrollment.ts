/**
 * Enrolling a unit, without the files: what is asked for, what a site remembers about its units, and the settings
 * that come of both.
 *
 * Invariants: no unit id and no camera id is given twice in a site; a new unit knows up to 8 servers that were
 * enrolled before it, so that it finds one even where multicast does not reach.
 */
import { z } from 'zod';
import { Failure } from '../base/failure.ts';
import { type UnitRole, unitRoles } from '../site/identity.ts';
import type { CameraDocument } from './camera-section.ts';
import { formatEndpoint, isAddress, parseEndpoint } from './endpoint.ts';
import { choice, host, id, section, textThat } from './fields.ts';
import {
  type AnycastEndpoint,
  anycastEndpointsDefault,
  anycastPortDefault,
  type UnitConfig,
  type UnitDocument,
} from './unit-config.ts';

/** What a site remembers about an enrolled unit. */
export const unitRecord = section({
  unit: id,
  role: choice(unitRoles),
  cameras: z.array(id),
  /** HOST:PORT that takes its links, when its settings tell */
  link: textThat((text) => parseEndpoint(text).ok, 'expected HOST:PORT').optional(),
  /** names in the certificate of its page, besides those that every server has */
  names: z.array(host).optional(),
});
export type UnitRecord = z.output<typeof unitRecord>;

/** A unit to be made. */
export interface Enrollment {
  readonly unit: string;
  readonly role: UnitRole;
  /** 1 to 8 on a camera unit, none on a server; a relative path in `source` starts at the unit's folder */
  readonly cameras?: readonly CameraDocument[];
  /** HOST:PORT of servers that joins are sent to as well; the port is the UDP port of joins */
  readonly seeds?: readonly string[];
  /** of a server: names and addresses by which browsers reach it, besides its id and this machine's own */
  readonly names?: readonly string[];
  /** settings that differ from the defaults; with `anycast`, enrolled servers are not added to its endpoints */
  readonly overrides?: UnitOverrides;
}

type SettingsOf<R extends UnitRole> = Extract<UnitDocument, { role: R }>;

/** Settings that a unit may be enrolled with. */
export type UnitOverrides = Partial<
  Pick<UnitDocument, 'data' | 'link' | 'anycast' | 'overlay' | 'clock' | 'log'>
> & {
  readonly server?: SettingsOf<'server'>['server'];
  readonly camera?: Partial<Omit<SettingsOf<'camera'>['camera'], 'cameras'>>;
};

const enrolledSeedsMax = 8;

/**
 * The content of the unit's `unit.yaml`; the caller checks it by parsing. Throws the Failure USAGE for a malformed
 * seed.
 */
export function unitDocument(site: string, enrollment: Enrollment, enrolled: readonly UnitRecord[]): object {
  const { unit, role, cameras = [], overrides = {} } = enrollment;
  return {
    unit,
    role,
    site: { name: site },
    ...overrides,
    anycast: { endpoints: endpointsOf(enrollment, enrolled) },
    ...(role === 'camera' || cameras.length > 0 ? { camera: { ...overrides.camera, cameras } } : {}),
  };
}

function endpointsOf({ seeds = [], overrides = {} }: Enrollment, enrolled: readonly UnitRecord[]): object[] {
  const given = seeds.map(seedOf);
  const chosen = overrides.anycast?.endpoints;
  if (chosen !== undefined) return [...chosen, ...given];
  const places = new Set(seeds);
  const known = enrolledServers(enrolled).filter((server) => !places.has(formatEndpoint(server)));
  return [...anycastEndpointsDefault, ...given, ...known.slice(0, enrolledSeedsMax)];
}

function seedOf(text: string): AnycastEndpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint.ok) return { kind: 'seed', ...endpoint.value };
  const advice = 'Write a seed as 10.0.0.5:8384 or [2001:db8::5]:8384.';
  throw new Failure('USAGE', `seed ${JSON.stringify(text)}: ${endpoint.reason}`, { advice });
}

function enrolledServers(enrolled: readonly UnitRecord[]): AnycastEndpoint[] {
  return enrolled.flatMap(({ role, link }) => {
    const endpoint = parseEndpoint(role === 'server' ? (link ?? '') : '');
    return endpoint.ok ? [{ kind: 'seed', host: endpoint.value.host, port: anycastPortDefault }] : [];
  });
}

/** What the site is to remember about a unit with these settings. */
export function recordOf(config: UnitConfig): UnitRecord {
  const cameras = config.role === 'camera' ? config.camera.cameras.map((camera) => camera.id) : [];
  const link = linkOf(config);
  return { unit: config.unit, role: config.role, cameras, ...(link === undefined ? {} : { link }) };
}

/** Where others reach the unit: what it advertises, else the one address it listens on. */
function linkOf({ link }: UnitConfig): string | undefined {
  const [advertised] = link.advertise;
  if (advertised !== undefined) return advertised;
  const anyAddress = link.host === '::' || link.host === '0.0.0.0';
  return anyAddress || !isAddress(link.host) || link.port === 0 ? undefined : formatEndpoint(link);
}

/** Throws the Failure USAGE when the unit's id or a camera's id belongs to a unit that was enrolled before. */
export function refuseTakenIds(wanted: UnitRecord, enrolled: readonly UnitRecord[]): void {
  const advice = 'Choose another id; `starling site list` shows those that are taken.';
  if (enrolled.some((record) => record.unit === wanted.unit)) {
    throw new Failure('USAGE', `unit ${wanted.unit} is enrolled already`, { advice });
  }
  for (const camera of wanted.cameras) {
    const owner = enrolled.find((record) => record.cameras.includes(camera));
    if (owner !== undefined)
      throw new Failure('USAGE', `camera ${camera} belongs to unit ${owner.unit}`, { advice });
  }
}
