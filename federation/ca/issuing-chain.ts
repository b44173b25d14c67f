import type { X509Certificate } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type AuthorityCertificate, mayVouchFor, nameOf } from './authority-certificate.ts';

/** Certificates between a leaf and a root: what OpenSSL at agents verifies (depth), and agents take (agent/identity/peer.ts). */
export const MAX_INTERMEDIATES = 4;

export interface IssuingChain {
  /** What peers need beside the roots: the issuing certificate first; none where it is a root itself. */
  readonly intermediates: readonly AuthorityCertificate[];
  readonly root: AuthorityCertificate;
  /** When the first of them ends. */
  readonly notAfterMs: number;
}

/** What is asked of a chain: whose names it is to sign, and when. */
export interface ChainDemand {
  readonly trustDomain: string;
  /** Of the service's own certificates. */
  readonly dnsNames: readonly string[];
  readonly nowMs: number;
}

/** The way from an issuing certificate to one of the roots, each step of which holds (RFC 5280, section 6). */
export function findChain(issuing: AuthorityCertificate, others: readonly AuthorityCertificate[], roots: readonly AuthorityCertificate[], demand: ChainDemand): Result<IssuingChain> {
  const path: AuthorityCertificate[] = [];
  for (let at = issuing; ; ) {
    const root = roots.find((candidate) => isSame(candidate, at) || hasIssued(candidate, at));
    if (root !== undefined) return checked(isSame(root, at) ? path : [...path, at], root, demand);
    path.push(at);
    const next = others.find((candidate) => !path.some((seen) => isSame(seen, candidate)) && hasIssued(candidate, at));
    if (next === undefined) return err(`${nameOf(at.x509)} was signed by none of the certificates and roots that are there`);
    at = next;
  }
}

function checked(intermediates: readonly AuthorityCertificate[], root: AuthorityCertificate, { trustDomain, dnsNames, nowMs }: ChainDemand): Result<IssuingChain> {
  if (intermediates.length > MAX_INTERMEDIATES) return err(`more than ${MAX_INTERMEDIATES} certificates between leaf and root`);
  for (const [below, authority] of [...intermediates, root].entries()) {
    const { x509, notBeforeMs, notAfterMs, pathLength, spiffeIds, constraints } = authority;
    if (nowMs < notBeforeMs || nowMs >= notAfterMs) return err(`${nameOf(x509)} is valid only from ${x509.validFrom} to ${x509.validTo}`);
    if (pathLength !== undefined && below > pathLength) return err(`${nameOf(x509)} allows ${pathLength} authorities below it, and there are ${below}`);
    // SPIFFE X.509-SVID, section 4.2: an authority that names a trust domain is of that one.
    const other = spiffeIds.find((id) => id !== `spiffe://${trustDomain}`);
    if (other !== undefined) return err(`${nameOf(x509)} is of ${JSON.stringify(other.slice(0, 120))}, not of spiffe://${trustDomain}`);
    if (!mayVouchFor(constraints, 'uri', trustDomain)) return err(`${nameOf(x509)} may not vouch for names of trust domain ${trustDomain} (nameConstraints)`);
    const denied = dnsNames.find((name) => !mayVouchFor(constraints, 'dns', name));
    if (denied !== undefined) return err(`${nameOf(x509)} may not vouch for ${denied}, a name of the federation service (nameConstraints)`);
  }
  return ok({ intermediates, root, notAfterMs: Math.min(...[...intermediates, root].map(({ notAfterMs }) => notAfterMs)) });
}

export function isSelfSigned({ x509 }: AuthorityCertificate): boolean {
  return x509.checkIssued(x509) && x509.verify(x509.publicKey);
}

const isSame = (a: AuthorityCertificate, b: AuthorityCertificate): boolean => a.x509.raw.equals(b.x509.raw);

function hasIssued(issuer: AuthorityCertificate, { x509 }: { readonly x509: X509Certificate }): boolean {
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey);
}
