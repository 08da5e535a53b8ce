/**
 * What a camera unit answers on its field console: its manager and why that one, its cameras, its clock, its mounts, and
 * the lines of `status` about them.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { CaptureStatus } from '../capture/capture-service.ts';
import { unknownUs } from '../capture/utc-mapping.ts';
import type { CameraConfig } from '../config/camera-section.ts';
import { formatSourceSpec } from '../config/source-spec.ts';
import type { Check, CommandTable, ConsoleAnswer } from '../console/command-table.ts';
import { plainText } from '../console/console-text.ts';
import type { UtcMapping } from '../media/sample.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { ServerChoice } from '../overlay/server-choice.ts';
import { parseSteerArguments, steerUsage } from './steer-arguments.ts';

/** A rate is measured over so long. */
const measuredMs = 5_000;
/** Older pictures are a fault. */
const staleMs = 3_000;
/** Less of the time that the outbox holds is worth a warning. */
const outboxShareWarned = 0.5;

type Steer = PacketBody<'cam-steer'>;

export interface CameraConsoleParts {
  readonly clock: Clock;
  readonly cameras: readonly CameraConfig[];
  readonly captures: ReadonlyMap<string, { status(): CaptureStatus; readonly stream: StreamSettings }>;
  /** samples that no server has acknowledged */
  readonly outboxes: ReadonlyMap<
    string,
    { readonly bytes: number; readonly spanUs: number; readonly overflowed: number }
  >;
  readonly outboxSecondsMax: number;
  readonly node: {
    manager(): string | undefined;
    epoch(): number;
    readonly choice: ServerChoice | undefined;
  };
  readonly utc: { readonly known: boolean; readonly steps: number; mapping(): UtcMapping };
  readonly steering: { wish(body: Steer): Steer };
  readonly refusals: { snapshot(): Record<string, number> };
}

/** Registers the commands; call the result when the unit stops. */
export function addCameraConsole(commands: CommandTable, parts: CameraConsoleParts): () => void {
  const rates = new FrameRates(parts);
  commands.connected = () => parts.node.manager() !== undefined;
  commands.addChecks(() => [managerCheck(parts), timeCheck(parts)]);
  commands.addChecks(() => parts.cameras.flatMap(({ id }) => cameraChecks(id, parts, rates)));
  commands.add(
    {
      name: 'manager',
      usage: 'manager',
      summary: 'which server manages this unit, and why that one',
      run: async () => ({ data: managerData(parts) }),
    },
    {
      name: 'camera',
      usage: 'camera [ID]',
      summary: 'source, measured frame rate, last frame, encoder, what waits for a server',
      words: parts.cameras.map(({ id }) => id),
      run: async ([id]) => cameraAnswer(parts, rates, id),
    },
    {
      name: 'utc',
      usage: 'utc',
      summary: 'what the unit takes the time to be',
      run: async () => ({ data: timeData(parts) }),
    },
    {
      name: 'ptz',
      usage: `ptz ${steerUsage}`,
      summary: 'where a camera looks; turn it',
      words: parts.cameras.map(({ id }) => id),
      run: async (args) => steer(parts, args),
    },
  );
  return () => rates.stop();
}

function managerData({ node, clock, refusals }: CameraConsoleParts): Record<string, unknown> {
  const { choice } = node;
  const manager = node.manager();
  return {
    manager: manager ?? null,
    epoch: node.epoch(),
    why: choice?.why ?? null,
    alsoOffered: choice?.others ?? [],
    leaseMs: choice?.leaseMs ?? null,
    sinceSeconds:
      manager === undefined || choice === undefined
        ? null
        : Math.round((clock.monotonicMs() - choice.atMs) / 1000),
    refused: refusals.snapshot(),
  };
}

function managerCheck({ node }: CameraConsoleParts): Check {
  const server = node.manager();
  if (server !== undefined)
    return {
      name: 'manager',
      level: 'OK',
      text: `${server}, epoch ${node.epoch()}, ${node.choice?.why ?? ''}`,
    };
  const before = node.choice === undefined ? 'none has answered yet' : `the last was ${node.choice.server}`;
  return {
    name: 'manager',
    level: 'FAIL',
    text: `no server manages this unit: ${before}`,
    next: '`net` shows link and addresses; is a server of this site in reach, and UDP 8384 let through?',
  };
}

function timeData({ utc, clock }: CameraConsoleParts): Record<string, unknown> {
  const { offsetUs, uncertaintyUs } = utc.mapping();
  const known = utc.known && uncertaintyUs !== unknownUs;
  return {
    known,
    utc: known ? new Date(Math.round(clock.monotonicMs() + offsetUs / 1000)).toISOString() : null,
    uncertaintyMs: known ? uncertaintyUs / 1000 : null,
    steps: utc.steps,
  };
}

function timeCheck(parts: CameraConsoleParts): Check {
  const { known, utc, uncertaintyMs } = timeData(parts);
  if (known !== true)
    return {
      name: 'time',
      level: 'WARN',
      text: 'nobody has told this unit the time yet; recordings get their dates later',
      next: '`time` shows the clock; a manager tells it',
    };
  return { name: 'time', level: 'OK', text: `${String(utc)}, known within ${String(uncertaintyMs)} ms` };
}

function cameraChecks(id: string, parts: CameraConsoleParts, rates: FrameRates): Check[] {
  const capture = parts.captures.get(id);
  const name = `camera ${id}`;
  if (capture === undefined) return [{ name, level: 'WARN', text: 'starting' }];
  const { state, trouble, lastFrameAgeMs, captures } = capture.status();
  const rate = rates.of(id);
  const checks: Check[] = [];
  if (state === 'starting') checks.push({ name, level: 'WARN', text: 'starting, no frame yet' });
  else if (state === 'failed' || lastFrameAgeMs === null || lastFrameAgeMs > staleMs)
    checks.push({
      name,
      level: 'FAIL',
      text: trouble ?? `no frame for ${((lastFrameAgeMs ?? 0) / 1000).toFixed(1)} s`,
      next: `\`camera ${id}\` tells more; \`capture test ${id}\` watches it for 5 s`,
    });
  else {
    const wanted = capture.stream.frameRate;
    const slow = rate !== null && rate < wanted * 0.8;
    checks.push({
      name,
      level: slow ? 'WARN' : 'OK',
      text: `${rate === null ? 'frames flow' : `${rate} of ${wanted} fps`}, last ${lastFrameAgeMs} ms ago, started ${captures}x`,
      ...(slow
        ? { next: 'the processor or the source does not keep up: less width, height or frameRate' }
        : {}),
    });
  }
  const outbox = parts.outboxes.get(id);
  const seconds = Math.round((outbox?.spanUs ?? 0) / 1_000_000);
  const lost = outbox?.overflowed ?? 0;
  if (seconds > parts.outboxSecondsMax * outboxShareWarned || lost > 0)
    checks.push({
      name: `outbox ${id}`,
      level: lost > 0 ? 'FAIL' : 'WARN',
      text: `${seconds} of ${parts.outboxSecondsMax} s wait for a server, ${lost} samples were lost since the start`,
      next: 'the link or the server is too slow, or away: see manager',
    });
  return checks;
}

function cameraData(parts: CameraConsoleParts, rates: FrameRates, camera: CameraConfig): object {
  const capture = parts.captures.get(camera.id);
  const outbox = parts.outboxes.get(camera.id);
  return {
    camera: camera.id,
    source: formatSourceSpec(camera.source),
    size: `${camera.width}x${camera.height}`,
    ...capture?.stream,
    measuredFps: rates.of(camera.id),
    ...capture?.status(),
    outboxBytes: outbox?.bytes,
    outboxSeconds: Number(((outbox?.spanUs ?? 0) / 1_000_000).toFixed(1)),
    lostSamples: outbox?.overflowed,
    mount: camera.mount.kind,
  };
}

function cameraAnswer(parts: CameraConsoleParts, rates: FrameRates, id: string | undefined): ConsoleAnswer {
  const cameras = parts.cameras.filter((camera) => id === undefined || camera.id === id);
  if (cameras.length === 0) throw noCamera(id ?? '', parts);
  const data = cameras.map((camera) => cameraData(parts, rates, camera));
  return { data, text: data.map((one) => plainText(one)).join('\n\n') };
}

function noCamera(id: string, { cameras }: CameraConsoleParts): Failure {
  const advice = `This unit has ${cameras.map((camera) => camera.id).join(', ')}.`;
  return new Failure('NOT_FOUND', `no camera ${JSON.stringify(id.slice(0, 40))} here`, { advice });
}

function steer(parts: CameraConsoleParts, args: readonly string[]): ConsoleAnswer {
  const { camera, wish } = parseSteerArguments(
    args,
    parts.cameras.map(({ id }) => id),
  );
  const nothing = { refusal: '', position: undefined, moving: false, mount: undefined };
  const { refusal, position, moving, mount } = parts.steering.wish({ request: 0, camera, wish, ...nothing });
  if (refusal !== '') {
    const advice = `ptz ${steerUsage}`;
    throw new Failure('USAGE', `${camera}: ${refusal}`, { advice });
  }
  return { data: { camera, ...position, moving, presets: mount?.presets.map(({ name }) => name) ?? [] } };
}

/** Pictures per second of each camera over the last seconds, from counts that are looked at once a second. */
class FrameRates {
  private readonly parts: CameraConsoleParts;
  private readonly seen: { readonly atMs: number; readonly frames: ReadonlyMap<string, number> }[] = [];
  private cancel = (): void => undefined;

  constructor(parts: CameraConsoleParts) {
    this.parts = parts;
    this.look();
  }

  /** Null while it is not known. */
  of(camera: string): number | null {
    const first = this.seen[0];
    const last = this.seen.at(-1);
    if (first === undefined || last === undefined || last.atMs - first.atMs < measuredMs / 2) return null;
    const frames = (last.frames.get(camera) ?? 0) - (first.frames.get(camera) ?? 0);
    return Number(((frames * 1000) / (last.atMs - first.atMs)).toFixed(1));
  }

  stop(): void {
    this.cancel();
  }

  private look(): void {
    const { captures, clock } = this.parts;
    const frames = new Map([...captures].map(([id, capture]) => [id, capture.status().frames]));
    this.seen.push({ atMs: clock.monotonicMs(), frames });
    if (this.seen.length > measuredMs / 1000 + 1) this.seen.shift();
    this.cancel = clock.after(1_000, () => this.look());
  }
}
