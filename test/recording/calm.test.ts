/** Without any harm the archive holds all, so that what the other tests find is due to what they do. */
import assert from 'node:assert';
import { test } from 'node:test';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { RecordingField } from '../support/recording-field.ts';

describeOnNetwork('two servers that nobody harms', [], () => {
  test('hold every sample once, through a transfer and the stop of the cameras', async () => {
    using site = await RecordingField.open({ servers: 2, cameras: 4 });
    await site.untilDurable('what was captured so far is durable');
    const verdicts = await site.verifyAll();
    for (const { explained, tail } of verdicts)
      assert.deepEqual({ explained, tail }, { explained: 0, tail: 0 });
  });
});
