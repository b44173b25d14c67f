import type { Duplex } from 'node:stream';
import { reset, wasReset } from './reset.ts';

export interface RelayOutcome {
  /** Bytes from `near` to `far`. */
  readonly sent: number;
  readonly received: number;
  /** Why the connection was cut; undefined where both directions came to their end. */
  readonly error: string | undefined;
}

/**
 * Carries bytes both ways until both directions have ended or one side is cut, which cuts the other. The end of one
 * direction leaves the other open. Backpressure is the streams' own.
 */
export async function relay(near: Duplex, far: Duplex): Promise<RelayOutcome> {
  let error: string | undefined;
  let open = 2;
  const done = Promise.withResolvers<void>();
  const closed = (): void => {
    if (--open === 0) done.resolve();
  };
  const carry = (from: Duplex, to: Duplex): { bytes: number } => {
    const count = { bytes: 0 };
    const cut = (reason: string): void => {
      error ??= reason;
      reset(to);
    };
    from.on('data', (chunk: Buffer) => (count.bytes += chunk.length));
    from.on('end', () => {
      if (wasReset(from)) cut('reset by the peer');
      else to.end();
    });
    from.on('error', (thrown: NodeJS.ErrnoException) => cut(thrown.code ?? thrown.message));
    from.on('close', () => {
      // A stream may be destroyed without an end and without an error.
      if (!from.readableEnded) cut('closed before its end');
      closed();
    });
    if (from.destroyed) {
      cut('closed before it was used');
      closed();
    } else from.pipe(to, { end: false });
    return count;
  };
  const [sent, received] = [carry(near, far), carry(far, near)];
  await done.promise;
  return { sent: sent.bytes, received: received.bytes, error };
}
