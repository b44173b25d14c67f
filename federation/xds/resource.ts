import { createHash } from 'node:crypto';
import { ipBytes, parseIp } from '@landbridge/core/ip-address.ts';

export interface Resource {
  /** Changes with the bytes. */
  readonly version: string;
  readonly bytes: Uint8Array;
  /** Better than nothing, and not better than what a client has already. */
  readonly isProvisional?: boolean;
}

const VERSION_BYTES = 12;

/** The bytes are copied to where Node.js has many small ones together: by itself each would take as much again. */
export function resource(bytes: Uint8Array): Resource {
  const pooled = Buffer.from(bytes);
  return { version: createHash('sha256').update(bytes).digest().toString('base64url', 0, VERSION_BYTES), bytes: new Uint8Array(pooled.buffer, pooled.byteOffset, pooled.length) };
}

/** What is no address is left out. */
export function addressBytes(text: string): Uint8Array[] {
  const ip = parseIp(text);
  return ip.ok ? [ipBytes(ip.value)] : [];
}
