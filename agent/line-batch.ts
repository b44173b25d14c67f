/** Where the lines of a log go in the end, such as pino's destination for a descriptor. */
export interface LineTarget {
  write(lines: string): unknown;
}

/** Lines that are held back at most. */
const BATCH_CHARACTERS = 64 * 1024;

/**
 * A destination for pino that can send many lines of one moment together: each write to a pipe wakes its reader, which
 * costs several times what it costs to make the line. Outside of {@link together} nothing is held back.
 */
export class LineBatch {
  readonly #target: LineTarget;
  #isHeld = false;
  #lines = '';

  constructor(target: LineTarget) {
    this.#target = target;
  }

  write(line: string): void {
    if (!this.#isHeld) {
      this.#target.write(line);
      return;
    }
    this.#lines += line;
    if (this.#lines.length >= BATCH_CHARACTERS) this.#send();
  }

  /** The lines that `work` writes go out when it is done, in their order. */
  together(work: () => void): void {
    if (this.#isHeld) return work();
    this.#isHeld = true;
    try {
      work();
    } finally {
      this.#isHeld = false;
      this.#send();
    }
  }

  #send(): void {
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '') this.#target.write(lines);
  }
}
