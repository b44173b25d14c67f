/** Enough of RFC 6455 for a test's own server: handshake, unfragmented binary frames, close. */
import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function handshake(key: string, protocol: string): string {
  const accept = createHash('sha1').update(key + GUID).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`;
}

export const CLOSE_FRAME = Buffer.from([0x88, 0]);

export function binaryFrame(payload: Buffer): Buffer {
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x82, payload.length]), payload]);
  const header = Buffer.alloc(10);
  header.writeUInt8(0x82, 0);
  header.writeUInt8(127, 1);
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

/** Gives each whole message of a client to `onMessage`; undefined stands for its close frame. */
export function frameReader(onMessage: (payload: Buffer | undefined) => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < 2) return;
      const opcode = pending.readUInt8(0) & 0x0f;
      const short = pending.readUInt8(1) & 0x7f;
      const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
      const start = 2 + extended + 4;
      if (pending.length < start) return;
      const length = extended === 0 ? short : extended === 2 ? pending.readUInt16BE(2) : Number(pending.readBigUInt64BE(2));
      if (pending.length < start + length) return;
      const mask = pending.subarray(start - 4, start);
      const payload = Buffer.from(pending.subarray(start, start + length).map((byte, index) => byte ^ (mask[index % 4] as number)));
      pending = pending.subarray(start + length);
      onMessage(opcode === 8 ? undefined : payload);
    }
  };
}
