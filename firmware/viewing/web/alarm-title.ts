/** What alarms of recording come to, in a few words. Pure. */
import type { CamerasAnswer } from '../api.ts';

/**
 * A disk that is out of use stops nothing where another takes over: one of its server, or of the servers that its
 * cameras went to. A server that holds none of the cameras it had last could not pass them on. Without its index a
 * server records nothing.
 */
export function alarmTitle({ alarms, cameras }: Pick<CamerasAnswer, 'alarms' | 'cameras'>): string {
  const stopped = alarms.some(({ kind, server }) => {
    const held = cameras.filter(({ manager }) => manager === server);
    const goOn = kind.startsWith('volume-') && held.some(({ state }) => state === 'online');
    return !isOfServer(kind) || (held.length > 0 && !goOn);
  });
  const gone = alarms.filter(({ kind }) => kind === 'gone').length;
  if (gone > 0 && gone === alarms.length) return gone === 1 ? 'A camera is gone' : `${gone} cameras are gone`;
  if (stopped) return 'Recording has stopped';
  const many = alarms.some(({ kind }) => kind === indexFailed) ? 'disks or indexes' : 'disks';
  const [only, another] = alarms;
  const what = another === undefined ? oneTexts[only?.kind ?? ''] : `${alarms.length} ${many} are out of use`;
  return `${what ?? 'A disk is out of use'}, the others take over`;
}

const indexFailed = 'index-failed';

function isOfServer(kind: string): boolean {
  return kind.startsWith('volume-') || kind === indexFailed;
}

const oneTexts: Readonly<Record<string, string>> = {
  'volume-failed': 'A disk has failed',
  'volume-missing': 'A disk is missing',
  'volume-full': 'A disk is full',
  [indexFailed]: 'An index has failed',
};
