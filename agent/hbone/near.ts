/** Results of {@link Near.pull} that are no number of bytes. */
export const NOTHING_YET = -1;
export const ENDED = 0;
export const FAILED = -2;

/**
 * One side of what a data thread joins, as the other side sees it: an application's socket, or a TLS session that is
 * itself carried by a stream. Never blocks; whoever holds both sides keeps the flow control.
 */
export interface Near {
  /** Bytes that were pushed and not taken yet. */
  readonly queued: number;
  /** Whether a pull may bring something: false after {@link NOTHING_YET} until the next event. */
  readonly mayPull: boolean;
  /** Whether the other end was reset, or never reached. */
  readonly hasFailed: boolean;
  /** Moves up to `size` bytes to `address`, which is `offset` in `bytes`. Returns how many, or one of the results above. */
  pull(bytes: Buffer, address: number, offset: number, size: number): number;
  /** Takes all bytes, now or later; false where the side has failed. */
  push(bytes: Buffer, address: number, offset: number, size: number): boolean;
  /** No further push comes: tells the other end once everything is taken. */
  endPush(): void;
  /** Ends both directions; `reset` so that the other end can not take it for an ordinary end. */
  close(reset: boolean): void;
}

/** Who joins two sides. */
export interface NearOwner {
  /** Something changed: bytes may be pulled, or pushed ones were taken, or the side failed. */
  onNear(): void;
}
