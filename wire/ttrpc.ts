/** ttrpc (containerd/ttrpc, PROTOCOL.md): gRPC for local sockets. Calls with one request and one answer; streams of data are read over. */
import { Buffer } from 'node:buffer';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { RequestSchema, ResponseSchema } from './gen/ttrpc_pb.js';

/** Of the status codes of gRPC those that are sent here. */
export const TtrpcCode = { OK: 0, UNKNOWN: 2, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, UNIMPLEMENTED: 12, UNAVAILABLE: 14 } as const;

export interface TtrpcStatus {
  readonly code: number;
  readonly message: string;
}

export interface TtrpcRequest {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** 0 for none. */
  readonly timeoutMs: number;
}

export type TtrpcMessage =
  | { readonly kind: 'request'; readonly stream: number; readonly request: TtrpcRequest }
  | { readonly kind: 'response'; readonly stream: number; readonly status: TtrpcStatus | undefined; readonly payload: Uint8Array }
  /** Data of a stream, or what later versions may have. */
  | { readonly kind: 'other'; readonly stream: number };

/** "Message Frame": length and stream of 32 bits, type and flags of 8, then the data. */
export const TTRPC_HEADER_BYTES = 10;
export const MAX_TTRPC_DATA_BYTES = 4 << 20;
/** Of the text of a status: what is sent, and what is kept of what comes. */
export const MAX_STATUS_CHARACTERS = 1000;
const REQUEST = 1;
const RESPONSE = 2;
const NANOSECONDS = 1_000_000n;

/** An error: it would be longer than {@link MAX_TTRPC_DATA_BYTES}. */
export function encodeTtrpcRequest(stream: number, { service, method, payload, timeoutMs }: TtrpcRequest): Result<Uint8Array> {
  return encode(stream, REQUEST, toBinary(RequestSchema, create(RequestSchema, { service, method, payload, timeoutNano: BigInt(Math.round(timeoutMs)) * NANOSECONDS })));
}

/** A status is a failure, unless its code is 0. An error: it would be longer than {@link MAX_TTRPC_DATA_BYTES}. */
export function encodeTtrpcResponse(stream: number, answer: { readonly payload: Uint8Array } | { readonly status: TtrpcStatus }): Result<Uint8Array> {
  const content = 'status' in answer ? { status: { code: answer.status.code, message: answer.status.message.slice(0, MAX_STATUS_CHARACTERS) } } : { payload: answer.payload };
  return encode(stream, RESPONSE, toBinary(ResponseSchema, create(ResponseSchema, content)));
}

function encode(stream: number, type: number, data: Uint8Array): Result<Uint8Array> {
  if (data.length > MAX_TTRPC_DATA_BYTES) return err(`a ttrpc message of ${data.length} bytes`);
  const message = Buffer.alloc(TTRPC_HEADER_BYTES + data.length);
  message.writeUInt32BE(data.length, 0);
  message.writeUInt32BE(stream, 4);
  message[8] = type;
  message.set(data, TTRPC_HEADER_BYTES);
  return ok(message);
}

/** Puts messages together of a stream of bytes, however it is cut. After an error nothing more is to be pushed. */
export class TtrpcReader {
  readonly #header = Buffer.alloc(TTRPC_HEADER_BYTES);
  #headerSize = 0;
  /** Once the header is there: as long as it says. */
  #data: Buffer | undefined;
  #dataSize = 0;

  push(chunk: Uint8Array): Result<readonly TtrpcMessage[]> {
    const messages: TtrpcMessage[] = [];
    for (let at = 0; at < chunk.length; ) {
      if (this.#data === undefined) {
        const part = chunk.subarray(at, at + TTRPC_HEADER_BYTES - this.#headerSize);
        this.#header.set(part, this.#headerSize);
        this.#headerSize += part.length;
        at += part.length;
        if (this.#headerSize < TTRPC_HEADER_BYTES) break;
        const length = this.#header.readUInt32BE(0);
        if (length > MAX_TTRPC_DATA_BYTES) return err(`a ttrpc message of ${length} bytes`);
        this.#data = Buffer.alloc(length);
        this.#dataSize = 0;
      }
      const part = chunk.subarray(at, at + this.#data.length - this.#dataSize);
      this.#data.set(part, this.#dataSize);
      this.#dataSize += part.length;
      at += part.length;
      if (this.#dataSize < this.#data.length) break;
      const message = parseMessage(this.#header.readUInt32BE(4), this.#header.readUInt8(8), this.#data);
      if (!message.ok) return message;
      messages.push(message.value);
      this.#data = undefined;
      this.#headerSize = 0;
    }
    return ok(messages);
  }
}

function parseMessage(stream: number, type: number, data: Uint8Array): Result<TtrpcMessage> {
  try {
    switch (type) {
      case REQUEST: {
        const { service, method, payload, timeoutNano } = fromBinary(RequestSchema, data, { readUnknownFields: false });
        return ok({ kind: 'request', stream, request: { service, method, payload, timeoutMs: timeoutNano > 0n ? Number(timeoutNano / NANOSECONDS) : 0 } });
      }
      case RESPONSE: {
        const { status, payload } = fromBinary(ResponseSchema, data, { readUnknownFields: false });
        const failed = status !== undefined && status.code !== TtrpcCode.OK;
        return ok({ kind: 'response', stream, status: failed ? { code: status.code, message: status.message.slice(0, MAX_STATUS_CHARACTERS) } : undefined, payload });
      }
      default:
        return ok({ kind: 'other', stream });
    }
  } catch {
    // What the library says of it quotes nothing that helps.
    return err(`a ttrpc message of type ${type} that is no protobuf`);
  }
}
