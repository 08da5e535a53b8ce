/**
 * What a camera unit remembers of its mounts, in `steering.json`: where each camera looked last, and its presets.
 *
 * Synchronous, and replaced as a whole, as `state.json` is: a preset is on the medium before it is confirmed, and a
 * position is written seldom (see ptz/steering.ts).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPresetName } from '../base/given-name.ts';
import { isPosition } from '../ptz/position.ts';
import { type KeptSteering, type Preset, presetsMax } from '../ptz/steering.ts';
import { replaceJson } from './state-file.ts';

const fileName = 'steering.json';
/** A file that is longer is not ours. */
const bytesMax = 1_000_000;

/** By camera; nothing of what makes no sense, for a damaged file must not keep a camera from being steered. */
export function readSteering(folder: string): Map<string, KeptSteering> {
  const kept = new Map<string, KeptSteering>();
  try {
    const text = readFileSync(join(folder, fileName), 'utf8');
    const parsed: unknown = text.length > bytesMax ? {} : JSON.parse(text);
    for (const [camera, value] of Object.entries(parsed ?? {})) kept.set(camera, soundPart(value));
  } catch {
    // none yet, or none that can be read
  }
  return kept;
}

/** Keeps these, and no others; they survive a power cut once this returns. Throws Failure FILE_IO. */
export function writeSteering(folder: string, kept: ReadonlyMap<string, KeptSteering>): void {
  replaceJson(join(folder, fileName), Object.fromEntries(kept));
}

function soundPart(value: unknown): KeptSteering {
  const { position, presets } = (value ?? {}) as Record<string, unknown>;
  const list: readonly unknown[] = Array.isArray(presets) ? presets : [];
  return {
    position: isPosition(position) ? placeOf(position) : undefined,
    presets: list
      .filter(isPreset)
      .slice(0, presetsMax + 1)
      .map((preset) => ({ name: preset.name, ...placeOf(preset) })),
  };
}

function isPreset(value: unknown): value is Preset {
  return isPosition(value) && 'name' in value && typeof value.name === 'string' && isPresetName(value.name);
}

function placeOf({ pan, tilt, zoom }: Preset | Omit<Preset, 'name'>): Omit<Preset, 'name'> {
  return { pan, tilt, zoom };
}
