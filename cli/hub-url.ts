/** Addresses of the hub as an administrator writes them. */
import { isIP } from 'node:net';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { isHubUrl } from '@landbridge/federation/join/credentials.ts';
import { DNS_NAME } from '@landbridge/federation/join/hub-material.ts';

export interface HubUrl {
  readonly text: string;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

export function parseHubUrl(text: string): Result<HubUrl> {
  const shown = JSON.stringify(text.slice(0, 120));
  if (!isHubUrl(text)) return err(`${shown} is not tls://HOST:PORT`);
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (port < 1 || port > 65535) return err(`${shown} has a port outside 1 to 65535`);
  const host = parseHost(text.slice('tls://'.length, colon).replace(/^\[|\]$/g, ''));
  return host.ok ? ok({ text, host: host.value, port }) : host;
}

/** A DNS name or an IP address. */
export function parseHost(text: string): Result<string> {
  // A name whose last label is all digits is an address that was mistyped (RFC 1123, section 2.1).
  const isName = text.length <= 253 && DNS_NAME.test(text) && !/(^|\.)\d+$/.test(text);
  return isIP(text) !== 0 || isName ? ok(text) : err(`${JSON.stringify(text.slice(0, 120))} is neither a DNS name nor an IP address`);
}

/** Each host once, those of the addresses first. */
export function hostsOf(urls: readonly HubUrl[], sans: readonly string[]): string[] {
  return [...new Set([...urls.map((url) => url.host), ...sans])];
}
