/**
 * What of a camera's stream can be changed while it runs, within the same bounds as in `unit.yaml`.
 */

/** `keyframeIntervalMs` is the time from one keyframe to the next. */
export interface StreamSettings {
  readonly bitrateKbps: number;
  readonly frameRate: number;
  readonly keyframeIntervalMs: number;
}

/** Each setting with its least and its largest value. */
export const streamBounds: { readonly [K in keyof StreamSettings]: readonly [min: number, max: number] } = {
  bitrateKbps: [64, 20_000],
  frameRate: [1, 60],
  keyframeIntervalMs: [250, 10_000],
};

export const streamSettingNames = Object.keys(streamBounds) as (keyof StreamSettings)[];

/** Some of the settings; the others stay as they are. */
export type StreamChange = { readonly [K in keyof StreamSettings]?: number | undefined };

/** Why these cannot be a stream's settings, if they cannot. */
export function streamFault(change: StreamChange): string | undefined {
  for (const name of streamSettingNames) {
    const value = change[name];
    const [min, max] = streamBounds[name];
    if (value !== undefined && (!Number.isInteger(value) || value < min || value > max))
      return `${name}: expected ${min}..${max}, got ${value}`;
  }
  return undefined;
}

/** The settings after a change. */
export function changedStream(settings: StreamSettings, change: StreamChange): StreamSettings {
  const { bitrateKbps, frameRate, keyframeIntervalMs } = settings;
  return {
    bitrateKbps: change.bitrateKbps ?? bitrateKbps,
    frameRate: change.frameRate ?? frameRate,
    keyframeIntervalMs: change.keyframeIntervalMs ?? keyframeIntervalMs,
  };
}
