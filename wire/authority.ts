/** `:authority` of a CONNECT request: host and port (RFC 9113, section 8.5; RFC 3986, section 3.2). */
import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

declare const brand: unique symbol;

/** In lower case. Made by {@link parseHostname} only. */
export type Hostname = string & { readonly [brand]: 'Hostname' };

export type Authority =
  | { readonly kind: 'ip'; readonly ip: IpAddress; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: Hostname; readonly port: number };

const MAX_HOSTNAME_LENGTH = 253;
const MAX_AUTHORITY_LENGTH = MAX_HOSTNAME_LENGTH + ':65535'.length;
/** RFC 1123, section 2.1. */
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
/** What ends so is an IPv4 address or a wrong one, for those who read numbers in other forms as well. */
const NUMBER = /^([0-9]+|0[xX][0-9A-Fa-f]*)$/;
const PORT = /^[1-9][0-9]{0,4}$/;

/** A name of RFC 1123 without a final dot, and without a wildcard: it is looked up as it is. */
export function parseHostname(text: string): Result<Hostname> {
  if (text.length > MAX_HOSTNAME_LENGTH) return err(`hostname is longer than ${MAX_HOSTNAME_LENGTH} characters`);
  const labels = text.split('.');
  if (!labels.every((label) => LABEL.test(label)) || NUMBER.test(labels.at(-1) as string)) return err(`${shown(text)} is not a hostname`);
  return ok(text.toLowerCase() as Hostname);
}

/** 1 to 65535, in decimals without leading zeroes. */
export function parsePort(text: string): Result<number> {
  const port = PORT.test(text) ? Number(text) : 0;
  return port < 1 || port > 65535 ? err(`${shown(text)} is not a port`) : ok(port);
}

/** `IP:PORT`, `[IPV6]:PORT` or `HOSTNAME:PORT`. */
export function parseAuthority(text: string): Result<Authority> {
  if (text.length > MAX_AUTHORITY_LENGTH) return err('authority is too long');
  const colon = text.lastIndexOf(':');
  const port = parsePort(text.slice(colon + 1));
  if (colon < 0 || !port.ok) return err(`authority ${shown(text)} has no port`);
  const host = text.slice(0, colon);
  const isBracketed = host.startsWith('[') && host.endsWith(']');
  // Brackets are for IPv6, and IPv6 is for brackets: any other form has two meanings.
  if (isBracketed !== host.includes(':')) return err(`authority ${shown(text)} is not HOST:PORT`);
  const ip = parseIp(isBracketed ? host.slice(1, -1) : host);
  if (ip.ok) return ok({ kind: 'ip', ip: ip.value, port: port.value });
  const hostname = parseHostname(host);
  return hostname.ok ? ok({ kind: 'hostname', hostname: hostname.value, port: port.value }) : err(`authority ${shown(text)} is not HOST:PORT`);
}

export function formatAuthority(authority: Authority): string {
  return authority.kind === 'ip' ? formatSocketAddress(authority) : `${authority.hostname}:${authority.port}`;
}

export function formatSocketAddress({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Foreign text as it may be logged. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
