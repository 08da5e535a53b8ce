/**
 * Which files of the partition CONFIG belong to the unit, and what people find there instead afterwards. Pure.
 *
 * Bounds: 32 files of 64 KiB. Names as programs write them; what computers leave behind on every stick (folders, names
 * with a dot in front) is nobody's business.
 */

export const configFilesMax = 32;
export const configFileBytesMax = 64 * 1024;

/** Texts for people, on any CONFIG partition; never taken over. */
const notes = new Set(['readme.txt', 'starling.txt', 'problem.txt', 'done.txt']);
export const problemNote = 'PROBLEM.TXT';
export const doneNote = 'DONE.TXT';

/** Beside unit.yaml while a change of it is tried: what it was before. */
export const trialSuffix = '.trial';

/** What a file of CONFIG that was taken over is called until it is overwritten and gone. */
const gonePrefix = '.gone-';

export function goneName(name: string): string {
  return `${gonePrefix}${name}`;
}

/** Whether a power cut has kept a file of CONFIG from being removed. */
export function isGone(name: string): boolean {
  return name.startsWith(gonePrefix);
}

/** Whether a file is what a write that a power cut broke off has left. */
export function isBrokenOff(name: string): boolean {
  return /\.[0-9a-f]{12}\.tmp$/.test(name);
}

/** Whether a file of this name is a setting or a key of the unit. */
export function isUnitFile(name: string): boolean {
  return /^[a-z0-9][\w.-]{0,63}$/i.test(name) && !notes.has(name.toLowerCase());
}

/** What a person reads on the console and in PROBLEM.TXT. `lines` are the problems. */
export function problemText(lines: readonly string[], advice: string): string {
  return [
    'This unit could not take over its settings:',
    ...lines.map((line) => `  ${line}`),
    advice,
    'Nothing was changed. Correct the files on the partition CONFIG (any computer can read it), then start the unit again.',
    '',
  ].join('\n');
}

/** What DONE.TXT says: where the settings went, without a secret. */
export function doneText(unit: string, site: string, names: readonly string[]): string {
  return [
    `This is unit ${unit} of site ${site}.`,
    `It has taken over: ${names.join(', ')}.`,
    'They were overwritten and removed here. To change something, put a new unit.yaml or network.yaml here and start the unit again.',
    '',
  ].join('\n');
}
