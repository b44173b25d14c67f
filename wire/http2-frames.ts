/** Frames of HTTP/2 (RFC 9113): numbers, and the few bytes around and in the small ones. */
import { err, ok, type Result } from '@landbridge/core/result.ts';

/** RFC 9113, section 6. */
export const FRAME_TYPE = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;
export type FrameType = (typeof FRAME_TYPE)[keyof typeof FRAME_TYPE];

/** What a bit means depends on the frame: ACK and END_STREAM are the same one. */
export const FRAME_FLAG = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;
export type FrameFlag = (typeof FRAME_FLAG)[keyof typeof FRAME_FLAG];

/** RFC 9113, section 7. */
export const ERROR_CODE = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;
export type ErrorCode = (typeof ERROR_CODE)[keyof typeof ERROR_CODE];

/** RFC 9113, section 6.5.2; ENABLE_CONNECT_PROTOCOL is of RFC 8441, section 3. */
export const SETTING = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  ENABLE_CONNECT_PROTOCOL: 0x8,
} as const;
export type Setting = (typeof SETTING)[keyof typeof SETTING];

/** What a client sends first (RFC 9113, section 3.4). */
export const CLIENT_PREFACE: Uint8Array = Uint8Array.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', (char) => char.charCodeAt(0));
export const FRAME_HEADER_BYTES = 9;
/** Payload of a frame: what everyone must take, and the most that may be announced (RFC 9113, section 4.2). */
export const DEFAULT_MAX_FRAME_BYTES = 16_384;
export const HIGHEST_MAX_FRAME_BYTES = 16_777_215;
/** RFC 9113, section 6.9.2. Also of the connection, which only WINDOW_UPDATE changes. */
export const DEFAULT_WINDOW_BYTES = 65_535;
/** RFC 9113, section 6.9.1. */
export const MAX_WINDOW_BYTES = 2_147_483_647;
export const MAX_STREAM_ID = 2_147_483_647;
/** Payloads whose size is fixed; another is FRAME_SIZE_ERROR. */
export const PING_BYTES = 8;
export const RST_STREAM_BYTES = 4;
export const WINDOW_UPDATE_BYTES = 4;
export const PRIORITY_BYTES = 5;
/** GOAWAY without additional debug data. */
export const MIN_GOAWAY_BYTES = 8;
/** Entries in one SETTINGS frame. There are not that many settings; more is a peer that wants to cost time. */
export const MAX_SETTINGS = 32;
const SETTING_BYTES = 6;

const ERROR_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ERROR_CODE).map(([name, code]) => [code, name]));

export function errorCodeName(code: number): string {
  return ERROR_NAMES.get(code) ?? `0x${code.toString(16)}`;
}

/** Returns the offset after it. */
export function writeFrameHeader(target: Uint8Array, offset: number, length: number, type: FrameType, flags: number, streamId: number): number {
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = type;
  target[offset + 4] = flags;
  return writeUint32(target, offset + 5, streamId);
}

/** Returns the offset after it. */
export function writeUint32(target: Uint8Array, offset: number, value: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

export function readUint32(source: Uint8Array, offset: number): number {
  return (((source[offset] as number) << 24) | ((source[offset + 1] as number) << 16) | ((source[offset + 2] as number) << 8) | (source[offset + 3] as number)) >>> 0;
}

/** Without the reserved bit, which is ignored: stream identifiers and window increments (RFC 9113, sections 4.1 and 6.9). */
export function readUint31(source: Uint8Array, offset: number): number {
  return readUint32(source, offset) & 0x7fffffff;
}

/** Of the frame whose header begins at the offset; the type and the flags are the fourth and the fifth octet. */
export function readFrameLength(source: Uint8Array, offset: number): number {
  return ((source[offset] as number) << 16) | ((source[offset + 1] as number) << 8) | (source[offset + 2] as number);
}

/** Returns the offset after it, as the writers below. */
export function writeRstStream(target: Uint8Array, offset: number, streamId: number, code: ErrorCode): number {
  return writeUint32(target, writeFrameHeader(target, offset, RST_STREAM_BYTES, FRAME_TYPE.RST_STREAM, 0, streamId), code);
}

/** Stream 0 is the connection. The increment is from 1 to {@link MAX_WINDOW_BYTES}. */
export function writeWindowUpdate(target: Uint8Array, offset: number, streamId: number, increment: number): number {
  return writeUint32(target, writeFrameHeader(target, offset, WINDOW_UPDATE_BYTES, FRAME_TYPE.WINDOW_UPDATE, 0, streamId), increment);
}

export function writePing(target: Uint8Array, offset: number, opaque: Uint8Array, flags: 0 | typeof FRAME_FLAG.ACK): number {
  const at = writeFrameHeader(target, offset, PING_BYTES, FRAME_TYPE.PING, flags, 0);
  for (let i = 0; i < PING_BYTES; i++) target[at + i] = opaque[i] as number;
  return at + PING_BYTES;
}

export function writeGoaway(target: Uint8Array, offset: number, lastStreamId: number, code: ErrorCode): number {
  const at = writeFrameHeader(target, offset, MIN_GOAWAY_BYTES, FRAME_TYPE.GOAWAY, 0, 0);
  return writeUint32(target, writeUint32(target, at, lastStreamId), code);
}

/** No entries and ACK make the acknowledgment (RFC 9113, section 6.5). */
export function writeSettings(target: Uint8Array, offset: number, entries: readonly (readonly [id: Setting, value: number])[], flags: 0 | typeof FRAME_FLAG.ACK = 0): number {
  let at = writeFrameHeader(target, offset, entries.length * SETTING_BYTES, FRAME_TYPE.SETTINGS, flags, 0);
  for (const [id, value] of entries) {
    target[at] = id >>> 8;
    target[at + 1] = id;
    at = writeUint32(target, at + 2, value);
  }
  return at;
}

/** What one SETTINGS frame says; undefined is not said, and stays as it was. */
export interface Settings {
  readonly headerTableBytes: number | undefined;
  readonly enablePush: boolean | undefined;
  readonly maxConcurrentStreams: number | undefined;
  readonly initialWindowBytes: number | undefined;
  readonly maxFrameBytes: number | undefined;
  readonly maxHeaderListBytes: number | undefined;
  readonly enableConnectProtocol: boolean | undefined;
}

export interface ConnectionFault {
  readonly code: ErrorCode;
  readonly reason: string;
}

const fault = (code: ErrorCode, reason: string): Result<never, ConnectionFault> => err({ code, reason });

/** The payload of a SETTINGS frame without ACK (RFC 9113, section 6.5.2). Unknown settings are ignored, and of equal ones the last counts. */
export function parseSettings(payload: Uint8Array, sender: 'client' | 'server' = 'client'): Result<Settings, ConnectionFault> {
  if (payload.length % SETTING_BYTES !== 0) return fault(ERROR_CODE.FRAME_SIZE_ERROR, `SETTINGS of ${payload.length} bytes`);
  if (payload.length > MAX_SETTINGS * SETTING_BYTES) return fault(ERROR_CODE.ENHANCE_YOUR_CALM, `more than ${MAX_SETTINGS} settings`);
  const settings: { -readonly [name in keyof Settings]: Settings[name] } = {
    headerTableBytes: undefined,
    enablePush: undefined,
    maxConcurrentStreams: undefined,
    initialWindowBytes: undefined,
    maxFrameBytes: undefined,
    maxHeaderListBytes: undefined,
    enableConnectProtocol: undefined,
  };
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const value = readUint32(payload, at + 2);
    switch (((payload[at] as number) << 8) | (payload[at + 1] as number)) {
      case SETTING.HEADER_TABLE_SIZE:
        settings.headerTableBytes = value;
        break;
      case SETTING.ENABLE_PUSH:
        // Only clients can be pushed to.
        if (value > (sender === 'server' ? 0 : 1)) return fault(ERROR_CODE.PROTOCOL_ERROR, `ENABLE_PUSH is ${value}`);
        settings.enablePush = value === 1;
        break;
      case SETTING.MAX_CONCURRENT_STREAMS:
        settings.maxConcurrentStreams = value;
        break;
      case SETTING.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_BYTES) return fault(ERROR_CODE.FLOW_CONTROL_ERROR, `INITIAL_WINDOW_SIZE is ${value}`);
        settings.initialWindowBytes = value;
        break;
      case SETTING.MAX_FRAME_SIZE:
        if (value < DEFAULT_MAX_FRAME_BYTES || value > HIGHEST_MAX_FRAME_BYTES) return fault(ERROR_CODE.PROTOCOL_ERROR, `MAX_FRAME_SIZE is ${value}`);
        settings.maxFrameBytes = value;
        break;
      case SETTING.MAX_HEADER_LIST_SIZE:
        settings.maxHeaderListBytes = value;
        break;
      case SETTING.ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return fault(ERROR_CODE.PROTOCOL_ERROR, `ENABLE_CONNECT_PROTOCOL is ${value}`);
        settings.enableConnectProtocol = value === 1;
        break;
      default:
    }
  }
  return ok(settings);
}
