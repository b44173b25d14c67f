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

export function resource(bytes: Uint8Array): Resource {
  return { version: createHash('sha256').update(bytes).digest().toString('base64url', 0, VERSION_BYTES), bytes };
}

/** What is no address is left out. */
export function addressBytes(text: string): Uint8Array[] {
  const ip = parseIp(text);
  return ip.ok ? [ipBytes(ip.value)] : [];
}
