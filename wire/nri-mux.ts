/** The frames by which NRI carries two connections over one socket (containerd/nri, pkg/net/multiplex): channel and length of 32 bits, then bytes. */
import { Buffer } from 'node:buffer';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { MAX_TTRPC_DATA_BYTES, TTRPC_HEADER_BYTES } from './ttrpc.ts';

/** The runtime calls the plugin. */
export const PLUGIN_CHANNEL = 1;
/** The plugin calls the runtime. */
export const RUNTIME_CHANNEL = 2;

export const MUX_HEADER_BYTES = 8;
export const MAX_MUX_PAYLOAD_BYTES = TTRPC_HEADER_BYTES + MAX_TTRPC_DATA_BYTES;

/** Some bytes of a channel: borders of frames mean nothing, so they are not waited for. */
export interface MuxPiece {
  readonly channel: number;
  readonly bytes: Uint8Array;
}

export function encodeMuxFrames(channel: number, bytes: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += MAX_MUX_PAYLOAD_BYTES) {
    const payload = bytes.subarray(at, at + MAX_MUX_PAYLOAD_BYTES);
    const header = Buffer.alloc(MUX_HEADER_BYTES);
    header.writeUInt32BE(channel, 0);
    header.writeUInt32BE(payload.length, 4);
    frames.push(header, payload);
  }
  return Buffer.concat(frames);
}

/** Keeps nothing but a header. After an error nothing more is to be pushed. */
export class MuxReader {
  readonly #header = Buffer.alloc(MUX_HEADER_BYTES);
  #headerSize = 0;
  /** Bytes of the frame that are still to come. */
  #rest = 0;

  /** Pieces are views of the chunk. */
  push(chunk: Uint8Array): Result<readonly MuxPiece[]> {
    const pieces: MuxPiece[] = [];
    for (let at = 0; at < chunk.length; ) {
      if (this.#rest === 0) {
        const part = chunk.subarray(at, at + MUX_HEADER_BYTES - this.#headerSize);
        this.#header.set(part, this.#headerSize);
        this.#headerSize += part.length;
        at += part.length;
        if (this.#headerSize < MUX_HEADER_BYTES) break;
        this.#headerSize = 0;
        this.#rest = this.#header.readUInt32BE(4);
        if (this.#rest > MAX_MUX_PAYLOAD_BYTES) return err(`a frame of ${this.#rest} bytes`);
        continue;
      }
      const bytes = chunk.subarray(at, at + this.#rest);
      pieces.push({ channel: this.#header.readUInt32BE(0), bytes });
      this.#rest -= bytes.length;
      at += bytes.length;
    }
    return ok(pieces);
  }
}
