/**
 * A strict reader of Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format): it throws at whatever a lenient one
 * would forgive.
 */
import assert from 'node:assert/strict';

export interface MetricFamily {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped';
  readonly help: string;
  /** by the name and labels as they are written */
  readonly samples: ReadonlyMap<string, number>;
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

/** The families of an exposition by name. */
export function parseExposition(text: string): Map<string, MetricFamily> {
  assert.equal(text.endsWith('\n'), true, 'the last line has no end');
  const families = new Map<string, MetricFamily & { samples: Map<string, number> }>();
  let help: { name: string; text: string } | undefined;
  let present: (MetricFamily & { samples: Map<string, number> }) | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      assert.match(name, metricName);
      assert.equal(families.has(name), false, `${name} comes twice`);
      help = { name, text: rest };
    } else if (keyword === 'TYPE') {
      assert.equal(help?.name, name, `${name} has no help`);
      assert.match(rest, /^(counter|gauge|histogram|summary|untyped)$/);
      present = { name, type: rest as MetricFamily['type'], help: help?.text ?? '', samples: new Map() };
      families.set(name, present);
    } else {
      assert.equal(line.startsWith('#'), false, line);
      assert(present !== undefined, `a sample of no family: ${line}`);
      addSample(present, line);
    }
  }
  for (const family of families.values()) check(family);
  return families;
}

function addSample(family: MetricFamily & { samples: Map<string, number> }, line: string): void {
  const [, name = '', labels = '', value = ''] = sampleLine.exec(line) ?? assert.fail(`no sample: ${line}`);
  const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  const allowed = suffixes.map((suffix) => `${family.name}${suffix}`);
  assert(allowed.includes(name), `${name} among the samples of ${family.name}`);
  const names: string[] = [];
  for (let rest = labels; rest !== ''; ) {
    const [whole, labelName = ''] = label.exec(rest) ?? assert.fail(`malformed labels: ${line}`);
    names.push(labelName);
    rest = rest.slice(whole.length);
  }
  assert.equal(new Set(names).size, names.length, `a label twice: ${line}`);
  const key = `${name}{${labels}}`;
  assert.equal(family.samples.has(key), false, `a series twice: ${line}`);
  const number = value === '+Inf' ? Infinity : value === '-Inf' ? -Infinity : Number(value);
  assert(value === 'NaN' || !Number.isNaN(number), `no number: ${line}`);
  family.samples.set(key, number);
}

function check({ name, type, samples }: MetricFamily): void {
  if (type === 'counter') {
    for (const [series, value] of samples) assert(value >= 0, `${series} is negative`);
  }
  if (type !== 'histogram') return;
  const below = new Map<string, number>();
  for (const [series, value] of samples) {
    if (!series.startsWith(`${name}_bucket{`)) continue;
    const labels = series
      .slice(`${name}_bucket{`.length, -1)
      .replace(/(^|,)le="[^"]*"/, '')
      .replace(/^,/, '');
    assert(value >= (below.get(labels) ?? 0), `${series}: buckets are cumulative`);
    below.set(labels, value);
  }
  for (const [labels, count] of below) {
    assert.equal(samples.get(`${name}_count{${labels}}`), count, `${name}: the last bucket is the count`);
  }
}

/** The value of one series, such as `starling_camera_up{camera="cam-1"}`. */
export function valueOf(families: ReadonlyMap<string, MetricFamily>, series: string): number | undefined {
  const key = series.endsWith('}') ? series : `${series}{}`;
  for (const { samples } of families.values()) {
    const value = samples.get(key);
    if (value !== undefined) return value;
  }
  return undefined;
}
