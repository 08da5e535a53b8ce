/** The commands there are, with what can follow them, as a shell has to know to complete a line. From commander's tree. */
import type { Command } from 'commander';

/** What a word can be, besides what is listed: a file, or an id that only a server knows. */
type WordKind = 'camera' | 'server' | 'file' | 'text';

export interface OptionNode {
  /** such as `--pan` */
  readonly flag: string;
  readonly help: string;
  /** undefined: no value follows */
  readonly value: { readonly kind: WordKind; readonly choices: readonly string[] } | undefined;
}

export interface CommandNode {
  /** words after `starling`; empty for the program itself */
  readonly path: readonly string[];
  readonly help: string;
  readonly subcommands: readonly string[];
  readonly options: readonly OptionNode[];
  /** of the first argument; the last holds for those that follow */
  readonly arguments: readonly { readonly kind: WordKind; readonly choices: readonly string[] }[];
}

/** All visible commands, the program first. */
export function commandTree(program: Command): CommandNode[] {
  return nodesOf(program, []);
}

function nodesOf(command: Command, path: readonly string[]): CommandNode[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const node: CommandNode = {
    path,
    help: firstLine(command.description()),
    subcommands: children.map((child) => child.name()),
    options: help.visibleOptions(command).map((option) => {
      const takesValue = option.required || option.optional;
      return {
        flag: option.long ?? option.short ?? '',
        help: firstLine(option.description),
        value: takesValue ? wordOf(option.flags, option.argChoices) : undefined,
      };
    }),
    arguments: command.registeredArguments.map((argument) => wordOf(argument.name(), argument.argChoices)),
  };
  return [node, ...children.flatMap((child) => nodesOf(child, [...path, child.name()]))];
}

function wordOf(text: string, choices: readonly string[] = []): CommandNode['arguments'][number] {
  const kind = /\bcamera\b/.test(text)
    ? 'camera'
    : /^server$/.test(text)
      ? 'server'
      : /\b(file|folder|dir|config|path|site|unit\.yaml)\b/i.test(text)
        ? 'file'
        : 'text';
  return { kind, choices };
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
