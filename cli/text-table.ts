/** Columns for people: headings in capitals, two spaces between, nothing after the last. */
export function textTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = [headings.map((heading) => heading.toUpperCase()), ...rows.map((row) => headings.map((_, column) => printable(row[column] ?? '')))];
  const widths = headings.map((_, column) => Math.max(...clean.map((row) => (row[column] as string).length)));
  return clean.map((row) => `${row.map((cell, column) => (cell === '' ? '-' : cell).padEnd(widths[column] as number)).join('  ').trimEnd()}\n`).join('');
}

/** Names come from other clusters: what would move a terminal's cursor is shown as a question mark. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\u024f\u2010-\u2027\u2190-\u21ff]/gu, '?');
}

/** How long ago, in the largest unit that is not less than two. */
export function age(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
