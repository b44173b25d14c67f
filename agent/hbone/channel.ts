import type { NativeMemory } from '@landbridge/native/memory.ts';
import type { Failure } from './failure.ts';

/** Results of {@link Channel.receive} that are no number of bytes. */
export const NOTHING = 0;
/** The peer has ended, or `failure` says why not. */
export const OVER = -1;

/** What an HTTP/2 session speaks over: ordered bytes both ways, never blocking. */
export interface Channel {
  /** Where received bytes are, until the next call. */
  readonly inbound: NativeMemory;
  /** Whether a receive may bring something. */
  readonly mayReceive: boolean;
  /** Whether what has arrived is lost where it is not received at once. */
  readonly mustBeTaken?: boolean;
  /** Bytes of the last send wait: nothing may be sent until they are gone. */
  readonly isBlocked: boolean;
  /** Set once the channel has failed. */
  readonly failure: Failure | undefined;
  /** Moves what has arrived to the beginning of `inbound`; returns how much, {@link NOTHING} or {@link OVER}. */
  receive(): number;
  /** Sends bytes that the caller may use again at once. The byte behind them is writable. */
  send(bytes: Buffer, address: number, from: number, size: number): void;
  /** Sends what waits, as far as it goes. */
  flush(): void;
  /** Ends the sending direction once everything is sent. */
  end(): void;
  /** Ends at once. */
  close(): void;
}

/** Who uses a channel. */
export interface ChannelOwner {
  /** Something may be received, or sent, or the channel has failed. */
  onChannel(): void;
  /** What was sent has left, in the middle of something else: to be seen to later in this round. */
  onRoom(): void;
}
