/**
 * Reads QEMU's trace of the outputs of a PL061 (arm64 guests): when each line went up and down, by the clock of the
 * host. Translated guests run unevenly, so single widths say little: look at count, order and median.
 *
 *     4711@1758800000.123456:pl061_set_output /machine/unattached/device[6] setting output 0 to 1
 */

const change = /@(\d+)\.(\d{6}):pl061_set_output \S+ setting output (\d+) to ([01])$/;

/** A line that was up for a while. Times are µs of the host's clock. */
export interface Pulse {
  readonly line: number;
  readonly atUs: number;
  readonly widthUs: number;
}

/** All whole pulses in the order in which they began; a line that is still up has none. */
export function pulsesIn(trace: string): Pulse[] {
  const upSince = new Map<number, number>();
  const pulses: Pulse[] = [];
  for (const text of trace.split('\n')) {
    const match = change.exec(text.trimEnd());
    if (match === null) continue;
    const [seconds = 0, micros = 0, line = 0, level = 0] = match.slice(1).map(Number);
    const atUs = seconds * 1_000_000 + micros;
    const since = upSince.get(line);
    if (level === 1) upSince.set(line, since ?? atUs);
    else if (since !== undefined) {
      pulses.push({ line, atUs: since, widthUs: atUs - since });
      upSince.delete(line);
    }
  }
  return pulses.sort((one, other) => one.atUs - other.atUs);
}

/** The middle one; NaN of none. */
export function medianWidthUs(pulses: readonly Pulse[]): number {
  const widths = pulses.map(({ widthUs }) => widthUs).sort((one, other) => one - other);
  return widths[Math.floor(widths.length / 2)] ?? Number.NaN;
}
