import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Lease } from './lease.ts';

/** What is written of a Lease; what is left out stays. */
export interface LeaseChange {
  /** Empty: nobody. */
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  /** Whether the holder is another one than before. */
  readonly isTaken: boolean;
}

/** One Lease. */
export interface LeaseStore {
  /** Undefined where there is none. @throws LandbridgeError retryable, or the signal's reason */
  read(signal: AbortSignal): Promise<Lease | undefined>;
  /**
   * Writes over exactly the version that was read, or makes the Lease. Returns what it is then.
   * @throws LandbridgeError `conflict` where it is another one by now, otherwise as {@link read}
   */
  write(change: LeaseChange, over: Lease | undefined, signal: AbortSignal): Promise<Lease>;
}

export function leaseConflict(name: string, cause?: unknown): LandbridgeError {
  return new LandbridgeError('conflict', `Lease ${name} was written by somebody else meanwhile`, { retryable: true, cause });
}
