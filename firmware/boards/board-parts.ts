/**
 * What of a board is there on the running machine, and what is missing: each part that board.yaml names is looked for in
 * what the machine shows of itself. Pure: the facts come from io/board-facts.ts.
 */
import type { UnitRole } from '../site/identity.ts';
import type { Board } from './board-schema.ts';

/** What the machine shows of itself. */
export interface BoardFacts {
  readonly gpioChips: readonly { readonly label: string; readonly lineCount: number }[];
  readonly pwmChips: readonly { readonly device: string; readonly channelCount: number }[];
  /** names in /sys/class/leds */
  readonly leds: readonly string[];
  /** names of what measures or cools, in /sys/class/hwmon */
  readonly hwmon: readonly string[];
  /** names in /sys/class/net */
  readonly networkInterfaces: readonly string[];
  /** labels of partitions */
  readonly labels: readonly string[];
  /** those of the paths in board.yaml that are there */
  readonly paths: readonly string[];
  /** cameras of the kernel, /dev/videoN */
  readonly videoDevices: readonly string[];
  /** those of the pipeline's elements that GStreamer has; undefined when there is no GStreamer at all */
  readonly elements: readonly string[] | undefined;
  readonly rtc: boolean;
  readonly memoryMb: number;
  /** memory for pictures, contiguous; undefined when the kernel keeps none apart */
  readonly cma: { readonly totalMb: number; readonly freeMb: number } | undefined;
}

export interface PartReport {
  readonly part: string;
  /** what board.yaml says, for people */
  readonly expected: string;
  readonly found: boolean;
  /** what to do when it is not found */
  readonly hint: string;
}

/** Paths of which a report wants to know whether they are there. */
export function pathsOf(board: Board): string[] {
  const { console: port, watchdog, storage } = board;
  const paths = [port?.path, port?.second?.path, watchdog?.path, storage.device];
  return paths.filter((path) => path !== undefined);
}

/** One line for each part of the board, in the order of board.yaml. `role` leaves out what the other one needs. */
export function reportParts(board: Board, facts: BoardFacts, role?: UnitRole): PartReport[] {
  return [
    ...(role === undefined || role === 'camera' ? captureParts(board, facts) : []),
    ...lineParts(board, facts),
    ...systemParts(board, facts),
    ...storageParts(board, facts, role),
  ];
}

function captureParts({ capture }: Board, facts: BoardFacts): PartReport[] {
  if (capture === undefined) return [];
  const has = (element: string): boolean => facts.elements?.includes(element) ?? false;
  const element = (part: string, name: string, hint: string): PartReport => ({
    part,
    expected: name,
    found: has(name),
    hint: facts.elements === undefined ? 'GStreamer is not installed' : hint,
  });
  const camera: PartReport =
    capture.source === 'libcamera'
      ? element('camera', 'libcamerasrc', 'install gstreamer1.0-libcamera; is the ribbon cable in?')
      : {
          part: 'camera',
          expected: '/dev/videoN',
          found: facts.videoDevices.length > 0,
          hint: 'is the camera plugged in? other sources (rtsp://, test) need none',
        };
  const parts = capture.source === 'test' ? [] : [camera];
  if (capture.convert === 'v4l2convert')
    parts.push(element('converter', 'v4l2convert', "it needs the maker's kernel: module bcm2835-isp"));
  const hint =
    capture.encoder === 'v4l2h264enc'
      ? "it needs the maker's kernel: module bcm2835-codec"
      : `install the GStreamer plugin of ${capture.encoder}`;
  parts.push(element('encoder', capture.encoder, hint));
  return parts;
}

function lineParts({ gpio, pwm }: Board, facts: BoardFacts): PartReport[] {
  const parts: PartReport[] = [];
  if (gpio !== undefined) {
    const { chipLabel, lineCount } = gpio;
    const chip = facts.gpioChips.find(({ label }) => label === chipLabel);
    parts.push({
      part: 'gpio',
      expected: `${chipLabel}, ${lineCount} lines`,
      found: chip?.lineCount === lineCount,
      hint:
        chip === undefined
          ? `no such chip in /sys/class/gpio (there: ${listed(facts.gpioChips.map(({ label }) => label))})`
          : `the chip has ${chip.lineCount} lines: is this another board?`,
    });
  }
  if (pwm !== undefined) {
    const { device, channelCount } = pwm;
    const chip = facts.pwmChips.find((one) => one.device === device);
    parts.push({
      part: 'pwm',
      expected: `${device}, ${channelCount} channels`,
      found: chip?.channelCount === channelCount,
      hint: 'the boot settings must turn it on (dtoverlay=pwm-2chan); servos are pulsed by the processor until then',
    });
  }
  return parts;
}

function systemParts(board: Board, facts: BoardFacts): PartReport[] {
  const { console: port, watchdog, leds, fan, network, rtc, storage } = board;
  const has = (path: string): boolean => facts.paths.includes(path);
  const parts: PartReport[] = leds.map(({ name, sysfs }) => ({
    part: `led ${name}`,
    expected: sysfs,
    found: facts.leds.includes(sysfs),
    hint: `not in /sys/class/leds (there: ${listed(facts.leds)})`,
  }));
  const add = (part: string, expected: string, found: boolean, hint: string): void => {
    parts.push({ part, expected, found, hint });
  };
  if (fan !== undefined) add('fan', fan.hwmon, facts.hwmon.includes(fan.hwmon), 'is it plugged in?');
  for (const { path } of [port, port?.second].filter((one) => one !== undefined))
    add('console', path, has(path), 'the boot settings must turn this serial port on');
  if (watchdog !== undefined)
    add('watchdog', watchdog.path, has(watchdog.path), 'the kernel has no driver for it loaded');
  if (rtc)
    add(
      'clock',
      'with battery',
      facts.rtc,
      'dates are wrong after power was off, until a server tells the time',
    );
  for (const name of [network.interface, network.wifi].filter((one) => one !== undefined))
    add('network', name, facts.networkInterfaces.includes(name), `there: ${listed(facts.networkInterfaces)}`);
  if (storage.device !== undefined)
    add('storage', storage.device, has(storage.device), 'the unit was started from another disk');
  return parts;
}

function storageParts({ storage }: Board, facts: BoardFacts, role: UnitRole | undefined): PartReport[] {
  const labels = [storage.data, ...(role === 'camera' ? [] : storage.volumes)];
  return labels.map((label) => ({
    part: 'partition',
    expected: label,
    found: facts.labels.includes(label),
    hint: `no partition has this label (there: ${listed(facts.labels)})`,
  }));
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.slice(0, 8).join(', ');
}
