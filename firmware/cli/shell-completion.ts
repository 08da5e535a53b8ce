/**
 * Completion scripts for shells, from the tree of commands. Everything about commands is in the script; only ids are
 * asked of a server, by `starling complete`, which says nothing when there is no answer within a second.
 *
 * Invariant: no shell runs any of the words: ours are quoted, ids of servers are checked before they are printed.
 */
import type { CommandNode, OptionNode } from './command-tree.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export function completionScript(shell: Shell, tree: readonly CommandNode[]): string {
  if (shell === 'fish') return fishScript(tree);
  const zsh = ['#compdef starling', 'autoload -U +X bashcompinit && bashcompinit', ''];
  return `${[...(shell === 'zsh' ? zsh : []), bashScript(tree)].join('\n')}\n`;
}

const bashHead = `# Completion of starling. In ~/.bashrc:  eval "$(starling completion bash)"
#                        In ~/.zshrc:   eval "$(starling completion zsh)"
_starling() {
  local line=() asked=() cur prev at= word i last=-1 glue= place=0
  local subcommands= flags= valued= offer= kind=
  COMPREPLY=()
  # The shell splits at colons, which are in addresses of servers.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [ "$word" = : ] || [ -n "$glue" ]; then line[last]=\${line[last]}$word
    else last=$((last + 1)); line[last]=$word; fi
    glue=; [ "$word" != : ] || glue=yes
  done
  cur=\${line[last]} prev=\${line[last-1]}
  _starling_command ''
  for ((i = 1; i < last; i++)); do
    word=\${line[i]}
    case $word in --server|--config) ((i + 1 == last)) || asked=("$word" "\${line[i+1]}") ;; esac
    case " $valued " in *" $word "*) ((i++)); continue ;; esac
    case $word in -*) continue ;; esac
    case " $subcommands " in
      *" $word "*) at="\${at:+$at }$word"; _starling_command "$at" ;;
      *) ((place++)) ;;
    esac
  done
  case " $valued " in
    *" $prev "*) _starling_value "$at $prev" ;;
    *)
      case $cur in
        -*) offer=$flags ;;
        *) offer=$subcommands; [ -n "$offer" ] || _starling_argument "$at $place" ;;
      esac ;;
  esac
  case $kind in
    camera|server) offer="$offer $(starling complete "$kind" "\${asked[@]}" 2>/dev/null)" ;;
    file)
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do [ -z "$word" ] || COMPREPLY+=("$word"); done <<< "$(compgen -f -- "$cur")"
      return ;;
  esac
  # Not compgen -W: that would run what is in the words.
  for word in $offer; do case $word in "$cur"*) COMPREPLY+=("$word") ;; esac; done
}`;

function bashScript(tree: readonly CommandNode[]): string {
  const commands = tree.map(({ path, subcommands, options }) => {
    const flags = options.map(({ flag }) => flag);
    const valued = options.filter(({ value }) => value !== undefined).map(({ flag }) => flag);
    const is = `subcommands=${quoted(subcommands)} flags=${quoted(flags)} valued=${quoted(valued)}`;
    return `    ${quoted(path)}) ${is} ;;`;
  });
  const values = tree.flatMap(({ path, options }) =>
    options.flatMap(({ flag, value }) => (value === undefined ? [] : [bashCase([...path, flag], value)])),
  );
  const places = tree.flatMap(({ path, arguments: words }) =>
    words.flatMap((word, place) => bashCase([...path, String(place)], word)),
  );
  return [
    bashHead,
    bashFunction('_starling_command', commands),
    bashFunction(
      '_starling_value',
      values.filter((line) => line !== ''),
    ),
    bashFunction(
      '_starling_argument',
      places.filter((line) => line !== ''),
    ),
    'complete -F _starling starling',
  ].join('\n');
}

function bashFunction(name: string, cases: readonly string[]): string {
  return [`${name}() {`, '  case "$1" in', ...cases, '  esac', '}'].join('\n');
}

/** Empty for words of which nothing is known. */
function bashCase(words: readonly string[], { kind, choices }: NonNullable<OptionNode['value']>): string {
  if (kind === 'text' && choices.length === 0) return '';
  return `    ${quoted(words)}) kind=${kind} offer=${quoted(choices)} ;;`;
}

function quoted(words: readonly string[]): string {
  return `'${words.join(' ').replaceAll("'", '')}'`;
}

const fishHead = `# Completion of starling. In ~/.config/fish/config.fish:  starling completion fish | source
function __starling_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l path
    for word in $words
        string match -q -- '-*' $word; and continue
        contains -- "$path $word" $__starling_paths; or contains -- "$word" $__starling_paths; or continue
        set path (string trim -- "$path $word")
    end
    test "$path" = "$argv"
end`;

function fishScript(tree: readonly CommandNode[]): string {
  const paths = tree.map(({ path }) => path.join(' ')).filter((path) => path !== '');
  const helpOf = new Map(tree.map(({ path, help }) => [path.join(' '), help]));
  const lines = tree.flatMap((node) => fishLines(node, helpOf));
  const known = `set -g __starling_paths ${paths.map((path) => `'${path}'`).join(' ')}`;
  return `${[fishHead, known, 'complete -c starling -f', ...lines].join('\n')}\n`;
}

function fishLines(node: CommandNode, helpOf: ReadonlyMap<string, string>): string[] {
  const path = node.path.join(' ');
  const at = `complete -c starling -n '__starling_at ${path}'`;
  const subcommands = node.subcommands.map((name) => {
    const help = helpOf.get([...node.path, name].join(' ')) ?? '';
    return `${at} -a ${name} -d ${fishText(help)}`;
  });
  const options = node.options
    .filter(({ flag }) => flag.startsWith('--'))
    .map(({ flag, help, value }) => {
      const words = value === undefined ? '' : `${value.kind === 'file' ? ' -r' : ' -x'}${fishWords(value)}`;
      return `${at} -l ${flag.slice(2)}${words} -d ${fishText(help)}`;
    });
  const words = node.arguments.map(fishWords).filter((text) => text !== '');
  return [...subcommands, ...options, ...[...new Set(words)].map((text) => `${at}${text}`)];
}

function fishWords({ kind, choices }: NonNullable<OptionNode['value']>): string {
  if (choices.length > 0) return ` -a '${choices.join(' ')}'`;
  if (kind === 'file') return ' -F';
  return kind === 'text' ? '' : ` -a '(starling complete ${kind} 2>/dev/null)'`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '').replaceAll("'", '’')}'`;
}
