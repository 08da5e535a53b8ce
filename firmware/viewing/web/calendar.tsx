/**
 * A month of days: those with recordings can be chosen and show how much of them is recorded. One click on a day, one on
 * a time: that is all it takes to be anywhere. Arrow keys move between days, as in every calendar. Times in ms UTC.
 */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { dayKey, monthStart, weeksOf } from './calendar-days.ts';
import { IconButton } from './parts-icons.tsx';
import type { RecordedDays } from './recorded-days.ts';
import { durationText } from './time-text.ts';

const dayMs = 86_400_000;

export interface CalendarProps {
  readonly days: RecordedDays;
  /** the day that is shown elsewhere */
  readonly chosenMs: number;
  readonly onDay: (startMs: number) => void;
}

export function Calendar({ days, chosenMs, onDay }: CalendarProps) {
  const month = useSignal(monthStart(chosenMs));
  const focused = useSignal<number | undefined>(undefined);
  const table = useRef<HTMLTableElement>(null);
  useEffect(() => {
    month.value = monthStart(chosenMs);
  }, [dayKey(chosenMs)]);
  useEffect(() => {
    if (focused.value === undefined) return;
    table.current?.querySelector<HTMLElement>(`[data-day="${dayKey(focused.value)}"]`)?.focus();
  }, [focused.value, month.value]);
  const known = days.month(dayKey(month.value).slice(0, 7));
  const weeks = weeksOf(month.value);
  const today = dayKey(Date.now());
  const entry = dayKey(monthStart(chosenMs) === month.value ? chosenMs : month.value);
  const title = new Date(month.value).toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
  const move = (fromMs: number, by: number) => {
    const to = new Date(fromMs);
    to.setDate(to.getDate() + by);
    month.value = monthStart(to.getTime());
    focused.value = to.getTime();
  };
  return (
    <div class="calendar">
      <div class="calendar-head">
        <IconButton
          icon="left"
          label="Month before"
          class="quiet-button"
          onClick={() => (month.value = monthStart(month.value - dayMs))}
        />
        <strong aria-live="polite">{title}</strong>
        <IconButton
          icon="right"
          label="Next month"
          class="quiet-button"
          onClick={() => (month.value = monthStart(month.value + 40 * dayMs))}
        />
      </div>
      <table ref={table} aria-label={`Days of ${title} with recordings`}>
        <thead>
          <tr>
            {(weeks[0] ?? []).map((ms) => (
              <th key={ms} scope="col" abbr={new Date(ms).toLocaleDateString(undefined, { weekday: 'long' })}>
                {new Date(ms).toLocaleDateString(undefined, { weekday: 'short' }).slice(0, 2)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeks.map((week) => (
            <tr key={week[0]}>
              {week.map((ms) => {
                const key = dayKey(ms);
                if (monthStart(ms) !== month.value) return <td key={key} />;
                const seconds = known?.seconds.get(key) ?? 0;
                return (
                  <td key={key}>
                    <button
                      type="button"
                      class={`calendar-day ${seconds > 0 ? 'calendar-recorded' : ''} ${key === today ? 'calendar-today' : ''}`}
                      data-day={key}
                      tabIndex={key === entry ? 0 : -1}
                      aria-disabled={seconds === 0}
                      aria-current={key === dayKey(chosenMs) ? 'date' : undefined}
                      aria-label={`${dayName(ms)}, ${seconds === 0 ? 'no recordings' : `${durationText(seconds * 1_000)} recorded`}`}
                      onClick={() => {
                        if (seconds > 0) onDay(ms);
                      }}
                      onKeyDown={(event) => {
                        const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
                        if (by === undefined) return;
                        event.preventDefault();
                        move(ms, by);
                      }}
                    >
                      {new Date(ms).getDate()}
                      {seconds > 0 && (
                        <span
                          class="calendar-share"
                          style={{ width: `${Math.max(12, Math.min(1, seconds / 86_400) * 100)}%` }}
                        />
                      )}
                    </button>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {(known?.unreachable.length ?? 0) > 0 && (
        <p class="quiet calendar-note">{`No answer from ${known?.unreachable.join(', ')}: days may be missing.`}</p>
      )}
    </div>
  );
}

function dayName(ms: number): string {
  return new Date(ms).toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
}
