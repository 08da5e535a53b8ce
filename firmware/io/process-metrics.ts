/** What a Node process tells of itself: CPU, memory, open files, garbage collection, event-loop lag. */
import { collectDefaultMetrics, type Registry } from 'prom-client';

/** How often the lag is looked at; less often than usual, for the sake of small boards. */
const lagSampleMs = 20;

/** Adds the usual `process_…` and `nodejs_…` figures. */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: lagSampleMs });
}
