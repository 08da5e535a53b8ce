/** Production nodes as the simulator's units start them, with the options that a test may choose. */

import { CameraNode } from '../../firmware/overlay/camera-node.ts';
import type { Profile } from '../../firmware/overlay/constants.ts';
import { degreeDefault } from '../../firmware/overlay/constants.ts';
import { ServerNode } from '../../firmware/overlay/server-node.ts';
import type { Birth } from './sim-unit.ts';

export interface ServerOptions {
  readonly camerasMax?: number;
  readonly kbpsMax?: number;
  readonly degree?: { readonly target: number; readonly max: number };
}

export interface CameraOptions {
  /** default: one, named as the unit */
  readonly cameras?: readonly string[];
  readonly kbps?: number;
  readonly outboxMs?: number;
}

export const serverDefaults = { camerasMax: 32, kbpsMax: 600_000, degree: degreeDefault } as const;
const cameraDefaults = { kbps: 2_000, outboxMs: 60_000 } as const;

export function makeServerNode(birth: Birth, profile: Profile, options: ServerOptions): ServerNode {
  const { unit, link, incarnation, memory, random, utcUs, clockTrusted } = birth;
  const { camerasMax, kbpsMax, degree } = { ...serverDefaults, ...options };
  return new ServerNode({
    site: 'sim',
    unit,
    link,
    reachableAt: link,
    pageUrl: `http://${unit}:8080`,
    incarnation,
    camerasMax,
    kbpsMax,
    degree,
    profile,
    memory,
    random,
    utcUs,
    clockTrusted,
  });
}

export function makeCameraNode(birth: Birth, profile: Profile, options: CameraOptions): CameraNode {
  const { unit, link, incarnation, epoch, memory, random } = birth;
  const { cameras = [unit], kbps, outboxMs } = { ...cameraDefaults, ...options };
  return new CameraNode({
    site: 'sim',
    unit,
    cameras,
    kbps,
    link,
    incarnation,
    epoch,
    outboxMs,
    profile,
    memory,
    random,
  });
}
