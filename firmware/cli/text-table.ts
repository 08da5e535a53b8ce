/** Tables and quantities for people: aligned columns, no colour, units a person reads at a glance. */

/** Columns as wide as their widest cell; the first line is the heading. Cells after the last non-empty are cut. */
export function formatTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => printable(line[column]).length)));
  return lines
    .map((line) =>
      widths
        .map((width, column) => printable(line[column]).padEnd(width))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** Names come from other machines: no control characters reach the terminal. */
export function printable(cell = ''): string {
  return cell.replace(/\p{Cc}/gu, '\ufffd');
}
