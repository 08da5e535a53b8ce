/** `starling run`: one unit, camera or server, until it is told to stop. */
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { messageOf } from '../base/failure.ts';
import type { CameraUnitConfig, ServerUnitConfig } from '../config/unit-config.ts';
import { loadUnitConfig } from '../io/config-file.ts';
import { openLog } from '../io/log-output.ts';
import { systemClock } from '../io/system-clock.ts';
import { profiles } from '../overlay/constants.ts';
import type { RoleOptions } from '../roles/camera.ts';
import { LogRing } from '../runtime/log-ring.ts';
import { forgetFailure, noteFailure, UnitControl } from './unit-control.ts';

/** Longest time a clean stop may take, after the unit has left the network, before the process ends anyway. */
const stopMs = 8_000;

/** Adds `run` to the program. */
export function addRunCommand(program: Command, version: string): void {
  program
    .command('run')
    .description('run this unit, camera or server, as its unit.yaml says')
    .requiredOption('--config <file>', 'settings of the unit (unit.yaml)')
    .option('--json', 'log JSON lines even on a terminal')
    .addHelpText('after', '\nExample:\n  starling run --config /etc/starling/unit.yaml')
    .action(async (flags: Flags) => {
      // First of all: a parent that is gone meanwhile, or a signal while the unit starts, must not be missed.
      const stop = stopRequest();
      let exitCode = 0;
      try {
        exitCode = await runUnit(flags, version, stop);
      } catch (thrown) {
        // Neither the parent's channel nor anything that failed to close keeps a unit that does not run.
        process.channel?.unref();
        setTimeout(() => process.exit(), stopMs).unref();
        throw thrown;
      }
      process.exit(exitCode);
    });
}

interface Flags {
  readonly config: string;
  readonly json?: true;
}

/** Runs the unit until `stop`; what it ends with. Rejects with a Failure when it cannot start. */
async function runUnit({ config: path, json }: Flags, version: string, stop: StopRequest): Promise<number> {
  const config = await loadUnitConfig(path);
  // A terminal, or a parent that asks for it, gets plain lines.
  const plain = json !== true && (process.stderr.isTTY || process.env['STARLING_LOG'] === 'plain');
  const ring = new LogRing(systemClock);
  const log = ring.keeping(openLog(config.unit, config.log.level, plain), {
    debug: ['trace', 'debug'].includes(config.log.level),
  });
  const limitMs = stopMs + profiles[config.overlay.profile].leaveMs;
  void stop.asked.then((reason) => {
    log('info', `stops (${reason})`);
    setTimeout(() => {
      log(
        'error',
        `not stopped within ${limitMs / 1000} s, ends anyway; the next start puts the recordings in order`,
      );
      process.exit(1);
    }, limitMs).unref();
  });
  await using control = await UnitControl.open({ config, version, ring, log, stop: stop.ask });
  const { commands } = control;
  const { unitBoard } = await import('../roles/unit-board.ts');
  const program = fileURLToPath(import.meta.url);
  const unit = { version, clock: systemClock, log, program, commands };
  const starting = unitBoard(config, log).then((board) =>
    config.role === 'camera'
      ? cameraRole({ ...unit, config, board })
      : serverRole({ ...unit, config, board }, { ring, stop: stop.ask }),
  );
  const role = await starting.catch(async (thrown: unknown) => {
    await noteFailure(config, thrown);
    throw thrown;
  });
  await forgetFailure(config);
  await stop.asked;
  await role[Symbol.asyncDispose]();
  log('info', 'stopped');
  return control.exitCode;
}

async function cameraRole(options: RoleOptions<CameraUnitConfig>): Promise<AsyncDisposable> {
  const { startCamera } = await import('../roles/camera.ts');
  return startCamera(options);
}

async function serverRole(
  options: RoleOptions<ServerUnitConfig>,
  hooks: { readonly ring: LogRing; readonly stop: StopRequest['ask'] },
): Promise<AsyncDisposable> {
  const [{ startServer }, { default: script }, { default: parts }, { default: style }] = await Promise.all([
    import('../roles/server.ts'),
    import('virtual:page.js'),
    import('virtual:page-parts.json'),
    import('virtual:page.css'),
  ]);
  return startServer({
    ...options,
    ...hooks,
    assets: { script, parts: JSON.parse(parts) as Record<string, string>, style },
  });
}

/** Somebody wants the unit to stop. */
interface StopRequest {
  /** resolves with the reason */
  readonly asked: Promise<string>;
  readonly ask: (reason: string) => void;
}

/**
 * The unit stops on a signal, when the process that started it ends, or when it is asked to leave. A terminal sends
 * its signals to every process, so a unit with a parent leaves those to the parent. A second signal changes nothing:
 * what was recorded is being put in order.
 */
function stopRequest(): StopRequest {
  let ask: StopRequest['ask'] = () => undefined;
  const asked = new Promise<string>((resolve) => {
    ask = resolve;
  });
  const hasParent = process.send !== undefined;
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (signal === 'SIGTERM' || !hasParent) ask(signal);
    });
  }
  process.once('disconnect', () => ask('its parent is gone'));
  if (hasParent && !process.connected) ask('its parent is gone');
  process.on('uncaughtException', (error) => {
    // A bug: the state cannot be trusted any more; whoever supervises the unit starts it anew.
    process.stderr.write(`bug: ${error.stack ?? messageOf(error)}\n`);
    process.exit(70);
  });
  return { asked, ask };
}
