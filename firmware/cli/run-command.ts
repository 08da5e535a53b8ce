/** `starling run`: one unit, camera or server, until it is told to stop. */
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { messageOf } from '../base/failure.ts';
import type { CameraUnitConfig, ServerUnitConfig } from '../config/unit-config.ts';
import { loadUnitConfig } from '../io/config-file.ts';
import { openLog } from '../io/log-output.ts';
import { systemClock } from '../io/system-clock.ts';
import type { RoleOptions } from '../roles/camera.ts';

/** Longest time a clean stop may take before the process ends anyway. */
const stopMs = 10_000;

/** Adds `run` to the program. */
export function addRunCommand(program: Command, version: string): void {
  program
    .command('run')
    .description('run this unit, camera or server, as its unit.yaml says')
    .requiredOption('--config <file>', 'settings of the unit (unit.yaml)')
    .option('--json', 'log JSON lines even on a terminal')
    .addHelpText('after', '\nExample:\n  starling run --config /etc/starling/unit.yaml')
    .action(async ({ config: path, json }: { config: string; json?: true }) => {
      const config = await loadUnitConfig(path);
      // A terminal, or a parent that asks for it, gets plain lines.
      const plain = json !== true && (process.stderr.isTTY || process.env['STARLING_LOG'] === 'plain');
      const log = openLog(config.unit, config.log.level, plain);
      const unit = { version, clock: systemClock, log, program: fileURLToPath(import.meta.url) };
      const stop = stopRequested();
      const role = config.role === 'camera' ? await cameraRole({ ...unit, config }) : await serverRole({ ...unit, config });
      log('info', `stops (${await stop})`);
      setTimeout(() => process.exit(1), stopMs).unref();
      await role[Symbol.asyncDispose]();
      log('info', 'stopped');
      process.exit(0);
    });
}

async function cameraRole(options: RoleOptions<CameraUnitConfig>): Promise<AsyncDisposable> {
  const { startCamera } = await import('../roles/camera.ts');
  return startCamera(options);
}

async function serverRole(options: RoleOptions<ServerUnitConfig>): Promise<AsyncDisposable> {
  const [{ startServer }, { default: script }, { default: style }] = await Promise.all([
    import('../roles/server.ts'),
    import('virtual:page.js'),
    import('virtual:page.css'),
  ]);
  return startServer({ ...options, assets: { script, style } });
}

/** Resolves with the reason when the unit should stop: a signal, or the end of the process that started it. */
function stopRequested(): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
    if (process.connected) process.once('disconnect', () => resolve('its parent is gone'));
    process.on('uncaughtException', (error) => {
      // A bug: the state cannot be trusted any more; whoever supervises the unit starts it anew.
      process.stderr.write(`bug: ${error.stack ?? messageOf(error)}\n`);
      process.exit(70);
    });
  });
}
