import http2 from 'node:http2';

export interface LivenessTimes {
  /** Between two questions. */
  readonly intervalMs: number;
  /** For an answer. */
  readonly timeoutMs: number;
}

/** A peer whose machine is gone is noticed within their sum; TCP's own keepalive would take minutes. */
export const LIVENESS: LivenessTimes = { intervalMs: 10_000, timeoutMs: 10_000 };

/** Asks the peer of a session again and again whether it is there (PING, RFC 9113, section 6.7), and cuts the session when it does not answer. */
export function watchLiveness(session: http2.Http2Session, { intervalMs, timeoutMs }: LivenessTimes): void {
  let waiting: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (waiting !== undefined || session.closed || session.destroyed) return;
    waiting = setTimeout(() => session.destroy(new Error('the peer does not answer'), http2.constants.NGHTTP2_CANCEL), timeoutMs).unref();
    session.ping(() => {
      clearTimeout(waiting);
      waiting = undefined;
    });
  }, intervalMs).unref();
  session.on('close', () => {
    clearInterval(timer);
    clearTimeout(waiting);
  });
}
