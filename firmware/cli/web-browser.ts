/** Opens an address in the browser of whoever sits at this machine. */
import { spawn } from 'node:child_process';

/** False when there is nobody, or no browser. */
export type OpenAddress = (address: string) => Promise<boolean>;

export const openInBrowser: OpenAddress = (address) => {
  const { platform, env } = process;
  const hasScreen = platform !== 'linux' || (env['DISPLAY'] ?? env['WAYLAND_DISPLAY'] ?? '') !== '';
  if (!hasScreen) return Promise.resolve(false);
  return new Promise((resolve) => {
    const opener = spawn(platform === 'darwin' ? 'open' : 'xdg-open', [address], {
      stdio: 'ignore',
      detached: true,
    });
    opener.once('error', () => resolve(false));
    opener.once('spawn', () => resolve(true));
    // It may stay as long as the browser does.
    opener.unref();
  });
};
