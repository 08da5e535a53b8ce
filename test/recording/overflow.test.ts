/** An outage that is longer than an outbox: what was given up is named by a gap, and nothing else is missing. */
import assert from 'node:assert';
import { test } from 'node:test';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { lasts, RecordingField } from '../support/recording-field.ts';

const outboxSeconds = 4;
const outageMs = 12_000;

describeOnNetwork('cameras whose outbox holds four seconds', [], () => {
  test('say what they have lost when nobody can be reached for longer', async () => {
    const cameraSettings = { outbox: { secondsMax: outboxSeconds } };
    using site = await RecordingField.open({ servers: 2, cameras: 3, cameraSettings });
    site.lan.cut(site.camerasOf(1).machine);
    await lasts('an outage', outageMs);
    site.lan.heal();
    await site.untilDurable('after the outage');
    const verdicts = await site.verifyAll();
    for (const { camera, lost } of site.histories()) {
      assert.notEqual(lost, 0, `${camera} has lost something`);
      for (const verdict of verdicts.filter((one) => one.camera === camera)) {
        // A server may have recorded some of it whose word of that was lost in the cut.
        const { explained } = verdict;
        assert(explained > 0 && explained <= lost, `${camera}: ${lost} given up, ${explained} explained`);
      }
    }
  });
});
