/** The controls of a recording: its time, play and pause, steps, speed, back to live. */
import type { ComponentChildren } from 'preact';
import { IconButton } from './parts-icons.tsx';
import { useShortcuts } from './shortcuts.ts';
import { clockText, dayText } from './time-text.ts';

const speeds = [0.25, 0.5, 1, 2, 4, 8] as const;
const speedTexts = ['¼×', '½×', '1×', '2×', '4×', '8×'];

/** Whatever plays. */
export interface PlayerControls {
  readonly toggle: () => void;
  /** seconds */
  readonly skip: (seconds: number) => void;
  readonly step: (direction: 1 | -1, keyframes: boolean) => void;
  readonly setSpeed: (speed: number) => void;
}

export interface PlayerBarProps {
  /** of the picture that is shown; undefined while there is none */
  readonly ms: number | undefined;
  readonly detail: string;
  readonly live: boolean;
  readonly paused: boolean;
  readonly speed: number;
  readonly controls: PlayerControls;
  /** further buttons */
  readonly children?: ComponentChildren;
}

export function PlayerBar({ ms, detail, live, paused, speed, controls, children }: PlayerBarProps) {
  usePlayerShortcuts(controls);
  return (
    <div class="player-bar">
      <p class="moment">
        <time class="moment-clock" dateTime={ms === undefined ? '' : new Date(ms).toISOString()}>
          {ms === undefined ? '--:--:--' : clockText(ms)}
        </time>
        <span class="moment-day">
          {ms === undefined ? ' ' : dayText(ms)}
          {detail !== '' && <span class="moment-detail">{` · ${detail}`}</span>}
        </span>
      </p>
      <div class="controls" role="group" aria-label="Playback">
        <IconButton
          icon="keyBack"
          label="Previous keyframe"
          disabled={live}
          class="control-key"
          onClick={() => controls.step(-1, true)}
        />
        <IconButton
          icon="stepBack"
          label="Previous picture"
          disabled={live}
          onClick={() => controls.step(-1, false)}
        />
        <button type="button" aria-label="Back 10 seconds" onClick={() => controls.skip(-10)}>
          −10
        </button>
        <IconButton
          icon={paused ? 'play' : 'pause'}
          label={paused ? 'Play' : 'Pause'}
          class="primary control-play"
          onClick={controls.toggle}
        />
        <button
          type="button"
          aria-label="Forward 10 seconds"
          disabled={live}
          onClick={() => controls.skip(10)}
        >
          +10
        </button>
        <IconButton
          icon="stepOn"
          label="Next picture"
          disabled={live}
          onClick={() => controls.step(1, false)}
        />
        <IconButton
          icon="keyOn"
          label="Next keyframe"
          disabled={live}
          class="control-key"
          onClick={() => controls.step(1, true)}
        />
        <select
          class="speed"
          aria-label="Speed"
          disabled={live}
          value={String(live ? 1 : speed)}
          onChange={(event) => controls.setSpeed(Number(event.currentTarget.value))}
        >
          {speeds.map((value, place) => (
            <option key={value} value={String(value)}>
              {speedTexts[place]}
            </option>
          ))}
        </select>
      </div>
      <div class="player-more">{children}</div>
    </div>
  );
}

/** The keys of everything that plays; also for the timeline, which keeps some keys for itself. */
export function playerKey(key: string, controls: PlayerControls): boolean {
  const speed = speeds[Number(key) - 1];
  if (key === ' ' || key === 'k') controls.toggle();
  else if (key === 'j' || key === 'l') controls.skip(key === 'j' ? -10 : 10);
  else if (key === ',' || key === '.') controls.step(key === ',' ? -1 : 1, false);
  else if (key === '<' || key === '>') controls.step(key === '<' ? -1 : 1, true);
  else if (speed !== undefined) controls.setSpeed(speed);
  else return false;
  return true;
}

function usePlayerShortcuts(controls: PlayerControls): void {
  const run = (key: string) => {
    playerKey(key, controls);
  };
  useShortcuts('Playback', [
    { keys: [' ', 'k'], what: 'Play or pause', run },
    { keys: ['j', 'l'], what: 'Ten seconds back, on', run },
    { keys: [',', '.'], what: 'One picture back, on', run },
    { keys: ['<', '>'], what: 'One keyframe back, on', run },
    { keys: ['1', '2', '3', '4', '5', '6'], shown: '1 … 6', what: 'Speed, from ¼ to 8 times', run },
    {
      keys: [],
      shown: 'ArrowLeft ArrowRight',
      what: 'Move the head of the timeline, while it has the focus',
    },
    { keys: [], shown: '+ - Home End', what: 'Zoom the timeline, to its start, to live' },
  ]);
}
