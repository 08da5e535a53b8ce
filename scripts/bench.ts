/**
 * `npm run bench -- [NAME] [--json FILE] [--small]`: runs a benchmark, prints its table, fails when the run was not
 * valid. `--small` (or `--quick`) only shows that it works: its figures mean nothing.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchArchive } from './bench/archive.ts';
import { benchCameraMemory } from './bench/camera-memory.ts';
import { benchFailover } from './bench/failover.ts';
import { benchFirstPicture } from './bench/first-picture.ts';
import { benchOverlay } from './bench/overlay.ts';
import { benchRecording } from './bench/recording.ts';
import { benchViewing } from './bench/viewing.ts';

/** One line of a benchmark's table. */
export interface Figure {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** the same of the peer that ran beside it */
  readonly peer?: { readonly name: string; readonly value: number };
  /** why the figure means nothing, if it does not */
  readonly notValid?: string;
}

const benches: Readonly<Record<string, (small: boolean) => Promise<Figure[]>>> = {
  camera: benchCameraMemory,
  failover: benchFailover,
  archive: benchArchive,
  'first-picture': benchFirstPicture,
  overlay: benchOverlay,
  recording: benchRecording,
  viewing: benchViewing,
};

function print(figures: readonly Figure[]): void {
  const rows = figures.map(({ figure, value, unit, peer, notValid }) => {
    const against =
      peer === undefined
        ? ''
        : peer.value === 0
          ? `${peer.name}: 0`
          : `${(value / peer.value).toFixed(2)} × ${peer.name} (${peer.value.toFixed(2)})`;
    const doubt = notValid === undefined ? '' : ` NOT VALID: ${notValid}`;
    return [figure, `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`, `${against}${doubt}`];
  });
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const [figure = '', value = '', against = ''] of rows) {
    console.log(`${figure.padEnd(widths[0] ?? 0)}  ${value.padStart(widths[1] ?? 0)}  ${against}`);
  }
}

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const name = positionals[0] ?? 'first-picture';
const bench = benches[name];
if (bench === undefined) {
  console.error(`no benchmark ${name}; there are: ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
const small = values.small || values.quick;
const figures = await bench(small);
print(figures);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ bench: name, small, figures }, null, 2)}\n`);
// In the small form nothing but that it runs is shown.
if (!small && figures.some(({ notValid }) => notValid !== undefined)) process.exitCode = 1;
