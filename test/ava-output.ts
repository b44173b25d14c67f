/** Reads what ava's default reporter prints: it shows where and why a test failed, which its TAP output leaves out. */

/** `tests` until the line that ends the list of tests; after it the failures are told once more, at length. */
export type AvaPart = 'tests' | 'failures';

export interface AvaLine {
  readonly kind: 'passed' | 'failed' | 'other';
  readonly part: AvaPart;
}

const PASSED = /^ {2}✔ /;
/** Failed tests and hooks, tests that were not reached, files without tests, processes that ended early. */
const FAILED = /^ {0,2}✘ /;
const SEPARATOR = /^ {2}─$/;

/** What one line of ava's report says, and the part of the report that the next line is in. */
export function readAvaLine(line: string, part: AvaPart): AvaLine {
  if (part === 'failures') return { kind: 'other', part };
  if (SEPARATOR.test(line)) return { kind: 'other', part: 'failures' };
  if (PASSED.test(line)) return { kind: 'passed', part };
  return { kind: FAILED.test(line) ? 'failed' : 'other', part };
}

/** How Node.js and V8 begin to say why they end a process, and fast-check for which input a property failed. */
const LAST_WORDS = /^# Fatal error|^FATAL ERROR|Assertion .*failed|^Property failed after/;
/** The reason, and as much of the stack of native code as tells where. */
const MAX_LAST_WORDS = 24;

/** What a process said of its own failure, from the lines of its standard error. Of several only the first. */
export class LastWords {
  readonly lines: string[] = [];

  hear(line: string): void {
    const isSaid = this.lines.length > 0 ? this.lines.length < MAX_LAST_WORDS : LAST_WORDS.test(line);
    if (isSaid && line.trim() !== '') this.lines.push(line);
  }
}
