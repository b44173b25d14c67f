/** As a word that scripts may rely on. */
export type BpfLinkerErrorCode =
  /** The command line. */
  | 'usage'
  /** libbpf can not be loaded. */
  | 'no-libbpf'
  /** A file can not be read or written. */
  | 'file'
  /** A file is no BPF object, or is damaged. */
  | 'bad-object'
  /** libbpf refused to link. */
  | 'link'
  /** The kernel, or libbpf, refused to load. */
  | 'load'
  /** A type has no counterpart in TypeScript. */
  | 'unsupported-type';

/** The one error class of the package. `message` says what and where, in as many lines as libbpf or the verifier had to say; `hint` what to do. */
export class BpfLinkerError extends Error {
  override readonly name = 'BpfLinkerError';
  readonly code: BpfLinkerErrorCode;
  readonly hint: string | undefined;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retryable = false;

  constructor(code: BpfLinkerErrorCode, message: string, details: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** Tells of a file that the system does not let be `read` or `written`. */
export const fileFailure = (file: string, how: 'read' | 'written', cause: unknown): BpfLinkerError => new BpfLinkerError('file', `${file} can not be ${how}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
