import http2 from 'node:http2';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

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
  let sent = 0;
  let received = 0;
  let error: string | undefined;
  const done = Promise.withResolvers<void>();
  let open = 2;
  const watch = (stream: Duplex, other: Duplex): void => {
    const cut = (reason: string): void => {
      error ??= reason;
      abort(other);
    };
    stream.on('error', (thrown: NodeJS.ErrnoException) => cut(thrown.code ?? thrown.message));
    stream.on('close', () => {
      // An end that was never read is a cut: a reset stream closes without an error event.
      if (!stream.readableEnded || !stream.writableFinished) cut(error ?? 'cut before its end');
      if (--open === 0) done.resolve();
    });
    if (stream.destroyed) {
      cut('closed before it was used');
      if (--open === 0) done.resolve();
    }
  };
  watch(near, far);
  watch(far, near);
  near.on('data', (chunk: Buffer) => (sent += chunk.length));
  far.on('data', (chunk: Buffer) => (received += chunk.length));
  near.pipe(far);
  far.pipe(near);
  await done.promise;
  return { sent, received, error };
}

/** Ends a stream so that its peer sees a reset: half a message must not look like a whole one. */
export function abort(stream: Duplex): void {
  if (stream.destroyed) return;
  if (stream instanceof Socket) stream.resetAndDestroy();
  else if ('close' in stream && typeof stream.close === 'function') (stream as unknown as http2.Http2Stream).close(http2.constants.NGHTTP2_CANCEL);
  else stream.destroy();
}
