/** What the log says of a camera's capture, in plain words. */
import type { CaptureState } from '../capture/capture-service.ts';
import type { CameraConfig } from '../config/camera-section.ts';
import { readCma } from '../io/board-facts.ts';
import type { Log } from '../runtime/log.ts';

/** Tells a change of a camera's capture. */
export function logCapture(log: Log, { id, source }: CameraConfig, state: CaptureState): void {
  switch (state.is) {
    case 'flowing':
      log('info', `camera ${id}: frames flow`);
      break;
    case 'ended':
      return log('info', `camera ${id}: the source came to its end, it begins again`);
    case 'silent':
      return log('warn', `${state.failure.message}. ${state.failure.advice}`);
    case 'failed':
      log('error', `${state.failure.message}. ${state.failure.advice}`);
  }
  // A sensor, its converter and its encoder take memory that must be in one piece: the usual trouble, and never said.
  if (source.kind === 'csi') void tellMemory(log, id);
}

async function tellMemory(log: Log, camera: string): Promise<void> {
  const cma = await readCma();
  if (cma !== undefined)
    log('info', `camera ${camera}: ${cma.freeMb} of ${cma.totalMb} MB of memory for pictures are free`);
}
