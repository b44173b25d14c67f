import koffi from 'koffi';
import { LandbridgeError } from '@landbridge/core/errors.ts';

const NUMBERS = koffi.os.errno as Record<string, number>;
const NAMES = new Map(Object.entries(NUMBERS).map(([name, number]) => [number, name]));

/** The number of an error name of errno(3) on this machine. */
export function errnoOf(name: string): number {
  const number = NUMBERS[name];
  if (number === undefined) throw new LandbridgeError('internal', `no errno is called ${name}`);
  return number;
}

const FORBIDDEN: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

/** A failed system call. `errno` has its name, for callers that expect some failures. */
export class SystemCallError extends LandbridgeError {
  readonly errno: string;

  constructor(call: string, number: number) {
    const errno = NAMES.get(number) ?? `errno ${number}`;
    super('system-call', `${call}: ${errno}`, FORBIDDEN.has(errno) ? { hint: 'The agent needs root with CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_SYS_PTRACE, as the chart has it.' } : {});
    this.errno = errno;
  }

  /** Whether it may work for somebody with more rights. */
  get isForbidden(): boolean {
    return FORBIDDEN.has(this.errno);
  }
}

/** For libc: a negative result means that errno holds the reason. */
export function checkLibc(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, koffi.errno());
  return result;
}

/** For libbpf 1.x: a negative result is the negated errno (libbpf.h, LIBBPF_STRICT_DIRECT_ERRS). */
export function checkLibbpf(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, -result);
  return result;
}

/** For libbpf functions that return a pointer: NULL means that errno holds the reason. */
export function checkPointer<T>(call: string, pointer: T | null): T {
  if (pointer === null) throw new SystemCallError(call, koffi.errno());
  return pointer;
}
