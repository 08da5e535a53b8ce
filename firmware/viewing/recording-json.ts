/** Alarms and volumes as the API gives them. */
import type { Alarm } from '../recording/recording-alarm.ts';
import type { VolumeStatus } from '../recording/volumes.ts';
import type { AlarmAnswer, StatusAnswer } from './api.ts';
import { formatMs } from './time-query.ts';

export function alarmJson({ id, kind, text, sinceUtcUs }: Alarm): AlarmAnswer {
  return { id, kind, text, since: formatMs(sinceUtcUs) };
}

export function volumeJson({ state, ...volume }: VolumeStatus): StatusAnswer['volumes'][number] {
  return { ...volume, state: state.is, reason: state.is === 'ok' ? null : state.reason };
}
