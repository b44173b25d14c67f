/** What single values of policies mean. Total; what is refused here is never matched by accident. */
import type { ServiceAccountMatch, StringMatch } from '@landbridge/core/authorization.ts';
import { spiffeId } from '@landbridge/core/identity.ts';
import { type IpPrefix, ipBytes, parseIp, parsePrefix, prefixFromBytes } from '@landbridge/core/ip-address.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';

const MAX_PORT = 65535;
const SCHEME = 'spiffe://';

/** `*` for any, `*x` and `x*` for an end and a beginning. Elsewhere a star would stand for itself, which nobody means. */
export function parseText(value: string): Result<StringMatch> {
  const star = value.indexOf('*');
  if (star < 0) return value === '' ? err('an empty text') : ok({ kind: 'exact', value });
  if (value === '*') return ok({ kind: 'presence' });
  if (star === 0 && !value.includes('*', 1)) return ok({ kind: 'suffix', value: value.slice(1) });
  if (star === value.length - 1) return ok({ kind: 'prefix', value: value.slice(0, -1) });
  return err(`${shown(value)} has a * that is neither its beginning nor its end`);
}

/** As {@link parseText}: `<trust domain>/ns/<namespace>/sa/<service account>`. */
export function parsePrincipal(value: string): Result<StringMatch> {
  return value.includes(SCHEME) ? err(`${shown(value)} begins with ${SCHEME}, which principals are written without`) : parseText(value);
}

/** An address, or a range of them; addresses of one family have one form, however they are written. */
export function parseIpBlock(value: string): Result<IpPrefix> {
  if (value.includes('/')) return parsePrefix(value);
  const ip = parseIp(value);
  if (!ip.ok) return ip;
  const bytes = ipBytes(ip.value);
  return prefixFromBytes(bytes, bytes.length * 8);
}

export function parsePort(value: string): Result<number> {
  return /^[1-9][0-9]{0,4}$/.test(value) && Number(value) <= MAX_PORT ? ok(Number(value)) : err(`${shown(value)} is not a port`);
}

/** `<namespace>/<name>`, or a name in the policy's own namespace. There are no wildcards here. */
export function parseServiceAccount(value: string, ownNamespace: string): Result<ServiceAccountMatch> {
  const slash = value.indexOf('/');
  const namespace = slash < 0 ? ownNamespace : value.slice(0, slash);
  const serviceAccount = value.slice(slash + 1);
  return spiffeId({ trustDomain: 'any', namespace, serviceAccount }).ok ? ok({ namespace, serviceAccount }) : err(`${shown(value)} is not NAMESPACE/SERVICE-ACCOUNT`);
}

/** Foreign text as it may be logged. */
const shown = (text: string): string => JSON.stringify(text.slice(0, 64));
