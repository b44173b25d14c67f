/** Frames of HTTP/2 written by hand (RFC 9113), so that they may be as wrong as a test wants. */

export const TYPE = { data: 0, headers: 1, priority: 2, rstStream: 3, settings: 4, pushPromise: 5, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;
export const CODE = { noError: 0, protocol: 1, flowControl: 3, streamClosed: 5, frameSize: 6, refused: 7, cancel: 8, compression: 9, calm: 11 } as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const EMPTY = Buffer.alloc(0);

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** `length`: what the header says, where it is to lie. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = EMPTY, length = payload.length): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

export const settings = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer => frame(TYPE.settings, 0, 0, Buffer.concat(pairs.map(([id, value]) => setting(id, value))));
export const ping = (text = 'abcdefgh', flags = 0): Buffer => frame(TYPE.ping, flags, 0, Buffer.from(text));
export const reset = (stream: number, code: number = CODE.cancel): Buffer => frame(TYPE.rstStream, 0, stream, uint32(code));
export const windowUpdate = (stream: number, increment: number): Buffer => frame(TYPE.windowUpdate, 0, stream, uint32(increment));
export const data = (stream: number, payload: Uint8Array | string, flags = 0): Buffer => frame(TYPE.data, flags, stream, typeof payload === 'string' ? Buffer.from(payload) : payload);

/** RFC 7541, section 5.1, with a prefix of seven bits. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A literal without indexing and with a new name (RFC 7541, section 6.2.2). */
export function literal(name: string, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([Buffer.from([0]), integer(name.length), Buffer.from(name), integer(bytes.length), bytes]);
}

export const fields = (list: Readonly<Record<string, string>>): Buffer => Buffer.concat(Object.entries(list).map(([name, value]) => literal(name, value)));
export const headers = (stream: number, block: Uint8Array, flags: number = FLAG.endHeaders): Buffer => frame(TYPE.headers, flags, stream, block);

/** A request for a tunnel. */
export const connectTo = (stream: number, authority: string, more: Readonly<Record<string, string>> = {}): Buffer => headers(stream, fields({ ':method': 'CONNECT', ':authority': authority, ...more }));
