/** An HTTP/2 connection with its streams, as it moves to another process. */
import type { HpackDecoderState } from '@landbridge/wire/hpack.ts';
import { DEFAULT_MAX_FRAME_BYTES, MAX_WINDOW_BYTES } from '@landbridge/wire/http2-frames.ts';
import { type FrameReaderState, readerFault } from './http2-frame-reader.ts';
import { CONNECTION_WINDOW, MAX_CONTINUATIONS, MAX_FRAME_BYTES, MAX_HEADER_LIST_BYTES, MAX_STREAM_WINDOW } from './http2-limits.ts';
import { MAX_STAGED } from './http2-output.ts';
import { LARGE_SLAB } from './slab.ts';

export interface Http2SessionState {
  readonly nextId: number;
  readonly lastPeerId: number;
  readonly settingsAcknowledged: boolean;
  readonly owesTableUpdate: boolean;
  /** The peer's settings. */
  readonly peerFirstWindow: number;
  readonly peerMaxFrame: number;
  readonly peerMaxStreams: number;
  readonly sendWindow: number;
  readonly receiveWindow: number;
  readonly uncredited: number;
  readonly isDraining: boolean;
  readonly drainPingSent: boolean;
  /** What our last GOAWAY said. */
  readonly drainedAtId: number;
  /** A PING of ours has no answer yet. */
  readonly isAsked: boolean;
  /** Streams that were reset a short time ago. */
  readonly resets: readonly number[];
  /** Frames that were put together and not sealed. */
  readonly staged: Buffer;
  /** Opened and not looked at. */
  readonly rest: Buffer;
  readonly reader: FrameReaderState;
  /** Whose DATA frame is under way; 0: of none that is known. */
  readonly dataStream: number;
  /** A header block whose end is to come. */
  readonly block: { readonly streamId: number; readonly endStream: boolean; readonly fragments: readonly Buffer[] } | undefined;
  readonly hpack: HpackDecoderState;
}

/** Of a stream that was answered. */
export interface Http2StreamState {
  readonly id: number;
  readonly sendWindow: number;
  readonly receiveWindow: number;
  readonly windowTarget: number;
  readonly uncredited: number;
  readonly localEnded: boolean;
  readonly remoteEnded: boolean;
  readonly isBulk: boolean;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Of an earlier attempt, and not sent yet: goes before anything of the near side. */
  readonly again: Buffer;
}

/** Why states can be none of this engine's; undefined where they can. */
export function sessionFault(session: Http2SessionState, role: 'client' | 'server', streams: readonly Http2StreamState[]): string | undefined {
  const { staged, rest, reader, block, receiveWindow, uncredited, peerMaxFrame, sendWindow } = session;
  if (staged.length > MAX_STAGED) return 'more is staged than ever is';
  if (rest.length > LARGE_SLAB) return 'more is unread than ever is';
  if (receiveWindow < 0 || receiveWindow + uncredited > CONNECTION_WINDOW || sendWindow > MAX_WINDOW_BYTES || peerMaxFrame < DEFAULT_MAX_FRAME_BYTES || peerMaxFrame > 2 ** 24) return 'a connection window or frame size out of range';
  if (block !== undefined && (block.fragments.length > MAX_CONTINUATIONS || block.fragments.reduce((sum, { length }) => sum + length, 0) > MAX_HEADER_LIST_BYTES)) return 'a header block longer than allowed';
  if (reader.frame !== undefined && reader.frame.length > MAX_FRAME_BYTES) return 'a frame under way longer than allowed';
  return readerFault(reader) ?? streamsFault(session, role, streams);
}

function streamsFault({ nextId, lastPeerId }: Http2SessionState, role: 'client' | 'server', streams: readonly Http2StreamState[]): string | undefined {
  const ids = new Set<number>();
  for (const { id, sendWindow, receiveWindow, windowTarget, uncredited } of streams) {
    const isOpened = role === 'client' ? id < nextId : id <= lastPeerId;
    if ((id & 1) === 0 || !isOpened || ids.has(id)) return `a stream ${id} that can not be`;
    if (Math.abs(sendWindow) > MAX_WINDOW_BYTES || receiveWindow < 0 || receiveWindow > MAX_STREAM_WINDOW || windowTarget < 0 || windowTarget > MAX_STREAM_WINDOW || uncredited > 2 * MAX_STREAM_WINDOW) return `a window of stream ${id} out of range`;
    ids.add(id);
  }
  return undefined;
}
