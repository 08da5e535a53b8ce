/**
 * Tells what the servers' logs say of repairs as a story: who vanished, who noticed, who confirmed, where the cameras
 * went and how long that took. The lines are the events of overlay/README.md; what is not known is left out. Pure.
 * Times in ms UTC by the servers' own clocks.
 */

export interface LogLine {
  readonly server: string;
  readonly atMs: number;
  readonly text: string;
}

interface StoryStep {
  readonly atMs: number;
  readonly text: string;
}

export interface Story {
  readonly key: string;
  readonly atMs: number;
  /** from the first step to the last */
  readonly lastsMs: number;
  readonly kind: 'death' | 'alarm' | 'leave' | 'back' | 'scare' | 'move';
  readonly title: string;
  readonly steps: readonly StoryStep[];
}

/** What follows a death so closely belongs to it. */
const togetherMs = 20_000;
const storiesMax = 30;
const stepsMax = 24;

export interface Names {
  readonly server: (id: string) => string;
  /** cameras of a unit, as people call them */
  readonly unit: (id: string) => string;
}

type Kind =
  | 'suspected'
  | 'cleared'
  | 'buried'
  | 'told'
  | 'rejoin'
  | 'managed'
  | 'gone'
  | 'linked'
  | 'left'
  | 'back'
  | 'moved'
  | 'parts';

interface Event {
  readonly atMs: number;
  readonly kind: Kind;
  readonly subject: string;
  readonly text: string;
}

/**
 * Lines and what they mean. The first group is whom it is about; in the texts `t` is the teller, a number a group,
 * `s` and `u` before a number the names of servers or of a unit's cameras.
 */
const readers: readonly (readonly [Kind, RegExp, string])[] = [
  ['suspected', /^(\S+) (.*) → suspected, asking (.*)$/, '{t} suspects it ({2}) and asks {s3}'],
  ['suspected', /^(\S+) (.*) → suspected$/, '{t} suspects it ({2})'],
  ['cleared', /^(\S+) suspected → refuted: (.*)$/, '{t}: not dead, {2}'],
  ['cleared', /^(\S+) suspected → (\S+) hears it$/, '{t}: not dead, {s2} hears it'],
  [
    'buried',
    /^(\S+) suspected → confirmed by (?!its )(.*) → dead$/,
    '{t} is sure that it is dead: confirmed by {s2}',
  ],
  ['buried', /^(\S+) suspected → (.*) → dead$/, '{t} is sure that it is dead: {2}'],
  ['told', /^(\S+) is dead \(told by (\S+)\)$/, '{t} hears of it from {s2}'],
  ['left', /^(\S+) leaves$/, '{t} hears that it leaves'],
  ['back', /^(\S+) is back$/, '{t} hears it again'],
  ['rejoin', /tells the cameras of (\S+) to rejoin$/, '{t} tells its cameras to find another server'],
  ['managed', /^manages (\S+), epoch \d+$/, '{t} manages {u1} now'],
  ['moved', /^hands (\S+) over to (\S+)$/, '{t} hands {u1} over to {s2}'],
  ['gone', /^(\S+) is gone \((.*)\)$/, '{t} lost {u1}: {2}'],
  ['linked', /^(\S+) is a neighbor now$/, '{t} and {s1} are linked'],
  [
    'parts',
    /^(.*) dead together → the part is reconfigured$/,
    '{t}: {s1} died together, their part of the network is put together anew',
  ],
];

/** The stories in the lines of all servers, newest first. */
export function repairStories(lines: readonly LogLine[], names: Names): Story[] {
  const alarms: Story[] = [];
  const events: Event[] = [];
  const ordered = [...lines].sort((one, other) => one.atMs - other.atMs);
  for (const line of ordered) {
    const event = readLine(line, names);
    if (event !== undefined) events.push(event);
    const [, over, what] = /^recording alarm( is over)?: (.*)$/.exec(line.text) ?? [];
    if (what !== undefined) alarms.push(alarmStory(line, { over: over !== undefined, what }, names));
  }
  const stories = [...alarms, ...incidents(events, names)];
  return stories.sort((one, other) => other.atMs - one.atMs).slice(0, storiesMax);
}

function alarmStory(line: LogLine, { over, what }: { over: boolean; what: string }, names: Names): Story {
  const { atMs, server } = line;
  // What is wrong with a disk begins with its folder; others may have taken over.
  const [raised, cleared] = what.startsWith('/')
    ? ['a disk is out of use', 'a disk is in use again']
    : ['recording has stopped', 'recording again'];
  const title = `${names.server(server)}: ${over ? cleared : raised}`;
  const steps = [{ atMs, text: over ? `Over: ${what}` : what }];
  return {
    key: `alarm ${server} ${atMs} ${what}`,
    atMs,
    lastsMs: 0,
    kind: over ? 'back' : 'alarm',
    title,
    steps,
  };
}

function readLine({ server, atMs, text }: LogLine, names: Names): Event | undefined {
  for (const [kind, pattern, told] of readers) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const words = told.replace(/\{([a-z]?)(\d?)\}/g, (_, what: string, group: string) => {
      const found = match[Number(group)] ?? '';
      if (what === 't') return names.server(server);
      if (what === 'u') return names.unit(found);
      return what === 's' ? found.split(', ').map(names.server).join(', ') : found;
    });
    return { atMs, kind, subject: match[1] ?? '', text: words };
  }
  return undefined;
}

/** Events about one server belong together; after a death also where cameras go and which links are made. */
function incidents(events: readonly Event[], names: Names): Story[] {
  const stories: Story[] = [];
  const used = new Set<Event>();
  const opens: readonly Kind[] = ['suspected', 'buried', 'told', 'left', 'back', 'moved'];
  for (const first of events) {
    if (used.has(first) || !opens.includes(first.kind)) continue;
    const near = events.filter(({ atMs }) => atMs >= first.atMs - 500 && atMs <= first.atMs + togetherMs);
    const about = near.filter(
      (event) => event.subject === first.subject && !used.has(event) && event.kind !== 'linked',
    );
    const fell = about.some(({ kind }) => kind === 'buried' || kind === 'told' || kind === 'left');
    const follows: readonly Kind[] = fell
      ? ['managed', 'linked', 'parts']
      : first.kind === 'moved'
        ? ['managed', 'gone']
        : [];
    const result = near.filter(
      (event) =>
        !used.has(event) &&
        event.atMs >= first.atMs &&
        follows.includes(event.kind) &&
        (fell || event.subject === first.subject) &&
        event.subject !== (fell ? first.subject : ''),
    );
    const back = fell ? about.find(({ kind }) => kind === 'back') : undefined;
    const steps = [...new Set([...about, ...result])]
      .filter(({ atMs }) => back === undefined || atMs < back.atMs)
      .sort((one, other) => one.atMs - other.atMs);
    for (const step of steps) used.add(step);
    stories.push(storyOf(first, steps, names));
  }
  return stories;
}

function storyOf(first: Event, steps: readonly Event[], names: Names): Story {
  const has = (kind: Kind) => steps.some((step) => step.kind === kind);
  const name = names.server(first.subject);
  const moved = steps.filter(({ kind }) => kind === 'managed');
  const lastsMs = (moved.at(-1) ?? steps.at(-1) ?? first).atMs - first.atMs;
  const taken = moved.length === 0 ? '' : `; its cameras had another server after ${secondsText(lastsMs)}`;
  const fell = has('buried') || has('told');
  const [kind, title]: [Story['kind'], string] = fell
    ? ['death', `${name} vanished${taken}`]
    : has('left')
      ? ['leave', `${name} left the network in good order${taken}`]
      : has('back')
        ? ['back', `${name} is back`]
        : first.kind === 'moved'
          ? ['move', steps[0]?.text ?? '']
          : ['scare', `${name} was suspected, and lives`];
  const { atMs } = first;
  const told = steps.slice(0, stepsMax).map(({ atMs: at, text }) => ({ atMs: at, text }));
  return { key: `${first.kind} ${first.subject} ${atMs}`, atMs, lastsMs, kind, title, steps: told };
}

/** `0.84 s`, `12 s` */
function secondsText(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms / 1000)} s`;
}
