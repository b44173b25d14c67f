import http2 from 'node:http2';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Ends a stream so that its peer sees a reset: half a message must not look like a whole one. */
export function reset(stream: Duplex): void {
  if (stream.destroyed) return;
  if (stream instanceof Socket) stream.resetAndDestroy();
  else if (isHttp2(stream)) stream.destroy(new DOMException('cut', 'AbortError'));
  else stream.destroy();
}

/**
 * Whether a stream that has ended was reset by its peer. node:http2 reports a stream that was cancelled as one that
 * ended; only the code of RST_STREAM tells the two apart (RFC 9113, section 6.4).
 */
export function wasReset(stream: Duplex): boolean {
  return isHttp2(stream) ? stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR && stream.rstCode !== undefined : stream.errored !== null;
}

function isHttp2(stream: Duplex): stream is http2.Http2Stream {
  return 'rstCode' in stream;
}
