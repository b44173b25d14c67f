/** What went wrong, as a word that scripts may rely on; kebab-case, never changed once released. */
export type ErrorCode = string;

export interface ErrorDetails {
  /** What the reader can do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retryable?: boolean;
}

/** The one error class of the project. `message` says what and where, `hint` what to do. */
export class LandbridgeError extends Error {
  override readonly name = 'LandbridgeError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.retryable = details.retryable ?? false;
  }

  /** Makes a LandbridgeError of anything that was thrown; one that already is passes through. */
  static from(thrown: unknown, code: ErrorCode = 'internal'): LandbridgeError {
    if (thrown instanceof LandbridgeError) return thrown;
    return new LandbridgeError(code, thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
  }
}

/** The last line of a service's log: why it ends, as JSON. A stack only where nobody foresaw the error. */
export function fatalLine(thrown: unknown): string {
  const { code, message: msg, hint, cause } = LandbridgeError.from(thrown);
  return `${JSON.stringify({ level: 'fatal', code, msg, hint, ...(code === 'internal' ? { stack: (cause as Error | undefined)?.stack } : {}) })}\n`;
}
