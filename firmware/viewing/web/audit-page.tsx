/** Who watched, exported, steered, changed: the audit log of all servers, newest first, a page at a time. */

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { AuditAnswer } from '../api.ts';
import { ApiFailure, getJson } from './api-client.ts';
import { cameraName, cameras, serverName } from './site-state.ts';
import { momentText } from './time-text.ts';

type AuditEntry = AuditAnswer['entries'][number];

const pageEntries = 50;

interface Filter {
  readonly user: string;
  readonly camera: string;
}

export function AuditPage() {
  const filter = useSignal<Filter>({ user: '', camera: '' });
  const typed = useSignal('');
  const log = useAudit(filter.value);
  return (
    <>
      <form
        class="settings-tools filters"
        onSubmit={(event) => {
          event.preventDefault();
          filter.value = { ...filter.value, user: typed.value.trim() };
        }}
      >
        <label>
          User
          <input
            name="user"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            value={typed.value}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
          />
        </label>
        <label>
          Camera
          <select
            value={filter.value.camera}
            onChange={(event) => {
              filter.value = { ...filter.value, camera: event.currentTarget.value };
            }}
          >
            <option value="">All cameras</option>
            {(cameras.value?.cameras ?? []).map(({ id }) => (
              <option key={id} value={id}>
                {cameraName(id)}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">Filter</button>
      </form>
      {log.problem !== undefined && (
        <p class="notice notice-bad" role="alert">{`${log.problem.message} ${log.problem.advice}`}</p>
      )}
      {log.unreachable.length > 0 && (
        <p class="notice" role="status">
          {`No answer from ${log.unreachable.map(serverName).join(', ')}: what was done there is missing here.`}
        </p>
      )}
      {log.entries !== undefined && log.entries.length === 0 && <p class="quiet">There is no entry.</p>}
      {log.entries !== undefined && log.entries.length > 0 && <AuditTable entries={log.entries} />}
      <div class="settings-tools">
        {log.more && (
          <button type="button" disabled={log.loading} onClick={log.older}>
            Show older ones
          </button>
        )}
        <p class="quiet" role="status">
          {log.loading ? 'Asking the servers …' : log.more ? '' : 'This is all.'}
        </p>
      </div>
    </>
  );
}

interface Audit {
  readonly entries: readonly AuditEntry[] | undefined;
  readonly unreachable: readonly string[];
  readonly more: boolean;
  readonly loading: boolean;
  readonly problem: ApiFailure | undefined;
  readonly older: () => void;
}

/** The pages asked for so far, as one list. */
function useAudit({ user, camera }: Filter): Audit {
  const answers = useSignal<readonly AuditAnswer[]>([]);
  const problem = useSignal<ApiFailure | undefined>(undefined);
  const before = useSignal<string | undefined>(undefined);
  const loading = useSignal(true);
  const load = async (from: string | undefined, stop: AbortSignal) => {
    loading.value = true;
    const query = new URLSearchParams({ limit: String(pageEntries) });
    for (const [name, value] of Object.entries({ before: from ?? '', user, camera })) {
      if (value !== '') query.set(name, value);
    }
    try {
      const page = await getJson<AuditAnswer>(`/api/audit?${query}`, stop);
      answers.value = from === undefined ? [page] : [...answers.value, page];
      problem.value = undefined;
    } catch (failed) {
      if (!(failed instanceof ApiFailure)) throw failed;
      if (failed.code === 'ABORTED') return;
      problem.value = failed;
    }
    loading.value = false;
  };
  useEffect(() => {
    answers.value = [];
    before.value = undefined;
  }, [user, camera]);
  useEffect(() => {
    const stop = new AbortController();
    void load(before.value, stop.signal);
    return () => stop.abort();
  }, [user, camera, before.value]);
  const entries = answers.value.flatMap((answer) => answer.entries);
  const newest = answers.value.at(-1);
  return {
    entries: newest === undefined ? undefined : entries,
    unreachable: [...new Set(answers.value.flatMap((answer) => answer.unreachable))],
    more: newest?.more ?? false,
    loading: loading.value,
    problem: problem.value,
    older: () => {
      before.value = newest?.next ?? undefined;
    },
  };
}

function AuditTable({ entries }: { entries: readonly AuditEntry[] }) {
  return (
    <div class="table-frame" role="region" aria-label="Audit log" tabIndex={0}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">User</th>
            <th scope="col">What</th>
            <th scope="col">Camera</th>
            <th scope="col">Detail</th>
            <th scope="col">From</th>
            <th scope="col">Server</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry, place) => (
            <tr key={`${entry.at} ${entry.server} ${place}`}>
              <td class="number">{momentText(Date.parse(entry.at))}</td>
              <th scope="row">{entry.user}</th>
              <td>{entry.action}</td>
              <td>{entry.camera === null ? '' : cameraName(entry.camera)}</td>
              <td class="wide">{entry.detail}</td>
              <td class="number">{entry.from}</td>
              <td>{serverName(entry.server)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
