/** Reads YAML that a person wrote: 1.2 (core schema), no aliases, and a slip is told with its line. */
import { LineCounter, parseDocument } from 'yaml';
import { Failure, messageOf } from '../base/failure.ts';
import { configInvalid, firstLines } from './problems.ts';

/** One slip in YAML makes many more errors after it. */
const yamlProblemsMax = 5;

/**
 * What a document says, unchecked; `name` is put before each problem. Throws the Failure CONFIG_INVALID, with a line for
 * each problem.
 */
export function readYaml(text: string, bytesMax: number, name = ''): unknown {
  if (Buffer.byteLength(text) > bytesMax) throw configInvalid([`${name}larger than ${bytesMax} bytes`]);
  const lineCounter = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    const problems = [...document.errors, ...document.warnings].map((problem) => {
      const { line, col } = lineCounter.linePos(problem.pos[0]);
      return `${name}line ${line}, column ${col}: ${problem.message}`;
    });
    if (problems.length > 0) throw configInvalid(firstLines(problems, yamlProblemsMax));
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    // Aliases and bottomless nesting are refused by exceptions of the YAML reader.
    throw error instanceof Failure
      ? error
      : configInvalid([`${name}not readable as YAML: ${messageOf(error)}`]);
  }
}
