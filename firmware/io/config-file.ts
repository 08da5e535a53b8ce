/** Reads a unit's settings from disk. */
import { dirname, resolve } from 'node:path';
import { parseUnitConfig, type UnitConfig, unitConfigBytesMax } from '../config/unit-config.ts';
import { readText } from './text-files.ts';

/**
 * Reads and checks `unit.yaml`; paths in it start at its folder. Throws the Failures FILE_MISSING and FILE_IO, which
 * name the path, and CONFIG_INVALID, whose message has one line for each problem.
 */
export async function loadUnitConfig(path: string): Promise<UnitConfig> {
  const advice = 'Give the path of a unit.yaml, as `starling site enroll` writes it.';
  const text = await readText(path, { bytesMax: unitConfigBytesMax, advice });
  return parseUnitConfig(text, dirname(resolve(path)));
}
