/**
 * What people have set about cameras and servers: rows of the site document, the same on every server, whoever manages
 * the camera.
 *
 *   camera-settings   <camera>   name, group, days, MB
 *   server-settings   <server>   name, days
 *
 * Invariants: rows come from other units and may be damaged or from newer firmware: such a row counts as not there, and is
 * left alone until somebody sets something; the last writer wins, of the whole row; a row in which nothing is set is
 * deleted. An empty name is none; undefined days and MB mean that the servers' own settings count.
 */
import { type Codec, decode, encode, optional, shortText, struct, u16, u32 } from '../base/codec.ts';
import { isGivenName } from '../base/given-name.ts';
import { isId } from '../base/ids.ts';
import type { DocumentRow } from '../overlay/packets.ts';

export const cameraSettingsKind = 'camera-settings';
export const serverSettingsKind = 'server-settings';

/** Longest name, in characters, and what that may be in UTF-8. */
export const givenNameMax = 60;
const nameBytesMax = 180;
const settingBounds = { days: [1, 36_500], maxMb: [10, 1_000_000_000] } as const;

export interface CameraSettings {
  readonly name: string;
  readonly group: string;
  /** recordings older than this are deleted */
  readonly days: number | undefined;
  /** most that recordings of it take on each server */
  readonly maxMb: number | undefined;
}

export interface ServerSettings {
  readonly name: string;
  /** recordings of all cameras older than this are deleted there */
  readonly days: number | undefined;
}

const nothingOfCamera: CameraSettings = { name: '', group: '', days: undefined, maxMb: undefined };
const nothingOfServer: ServerSettings = { name: '', days: undefined };

const cameraValue: Codec<CameraSettings> = struct({
  name: shortText(nameBytesMax),
  group: shortText(nameBytesMax),
  days: optional(u16),
  maxMb: optional(u32),
});
const serverValue: Codec<ServerSettings> = struct({ name: shortText(nameBytesMax), days: optional(u16) });

/** A row to write; without a value it is deleted. */
export interface SettingsRow {
  readonly kind: string;
  readonly id: string;
  readonly value: Buffer | undefined;
}

export class SiteSettings {
  private readonly cameras = new Map<string, CameraSettings>();
  private readonly servers = new Map<string, ServerSettings>();

  /** Takes rows of the site document, as they are told. */
  take(rows: readonly DocumentRow[]): void {
    for (const row of rows) {
      if (row.kind === cameraSettingsKind) put(this.cameras, row, cameraValue);
      else if (row.kind === serverSettingsKind) put(this.servers, row, serverValue);
    }
  }

  ofCamera(camera: string): CameraSettings {
    return this.cameras.get(camera) ?? nothingOfCamera;
  }

  ofServer(server: string): ServerSettings {
    return this.servers.get(server) ?? nothingOfServer;
  }

  /** Cameras about which anything is set. */
  allCameras(): ReadonlyMap<string, CameraSettings> {
    return this.cameras;
  }

  /** The row that makes a camera's settings these; or which of them cannot be. */
  cameraRow(camera: string, settings: CameraSettings): SettingsRow | string {
    const { name, group, days, maxMb } = settings;
    const fault = nameFault('name', name) ?? nameFault('group', group) ?? boundFault({ days, maxMb });
    const isNothing = name === '' && group === '' && days === undefined && maxMb === undefined;
    const value = isNothing || fault !== undefined ? undefined : encode(cameraValue, settings);
    return fault ?? { kind: cameraSettingsKind, id: camera, value };
  }

  serverRow(server: string, settings: ServerSettings): SettingsRow | string {
    const { name, days } = settings;
    const fault = nameFault('name', name) ?? boundFault({ days, maxMb: undefined });
    const isNothing = name === '' && days === undefined;
    const value = isNothing || fault !== undefined ? undefined : encode(serverValue, settings);
    return fault ?? { kind: serverSettingsKind, id: server, value };
  }
}

function put<T extends CameraSettings | ServerSettings>(
  settings: Map<string, T>,
  { id, value }: DocumentRow,
  codec: Codec<T>,
): void {
  if (!isId(id)) return;
  const decoded = value === undefined ? undefined : decode(codec, value);
  if (decoded?.ok === true && faultOf(decoded.value) === undefined) settings.set(id, decoded.value);
  else settings.delete(id);
}

function faultOf(settings: CameraSettings | ServerSettings): string | undefined {
  const { group, maxMb } = { ...nothingOfCamera, ...settings };
  return (
    nameFault('name', settings.name) ??
    nameFault('group', group) ??
    boundFault({ days: settings.days, maxMb })
  );
}

function nameFault(what: string, name: string): string | undefined {
  const isRight = name === '' || isGivenName(name, givenNameMax);
  return isRight ? undefined : `${what}: expected up to ${givenNameMax} characters on one line`;
}

function boundFault(
  values: { readonly [B in keyof typeof settingBounds]: number | undefined },
): string | undefined {
  for (const bound of ['days', 'maxMb'] as const) {
    const value = values[bound];
    const [min, max] = settingBounds[bound];
    if (value !== undefined && (!Number.isInteger(value) || value < min || value > max))
      return `${bound}: expected ${min}..${max}`;
  }
  return undefined;
}
