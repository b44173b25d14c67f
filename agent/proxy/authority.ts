import { isIP } from 'node:net';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';

/** The longest is `[` + 45 characters of IPv6 + `]:65535`. */
const MAX_AUTHORITY = 64;

/** `:authority` of a CONNECT request (RFC 9113, section 8.5; RFC 3986, section 3.2): an IP address and a port, no name. */
export function parseAuthority(text: string): Result<SocketAddress> {
  if (text.length > MAX_AUTHORITY) return err('authority is too long');
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const ip = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (match === null || isIP(ip) !== (match[1] === undefined ? 4 : 6) || port < 1 || port > 65535) return err(`authority ${JSON.stringify(text)} is not IP:PORT`);
  return ok({ ip, port });
}

export function formatAuthority({ ip, port }: SocketAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
