const startedAtMs = performance.now();

/** One line of progress with the seconds since the start: `  12.3 s  east: node Ready`. */
export function say(text: string): void {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

/** Text without a time, for what people read at the end. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function elapsedSeconds(): number {
  return (performance.now() - startedAtMs) / 1000;
}
