/** Dark or light: what the person chose for this device, else what the device prefers. */
import { type ReadonlySignal, signal } from '@preact/signals';
import { recall, remember } from './device-memory.ts';

export type Theme = 'dark' | 'light';
export type ThemeChoice = Theme | 'auto';

const system = matchMedia('(prefers-color-scheme: light)');
const chosen = signal<ThemeChoice>(readChoice());
const current = signal<Theme>('dark');

/** What this device is set to. */
export const themeChoice: ReadonlySignal<ThemeChoice> = chosen;
/** What is shown; colours of the style sheet change with it. */
export const theme: ReadonlySignal<Theme> = current;

export function chooseTheme(choice: ThemeChoice): void {
  chosen.value = choice;
  remember('theme', choice);
  apply();
}

/** Follows the device's preference for as long as the page lives. */
export function followTheme(): void {
  system.addEventListener('change', apply);
  apply();
}

function apply(): void {
  const next = chosen.value === 'auto' ? (system.matches ? 'light' : 'dark') : chosen.value;
  document.documentElement.dataset.theme = next;
  current.value = next;
}

function readChoice(): ThemeChoice {
  const kept = recall('theme');
  return kept === 'dark' || kept === 'light' ? kept : 'auto';
}
