// Which part of the program may import which. Imports go one way, so that the pure parts run unchanged in a simulator.

/** `value` also allows types; `type` allows only `import type`. */
type Allowance = 'value' | 'type';

export const pureParts = ['base', 'media', 'overlay', 'ptz', 'gpio', 'provisioning'];
const services = [
  'access',
  'boards',
  'boxcare',
  'capture',
  'recording',
  'viewing',
  'telemetry',
  'console',
  'site',
  'config',
  'runtime',
];

/** Value imports that the table forbids and that have a reason all the same. Both ends are parts. */
export const exceptions: readonly { from: string; to: string; reason: string }[] = [
  {
    from: 'config',
    to: 'site',
    reason: 'the roles a unit may have are defined once, where certificates name them',
  },
  { from: 'capture', to: 'config', reason: 'a source is printed by the rules that parse it' },
  {
    from: 'boards',
    to: 'config',
    reason: 'a board.yaml is declared with the same kinds of settings as unit.yaml',
  },
  {
    from: 'boards',
    to: 'site',
    reason: 'the roles a unit may have are defined once, where certificates name them',
  },
  { from: 'viewing', to: 'access', reason: 'what a role allows is decided in one place' },
  { from: 'io', to: 'capture', reason: 'the capture process draws the test picture it pushes' },
];

const table: Readonly<Record<string, Readonly<Record<string, Allowance>>>> = {
  base: {},
  media: { base: 'value' },
  overlay: { base: 'value' },
  ptz: { base: 'value' },
  provisioning: { base: 'value', config: 'type' },
  gpio: { base: 'value', ptz: 'type', overlay: 'type', boards: 'type', config: 'type' },
  ...Object.fromEntries(
    services.map((service) => [
      service,
      { base: 'value', media: 'value', overlay: 'type', ptz: 'type', ...every(services, 'type') },
    ]),
  ),
  // io carries the pure codecs over sockets and files: it needs their values, and only the services' interfaces.
  io: { ...every(services, 'type'), ...every([...pureParts, 'boards', 'config', 'site'], 'value') },
  roles: every([...pureParts, ...services, 'io'], 'value'),
  cli: every([...pureParts, ...services, 'io', 'roles'], 'value'),
  main: every([...pureParts, ...services, 'io', 'roles', 'cli'], 'value'),
  // The page runs in a browser: it shares pure code and the API's types with the server, and nothing else.
  page: { base: 'value', media: 'value', viewing: 'type', access: 'type' },
};

/** The part of the program a file is in; '' when it is in none. */
export function partOf(file: string): string {
  if (file === 'firmware/main.ts') return 'main';
  if (file.startsWith('firmware/viewing/web/')) return 'page';
  return /^firmware\/([^/]+)\//.exec(file)?.[1] ?? '';
}

export function isKnownPart(part: string): boolean {
  return table[part] !== undefined;
}

/** Why this import is forbidden, or undefined when it is allowed. */
export function importVerdict(from: string, to: string, typeOnly: boolean): string | undefined {
  const source = partOf(from);
  const target = partOf(to);
  const allowed = table[source] ?? {};
  if (!to.startsWith('firmware/')) return `the program does not import ${to}`;
  if (!isKnownPart(target)) return `${to} is in no part of the import table`;
  if (source === target) return undefined;
  const allowance = allowed[target];
  if (allowance === 'value' || (allowance === 'type' && typeOnly)) return undefined;
  if (exceptions.some((exception) => exception.from === source && exception.to === target)) return undefined;
  return allowance === 'type'
    ? `${source} may import ${target} only with import type: ${to}`
    : `${source} may not import ${target}: ${to}`;
}

function every(parts: readonly string[], allowance: Allowance): Record<string, Allowance> {
  return Object.fromEntries(parts.map((part) => [part, allowance]));
}
