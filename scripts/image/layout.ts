/**
 * Where the partitions of an image lie: boot, CONFIG, two roots (one is used, the other is for the next version), data.
 *
 * GPT, but MBR for a Raspberry Pi, whose older boot ROM reads nothing else: there CONFIG and the roots are inside an
 * extended partition, so that `data` stays a primary one, is last, and grows with two numbers. Partitions start at
 * multiples of 4 MiB, the erase block of cards. The file is as long as a power of two, as SD controllers (and the
 * emulators of them) want their cards; what lies behind `usedSectors` is nothing, so that a card need not be that large.
 * `data` grows when the unit starts for the first time. Units: sectors of 512 bytes, unless a name says otherwise.
 */
import { randomBytes, randomUUID } from 'node:crypto';

export const sectorBytes = 512;
const sectorsPerMb = 2048;
const alignment = 4 * sectorsPerMb;
/** The copy of a GPT at the end takes 33; a round number is kept free. */
const tailSectors = sectorsPerMb;
export const configMb = 32;

export type PartitionName = 'boot' | 'CONFIG' | 'root-a' | 'root-b' | 'data';

export interface Partition {
  readonly name: PartitionName;
  readonly number: number;
  readonly start: number;
  readonly sectors: number;
  /** as `root=PARTUUID=` and fstab write it */
  readonly partUuid: string;
}

export interface Layout {
  readonly table: 'gpt' | 'dos';
  /** length of the file */
  readonly sectors: number;
  /** least length of a disk: all partitions and the end of the table */
  readonly usedSectors: number;
  readonly partitions: readonly Partition[];
  /** input of sfdisk that makes the table */
  readonly script: string;
}

export interface LayoutSizes {
  readonly bootMb: number;
  readonly rootMb: number;
  readonly dataMinMb: number;
}

const gptTypes: Record<PartitionName, string> = {
  boot: 'C12A7328-F81F-11D2-BA4B-00C04FD430C8',
  // "Basic data" is what Windows and macOS show to people.
  CONFIG: 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7',
  'root-a': '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  'root-b': '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  data: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
};
const dosTypes: Record<PartitionName, string> = {
  boot: 'c',
  CONFIG: 'c',
  'root-a': '83',
  'root-b': '83',
  data: '83',
};
const gptNumbers: Record<PartitionName, number> = { boot: 1, CONFIG: 2, 'root-a': 3, 'root-b': 4, data: 5 };
const dosNumbers: Record<PartitionName, number> = { boot: 1, CONFIG: 5, 'root-a': 6, 'root-b': 7, data: 3 };
const extendedNumber = 2;

/** The layout for these sizes; the ids in it are new. */
export function planLayout(table: Layout['table'], sizes: LayoutSizes): Layout {
  const places = placesOf(sizes);
  const end = places.reduce((last, { start, sectors }) => Math.max(last, start + sectors), 0);
  const usedSectors = end + tailSectors;
  const sectors = 2 ** Math.ceil(Math.log2(usedSectors));
  const diskId = table === 'gpt' ? randomUUID() : randomBytes(4).toString('hex');
  const partitions = places.map((place) => ({
    ...place,
    number: (table === 'gpt' ? gptNumbers : dosNumbers)[place.name],
    partUuid: table === 'gpt' ? randomUUID() : `${diskId}-0${dosNumbers[place.name]}`,
  }));
  const script = table === 'gpt' ? gptScript(diskId, partitions) : dosScript(diskId, partitions);
  return { table, sectors, usedSectors, partitions, script };
}

/** The partition of that name; every layout has all five. */
export function partitionNamed(layout: Layout, name: PartitionName): Partition {
  const found = layout.partitions.find((partition) => partition.name === name);
  if (found === undefined) throw new Error(`the layout has no partition ${name}`);
  return found;
}

function placesOf({ bootMb, rootMb, dataMinMb }: LayoutSizes) {
  const wanted: [PartitionName, number][] = [
    ['boot', bootMb],
    ['CONFIG', configMb],
    ['root-a', rootMb],
    ['root-b', rootMb],
    ['data', dataMinMb],
  ];
  let next = alignment;
  return wanted.map(([name, megabytes]) => {
    const place = { name, start: next, sectors: megabytes * sectorsPerMb };
    // One alignment between two partitions: in an MBR the record of a logical partition lies before it.
    next = Math.ceil((place.start + place.sectors) / alignment) * alignment + alignment;
    return place;
  });
}

function gptScript(diskId: string, partitions: readonly Partition[]): string {
  const lines = partitions.map(
    ({ number, name, start, sectors, partUuid }) =>
      `p${number} : start=${start}, size=${sectors}, type=${gptTypes[name]}, uuid=${partUuid}, name="${name}"`,
  );
  return ['label: gpt', `label-id: ${diskId}`, 'unit: sectors', ...lines, ''].join('\n');
}

function dosScript(diskId: string, partitions: readonly Partition[]): string {
  const logical = partitions.filter(({ number }) => number > 4);
  const first = Math.min(...logical.map(({ start }) => start)) - sectorsPerMb;
  const end = Math.max(...logical.map(({ start, sectors }) => start + sectors));
  const extended = `p${extendedNumber} : start=${first}, size=${end - first}, type=f`;
  const line = ({ number, name, start, sectors }: Partition): string =>
    `p${number} : start=${start}, size=${sectors}, type=${dosTypes[name]}${name === 'boot' ? ', bootable' : ''}`;
  const primary = partitions.filter(({ number }) => number <= 4).map(line);
  return [
    'label: dos',
    `label-id: 0x${diskId}`,
    'unit: sectors',
    ...primary,
    extended,
    ...logical.map(line),
    '',
  ].join('\n');
}
