/**
 * What `smartctl --json` says of a disk, and what that means. Pure.
 *
 * Any text may come: another version, a disk that answers with nonsense, half an answer. What is not understood is
 * undefined, never an error. Attributes of ATA disks are vendors' own: only those are read whose number and meaning
 * hold for nearly all (5, 187, 197, 198, 199), and of these only the count. smartctl(8) EXIT STATUS has the bits.
 */
import type { Finding } from './findings.ts';

/** A whole answer has about 30 kB. */
export const smartBytesMax = 1024 * 1024;
const attributesMax = 256;
/** Longest name that is passed on. */
const textMax = 128;

/** `none`: the disk, or the bridge before it, says nothing; `asleep`: it was not woken up for this. */
type SmartState = 'passed' | 'failed' | 'none' | 'asleep';

export interface SmartReading {
  readonly state: SmartState;
  /** why nothing is known, in smartctl's words */
  readonly reason: string | undefined;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  readonly temperatureC: number | undefined;
  readonly powerOnHours: number | undefined;
  /** sectors that were replaced by spare ones */
  readonly reallocated: number | undefined;
  /** sectors that cannot be read now */
  readonly pending: number | undefined;
  /** reads that failed for good: ATA 187 and 198, NVMe media errors */
  readonly uncorrectable: number | undefined;
  /** errors between disk and board, which are the cable's; counted over the disk's whole life */
  readonly cableErrors: number | undefined;
  /** of its rated life as a solid-state disk, %; more than 100 is possible */
  readonly wearPercent: number | undefined;
  /** spare blocks left and how many there must be, % */
  readonly spare: { readonly left: number; readonly least: number } | undefined;
  /** an NVMe disk's own warnings, a bit each (NVM Express Base Specification, SMART / Health Information) */
  readonly criticalWarning: number;
  /** the newest self-test found something */
  readonly selfTestFailed: boolean;
  /** attributes below the vendor's threshold now */
  readonly failingNow: readonly string[];
}

const nothing: SmartReading = {
  state: 'none',
  reason: undefined,
  model: undefined,
  serial: undefined,
  temperatureC: undefined,
  powerOnHours: undefined,
  reallocated: undefined,
  pending: undefined,
  uncorrectable: undefined,
  cableErrors: undefined,
  wearPercent: undefined,
  spare: undefined,
  criticalWarning: 0,
  selfTestFailed: false,
  failingNow: [],
};

/** Of a disk that could not be asked at all. */
export function noReading(reason: string): SmartReading {
  return { ...nothing, reason: short(reason) };
}

/** Reads smartctl's output, whatever it is. */
export function parseSmart(output: string): SmartReading {
  if (output.length > smartBytesMax) return noReading('the answer is too long');
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    return noReading(output.trim() === '' ? 'no answer' : 'the answer is no JSON');
  }
  const attributes = attributesOf(answer);
  const count = (id: number): number | undefined => attributes.find((one) => one.id === id)?.count;
  const nvme = at(answer, 'nvme_smart_health_information_log');
  const spareLeft = whole(at(nvme, 'available_spare'));
  const spareLeast = whole(at(nvme, 'available_spare_threshold'));
  const reason = messageOf(answer);
  return {
    state: stateOf(answer, reason),
    reason,
    model: name(at(answer, 'model_name')) ?? name(at(answer, 'scsi_model_name')),
    serial: name(at(answer, 'serial_number')),
    temperatureC: within(at(answer, 'temperature', 'current'), -60, 200),
    powerOnHours: whole(at(answer, 'power_on_time', 'hours')),
    reallocated: count(5) ?? whole(at(answer, 'scsi_grown_defect_list')),
    pending: count(197),
    uncorrectable: sum(count(187), count(198)) ?? whole(at(nvme, 'media_errors')),
    cableErrors: count(199),
    wearPercent: wearOf(answer, attributes),
    spare:
      spareLeft === undefined || spareLeast === undefined
        ? undefined
        : { left: spareLeft, least: spareLeast },
    criticalWarning: within(at(nvme, 'critical_warning'), 0, 255) ?? 0,
    selfTestFailed: selfTestFailed(answer),
    failingNow: attributes.filter((one) => one.failsNow).map((one) => one.name),
  };
}

function stateOf(answer: unknown, reason: string | undefined): SmartState {
  const passed = at(answer, 'smart_status', 'passed');
  if (passed === true) return 'passed';
  if (passed === false) return 'failed';
  // Some versions do not say why they ended with 2; a disk that cannot be opened is an error, which they do say.
  const quietly = at(answer, 'smartctl', 'exit_status') === 2 && reason === undefined;
  return quietly || /\bstandby\b|\bsleep\b/i.test(reason ?? '') ? 'asleep' : 'none';
}

function messageOf(answer: unknown): string | undefined {
  const messages = at(answer, 'smartctl', 'messages');
  const first: unknown = Array.isArray(messages) ? messages[0] : undefined;
  const text = at(first, 'string');
  return typeof text === 'string' ? short(text) : undefined;
}

interface Attribute {
  readonly id: number;
  readonly name: string;
  /** the vendor's mark, 1 to 253, the higher the better */
  readonly mark: number | undefined;
  readonly count: number | undefined;
  readonly failsNow: boolean;
}

function attributesOf(answer: unknown): Attribute[] {
  const table = at(answer, 'ata_smart_attributes', 'table');
  if (!Array.isArray(table)) return [];
  return table.slice(0, attributesMax).flatMap((row: unknown) => {
    const id = within(at(row, 'id'), 1, 255);
    if (id === undefined) return [];
    const label = name(at(row, 'name')) ?? `attribute ${id}`;
    const failsNow = at(row, 'when_failed') === 'now';
    const raw = whole(at(row, 'raw', 'value'));
    // The upper 16 bits are other figures with some vendors.
    const count = raw === undefined ? undefined : raw % 2 ** 32;
    return [{ id, name: label, mark: within(at(row, 'value'), 0, 255), count, failsNow }];
  });
}

const lifeLeft = /^(SSD_Life_Left|Media_Wearout_Indicator|Wear_Leveling_Count|Percent_Lifetime_Remain)/;

function wearOf(answer: unknown, attributes: readonly Attribute[]): number | undefined {
  const used =
    within(at(answer, 'nvme_smart_health_information_log', 'percentage_used'), 0, 255) ??
    within(at(answer, 'endurance_used', 'current_percent'), 0, 255);
  if (used !== undefined) return used;
  const mark = attributes.find((one) => lifeLeft.test(one.name))?.mark;
  return mark === undefined || mark > 100 ? undefined : 100 - mark;
}

function selfTestFailed(answer: unknown): boolean {
  const table = at(answer, 'ata_smart_self_test_log', 'standard', 'table');
  const newest: unknown = Array.isArray(table) ? table[0] : undefined;
  return at(newest, 'status', 'passed') === false;
}

/** Above the first a disk ages faster, above the second it may stop; °C. */
const warmth = { rotating: [55, 65], solid: [70, 80] } as const;
const wornPercent = 80;

const replace = 'Replace the disk soon; its recordings are read from it as long as it works.';
const replaceNow = 'Replace the disk now. Save first what matters with `starling export`.';

/** What to tell of a disk; `about` such as `disk sda`. */
export function smartFindings(about: string, reading: SmartReading, rotating: boolean): Finding[] {
  const found: Finding[] = [];
  const add = (verdict: Finding['verdict'], text: string, next: string): void => {
    found.push({ verdict, about, text, next });
  };
  const { reallocated = 0, pending = 0, uncorrectable = 0, wearPercent = 0, spare } = reading;
  if (reading.state === 'failed') add('FAIL', 'the disk itself says that it is failing', replaceNow);
  if (reading.failingNow.length > 0)
    add('FAIL', `below the vendor's threshold: ${reading.failingNow.slice(0, 5).join(', ')}`, replaceNow);
  if (reading.selfTestFailed) add('FAIL', 'its last self-test found an error', replaceNow);
  if (spare !== undefined && spare.left < spare.least)
    add('FAIL', `${spare.left} % of its spare blocks are left, ${spare.least} % are needed`, replaceNow);
  // Bits 0 and 1 are told by the spare blocks and the temperature.
  if ((reading.criticalWarning & 0b1000) !== 0) add('FAIL', 'it has become read-only', replaceNow);
  if ((reading.criticalWarning & 0b100) !== 0) add('FAIL', 'it says that it is unreliable', replaceNow);
  if (pending > 0) add('WARN', `${pending} sectors cannot be read`, replace);
  if (uncorrectable > 0) add('WARN', `${uncorrectable} reads have failed for good`, replace);
  if (reallocated > 0) add('WARN', `${reallocated} sectors were replaced by spare ones`, replace);
  if (wearPercent >= wornPercent) add('WARN', `${wearPercent} % of its rated life is used`, replace);
  return [...found, ...warmthFindings(about, reading.temperatureC, rotating)];
}

function warmthFindings(about: string, celsius: number | undefined, rotating: boolean): Finding[] {
  const [warm, hot] = rotating ? warmth.rotating : warmth.solid;
  if (celsius === undefined || celsius < warm) return [];
  const next = 'See that the fan turns, that air gets to the disk, and that the box is out of the sun.';
  return [{ verdict: celsius < hot ? 'WARN' : 'FAIL', about, text: `it is ${celsius} °C hot`, next }];
}

/** What is at the end of these keys. */
function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

function within(value: unknown, min: number, max: number): number | undefined {
  const known = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
  return known ? value : undefined;
}

function whole(value: unknown): number | undefined {
  return within(value, 0, Number.MAX_SAFE_INTEGER);
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
}

function name(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? short(value) : undefined;
}

function short(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cs}]/gu, ' ')
    .trim()
    .slice(0, textMax);
}
