/**
 * Loaded before the program of the synthetic cameras: gives each sample content that can be told from any other's, and
 * writes down each acknowledgement with what the disk had recorded by the time the camera knew of it.
 *
 * The real outbox is watched, not replaced: what it is told is what a camera relies on. A line of the log is one
 * `Acknowledgement` as JSON. Environment: STARLING_POWER_JOURNAL (of the disk), STARLING_POWER_LOG.
 */
import assert from 'node:assert/strict';
import { appendFileSync, statSync } from 'node:fs';
import { Outbox } from '../../firmware/capture/outbox.ts';
import type { Acknowledgement } from './acknowledgements.ts';
import { contentOf } from './sample-content.ts';

const { STARLING_POWER_JOURNAL: journal, STARLING_POWER_LOG: log } = process.env;
assert(journal !== undefined && log !== undefined, 'needs STARLING_POWER_JOURNAL and STARLING_POWER_LOG');

/** The two things that an outbox is told, as they are called. */
interface Told {
  addSample: (this: Outbox, ...told: Parameters<Outbox['addSample']>) => void;
  acknowledge: (this: Outbox, ...told: Parameters<Outbox['acknowledge']>) => void;
}
const told: Told = Outbox.prototype;
const { addSample, acknowledge } = told;
const cameras = new WeakMap<Outbox, string>();

told.addSample = function (captured) {
  const { capture, sample } = captured;
  const camera = capture.tracks[0]?.camera ?? '';
  cameras.set(this, camera);
  const payload = contentOf(camera, capture.captureId, sample.sequence, sample.keyframe);
  addSample.call(this, { ...captured, sample: { ...sample, payload: [payload], bytes: payload.length } });
};

told.acknowledge = function (durable) {
  // Read at once: what is recorded later was not there when the server said so.
  const position = statSync(journal).size;
  const camera = cameras.get(this) ?? '';
  for (const { captureId, through } of durable) {
    const line: Acknowledgement = { camera, captureId, through, position };
    appendFileSync(log, `${JSON.stringify(line)}\n`);
  }
  acknowledge.call(this, durable);
};
