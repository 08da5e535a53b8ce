/** What the page's forms of settings send. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsChange } from '../../firmware/viewing/web/settings-change.ts';

test('only what was changed is sent, and only that is taken back', () => {
  const before = { server: 'north', name: '', days: 30 as number | null };
  assert.deepEqual(settingsChange(before, { ...before, name: 'Harbour' }), {
    change: { name: 'Harbour' },
    undo: { name: '' },
  });
  assert.deepEqual(settingsChange(before, { ...before, days: null }), {
    change: { days: null },
    undo: { days: 30 },
  });
  assert.equal(settingsChange(before, { ...before }), undefined);
});
