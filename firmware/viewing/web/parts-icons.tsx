/** The page's icons: strokes in a square of 24, in the colour of the text around them. Their button has the name. */

const paths = {
  cameras: 'M3 6h13v12H3zM16 10.500l5-3v9l-5-3',
  playback: 'M4 5h16v11H4zM10 8l4.500 2.500L10 13zM4 20h16M9 18.500v3',
  network: 'M12 5v6M12 11l-6 6M12 11l6 6M10 3h4v4h-4zM4 16h4v4H4zM16 16h4v4h-4z',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M13 5h4v4h-4zM7 15h4v4H7z',
  person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20c.8-3.600 3.800-5 7.500-5s6.700 1.400 7.500 5',
  help: 'M9.200 9a2.900 2.900 0 1 1 4 3c-.8.4-1.200.9-1.200 2M12 17.200v.3M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  layout: 'M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  snapshot: 'M4 8h4l1.500-2.500h5L16 8h4v11H4zM12 16.500a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  share:
    'M10 13.500a3.500 3.500 0 0 0 5 0l3.500-3.500a3.500 3.500 0 0 0-5-5L12 6.500M14 10.500a3.500 3.500 0 0 0-5 0L5.500 14a3.500 3.500 0 0 0 5 5l1.500-1.500',
  stream: 'M4 17V9M9 17V5M14 17v-6M19 17V7M3 21h18',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  up: 'M6 15l6-6 6 6',
  down: 'M6 9l6 6 6-6',
  left: 'M15 6l-6 6 6 6',
  right: 'M9 6l6 6-6 6',
  close: 'M6 6l12 12M18 6L6 18',
  hide: 'M4 12c2-4 5-6 8-6s6 2 8 6c-2 4-5 6-8 6s-6-2-8-6zM5 20L19 4',
  grip: 'M9 6v.1M15 6v.1M9 12v.1M15 12v.1M9 18v.1M15 18v.1',
  home: 'M12 3v4M12 17v4M3 12h4M17 12h4M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z',
  edit: 'M5 19l1-4L16 5l3 3L9 18z',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  play: 'M7 5l12 7-12 7z',
  pause: 'M8 5v14M16 5v14',
  stepBack: 'M18 6l-8 6 8 6zM6 6v12',
  stepOn: 'M6 6l8 6-8 6zM18 6v12',
  keyBack: 'M20 6l-7 6 7 6zM11 6l-7 6 7 6z',
  keyOn: 'M4 6l7 6-7 6zM13 6l7 6-7 6z',
  range: 'M6 4v16M18 4v16M6 12h12M9 9l-3 3 3 3M15 9l3 3-3 3',
  keep: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3',
  save: 'M12 4v11M7 11l5 5 5-5M5 20h14',
} as const;

export type IconName = keyof typeof paths;

/** See the top of this file. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

export interface IconButtonProps {
  readonly icon: IconName;
  /** what a screen reader says and what shows on hover */
  readonly label: string;
  /** shown beside the icon, where there is room */
  readonly text?: string;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly class?: string;
  readonly onClick: () => void;
}

/** A button with an icon and a name. */
export function IconButton({ icon, label, text, pressed, disabled, onClick, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ''}`}
      aria-label={label}
      title={label}
      {...(pressed === undefined ? {} : { 'aria-pressed': pressed })}
      disabled={disabled ?? false}
      onClick={onClick}
    >
      <Icon name={icon} />
      {text !== undefined && <span>{text}</span>}
    </button>
  );
}
