/**
 * Carries out commands that came by MQTT, and says what became of them under `…/camera/ID/result` (not retained).
 *
 * Rights: whoever may publish to a command topic at the broker is an operator of that camera; the broker's access
 * rules are where that is decided. Invariants: a retained command is ignored, for nobody knows how old it is; at most
 * `atOnceMax` commands of one camera are under way, others are refused.
 */
import { messageOf } from '../base/failure.ts';
import type { Log } from '../runtime/log.ts';
import type { StreamAccess, StreamOutcome } from '../viewing/stream-access.ts';
import type { HeardMessage } from './broker.ts';
import { parsePtzCommand, parseStreamCommand } from './commands.ts';
import type { SteerAccess } from './steer-access.ts';
import type { CommandOutcome, TelemetryCounts } from './telemetry-counts.ts';

const atOnceMax = 4;

export interface CommandDeskOptions {
  readonly counts: TelemetryCounts;
  readonly log: Log;
  readonly streams: StreamAccess;
  /** absent where no camera can be turned */
  readonly steering?: SteerAccess | undefined;
  readonly onStream: (camera: string, outcome: StreamOutcome) => void;
  /** A well-formed command goes to the camera; for the audit log. */
  readonly onCommand?: ((camera: string, command: Command['command']) => void) | undefined;
  readonly tell: (camera: string, result: CommandResult) => void;
}

/** The JSON under `…/camera/ID/result`. */
export interface CommandResult {
  readonly command: 'ptz' | 'stream';
  readonly outcome: CommandOutcome;
  /** empty when it was done */
  readonly reason: string;
}

export interface Command {
  readonly camera: string;
  readonly command: 'ptz' | 'stream';
  readonly message: HeardMessage;
  /** this server speaks for the camera now */
  readonly here: boolean;
}

export class CommandDesk {
  private readonly options: CommandDeskOptions;
  private readonly underWay = new Map<string, number>();
  /** what was logged once */
  private readonly told = new Set<string>();

  constructor(options: CommandDeskOptions) {
    this.options = options;
  }

  take({ camera, command, message, here }: Command): void {
    if (message.retained) return this.conclude(camera, command, 'retained', 'a retained command is ignored');
    // Its manager hears it, too.
    if (!here) return this.conclude(camera, command, 'elsewhere', '');
    if ((this.underWay.get(camera) ?? 0) >= atOnceMax) {
      return this.conclude(camera, command, 'busy', `${camera} is busy with earlier commands`);
    }
    if (command === 'ptz') this.steer(camera, message.payload);
    else this.stream(camera, message.payload);
  }

  private steer(camera: string, payload: Uint8Array): void {
    const { steering } = this.options;
    const wish = parsePtzCommand(payload);
    if (!wish.ok) return this.conclude(camera, 'ptz', 'malformed', wish.reason);
    if (steering === undefined) return this.conclude(camera, 'ptz', 'refused', `${camera} does not move`);
    this.carryOut(camera, 'ptz', steering.steer(camera, wish.value));
  }

  private stream(camera: string, payload: Uint8Array): void {
    const wish = parseStreamCommand(payload);
    if (!wish.ok) return this.conclude(camera, 'stream', 'malformed', wish.reason);
    const done = this.options.streams.stream(camera, wish.value).then((outcome) => {
      this.options.onStream(camera, outcome);
      return 'refusal' in outcome ? outcome.refusal : undefined;
    });
    this.carryOut(camera, 'stream', done);
  }

  /** `done` resolves with the camera's refusal, if it refuses. */
  private carryOut(camera: string, command: Command['command'], done: Promise<string | undefined>): void {
    this.options.onCommand?.(camera, command);
    this.underWay.set(camera, (this.underWay.get(camera) ?? 0) + 1);
    done
      .then(
        (refusal) =>
          this.conclude(camera, command, refusal === undefined ? 'done' : 'refused', refusal ?? ''),
        (error: unknown) => this.conclude(camera, command, 'failed', messageOf(error)),
      )
      .finally(() => {
        const left = (this.underWay.get(camera) ?? 1) - 1;
        if (left > 0) this.underWay.set(camera, left);
        else this.underWay.delete(camera);
      });
  }

  private conclude(
    camera: string,
    command: Command['command'],
    outcome: CommandOutcome,
    reason: string,
  ): void {
    const { counts, log, tell } = this.options;
    counts.commands[outcome] += 1;
    if (outcome === 'elsewhere') return;
    if (outcome === 'done') log('debug', `${camera} was told by MQTT: ${command}`);
    else if (!this.told.has(outcome)) {
      this.told.add(outcome);
      const first = `${outcome} (${reason}); counted from now on, not logged again`;
      log('warn', `a command for ${camera} by MQTT was not carried out: ${first}`);
    }
    if (outcome !== 'retained') tell(camera, { command, outcome, reason });
  }
}
