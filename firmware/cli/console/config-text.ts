/** Reading and changing one setting in the text of a unit.yaml. Comments and order stay as they are. */
import { type Document, isCollection, isScalar, parseDocument, stringify } from 'yaml';
import { Failure } from '../../base/failure.ts';

type Step = string | number;

/** `camera.cameras.0.frameRate` as steps into the document. Throws Failure USAGE. */
export function parseSettingPath(text: string): Step[] {
  const advice = 'Write it as `config get` lists them: camera.cameras.0.frameRate.';
  if (!/^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$/.test(text))
    throw new Failure('USAGE', `${JSON.stringify(text.slice(0, 80))} names no setting`, { advice });
  return text.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/** The value at a path of complete settings; undefined where there is none. */
export function settingAt(settings: unknown, path: readonly Step[]): unknown {
  let value: unknown = settings;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<Step, unknown>)[step];
  }
  return value;
}

/** Names below a path that ends with a dot or is empty, for completion: `camera.cameras.`, `camera.outbox.secondsMax`. */
export function settingNames(settings: unknown): string[] {
  const names: string[] = [];
  const walk = (value: unknown, before: string): void => {
    if (names.length > 400) return;
    if (typeof value !== 'object' || value === null) {
      names.push(before);
      return;
    }
    for (const [name, part] of Object.entries(value)) walk(part, before === '' ? name : `${before}.${name}`);
  };
  walk(settings, '');
  return names;
}

/** The text with one setting changed; `value` is YAML, undefined takes the setting out. Throws Failure USAGE. */
export function withSetting(text: string, path: readonly Step[], value: string | undefined): string {
  const document = parseDocument(text);
  const advice = 'The file is no YAML any more; see `config check`.';
  if (document.errors.length > 0) throw new Failure('CONFIG_INVALID', 'unit.yaml is damaged', { advice });
  try {
    if (value === undefined) document.deleteIn(path);
    else setIn(document, path, parseValue(value));
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure('USAGE', `there is no place for ${path.join('.')}`, {
      advice: 'See `config get`.',
      cause,
    });
  }
  return document.toString({ lineWidth: 120 });
}

/** A scalar that is there keeps its comment. */
function setIn(document: Document, path: readonly Step[], value: unknown): void {
  const node = document.getIn(path, true);
  if (isScalar(node) && (typeof value !== 'object' || value === null)) node.value = value;
  else document.setIn(path, isCollection(value) ? value : document.createNode(value));
}

function parseValue(text: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error === undefined) return document.toJS({ maxAliasCount: 0 });
  throw new Failure('USAGE', `the value is no YAML: ${error.message.split('\n')[0]}`, {
    advice: "Quote it, such as 'a: b'.",
  });
}

/** A setting as a person types it. */
export function valueText(value: unknown): string {
  return stringify(value, { lineWidth: 100 }).trimEnd();
}
