/**
 * What is published of a server and of a camera: plain values in, JSON out. Pure.
 *
 * A report says nothing that changes all the time, so that it is sent when something has happened and not for ever:
 * ages are whole seconds and 0 while pictures come, free space is rounded.
 */
import type { StreamSettings } from '../media/stream-settings.ts';
import type { MountView } from './steer-access.ts';

/** Pictures come in batches, over a network: younger than this is now. */
const freshMs = 3_000;
const ageSecondsMax = 86_400;
const freeBytesStep = 100_000_000;
/** Alarms whose text is sent; all are counted. */
const alarmTextsMax = 20;
const alarmCharactersMax = 300;

/** What is known of a camera that this server manages. */
export interface CameraFacts {
  readonly camera: string;
  readonly manager: string;
  readonly epoch: number;
  readonly unit: string;
  readonly online: boolean;
  /** what comes is being saved */
  readonly recording: boolean;
  /** since the newest picture was taken; undefined when none has come */
  readonly frameAgeMs: number | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  /** undefined while it is not known, null when it cannot be changed */
  readonly stream: StreamSettings | null | undefined;
  /** undefined while it is not known, null for one that does not move */
  readonly mount: MountView | null | undefined;
  /** whether a sensor sees somebody move; undefined without one */
  readonly motion: boolean | undefined;
}

/** The JSON under `…/camera/ID/state`. */
export interface CameraReport {
  readonly camera: string;
  readonly manager: string;
  readonly epoch: number;
  readonly unit: string;
  readonly recording: 'ON' | 'OFF';
  /** 0 while pictures come */
  readonly frameAgeSeconds: number | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly frameRate: number | null;
  readonly bitrateKbps: number | null;
  /** degrees */
  readonly pan: number | null;
  readonly tilt: number | null;
  /** factor */
  readonly zoom: number | null;
  /** null without a sensor */
  readonly motion: 'ON' | 'OFF' | null;
}

export function cameraReport(facts: CameraFacts): CameraReport {
  const { camera, manager, epoch, unit, online, recording, stream, mount, motion } = facts;
  return {
    camera,
    manager,
    epoch,
    unit,
    recording: online && recording ? 'ON' : 'OFF',
    frameAgeSeconds: ageSeconds(facts.frameAgeMs),
    width: facts.width ?? null,
    height: facts.height ?? null,
    frameRate: stream?.frameRate ?? null,
    bitrateKbps: stream?.bitrateKbps ?? null,
    pan: rounded(mount?.position.pan),
    tilt: rounded(mount?.position.tilt),
    zoom: rounded(mount?.position.zoom),
    motion: motion === undefined ? null : motion ? 'ON' : 'OFF',
  };
}

export interface ServerFacts {
  readonly server: string;
  readonly version: string;
  /** attached here */
  readonly cameras: number;
  /** other servers that can be reached */
  readonly peers: number;
  readonly alarms: readonly { readonly text: string }[];
  readonly volumes: readonly { readonly freeBytes: number; readonly totalBytes: number }[];
  /** what is wrong with its machine, the worst first; undefined where nobody looks after it */
  readonly findings?: readonly {
    readonly verdict: 'WARN' | 'FAIL';
    readonly about: string;
    readonly text: string;
  }[];
}

/** The JSON under `…/server/ID/state`. */
export interface ServerReport {
  readonly server: string;
  readonly version: string;
  readonly cameras: number;
  readonly peers: number;
  readonly alarms: number;
  readonly alarmTexts: readonly string[];
  /** of all volumes together, rounded */
  readonly storageFreeBytes: number;
  readonly storageTotalBytes: number;
  /** null where nobody looks after the machine */
  readonly machine: 'OK' | 'WARN' | 'FAIL' | null;
  readonly machineTexts: readonly string[];
}

export function serverReport({
  server,
  version,
  cameras,
  peers,
  alarms,
  volumes,
  findings,
}: ServerFacts): ServerReport {
  const sum = (key: 'freeBytes' | 'totalBytes'): number =>
    volumes.reduce((bytes, one) => bytes + one[key], 0);
  return {
    server,
    version,
    cameras,
    peers,
    alarms: alarms.length,
    alarmTexts: alarms.slice(0, alarmTextsMax).map(({ text }) => text.slice(0, alarmCharactersMax)),
    storageFreeBytes: Math.floor(sum('freeBytes') / freeBytesStep) * freeBytesStep,
    storageTotalBytes: sum('totalBytes'),
    machine: findings === undefined ? null : (findings[0]?.verdict ?? 'OK'),
    machineTexts: (findings ?? [])
      .slice(0, alarmTextsMax)
      .map(({ about, text }) => `${about}: ${withoutFigures(text)}`.slice(0, alarmCharactersMax)),
  };
}

/** A temperature changes all the time. */
function withoutFigures(text: string): string {
  return text.replace(/\d+(\.\d+)? °C/g, 'hot');
}

function ageSeconds(ms: number | undefined): number | null {
  if (ms === undefined) return null;
  // A camera's clock may be ahead.
  return ms < freshMs ? 0 : Math.min(Math.floor(ms / 1000), ageSecondsMax);
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 100) / 100;
}
