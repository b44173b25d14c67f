import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseAuthorityCertificate } from '@landbridge/federation/ca/authority-certificate.ts';
import { makeRoot } from '@landbridge/federation/ca/own-root.ts';
import { makeCertificate } from '@landbridge/federation/ca/x509.ts';
import { type End, ENDS } from './path.ts';

/** A folder with `ca.crt` and `ca.key`, and for `client` and `server` each a `.crt`, a `.key` (PKCS #8) and a `.pem` of both. */
export interface Certificates {
  readonly directory: string;
  /** A DNS name of the server, for proxies that compare names and know no URIs. */
  readonly serverName: string;
}

export const TRUST_DOMAIN = 'bench.example';
export const NAMESPACE = 'bench';
const nameOf = (end: End): string => `${end}.${TRUST_DOMAIN}`;
const HOUR_MS = 3600 * 1000;
/** Some proxies refuse what begins in their future. */
const SKEW_MS = 60_000;

/** ECDSA P-256 for both ends by one authority, names as a mesh has them (SPIFFE X.509-SVID, section 2). */
export function makeCertificates(directory: string): Certificates {
  const write = (name: string, text: string): void => writeFileSync(path.join(directory, name), text, { mode: 0o600 });
  const root = makeRoot(TRUST_DOMAIN, Date.now());
  write('ca.crt', root.certificatePem);
  write('ca.key', root.keyPem);
  for (const end of ENDS) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const chainPem = certify(directory, end, createPublicKey(privateKey));
    write(`${end}.key`, keyPem);
    write(`${end}.crt`, chainPem);
    write(`${end}.pem`, `${chainPem}${keyPem}`);
  }
  return { directory, serverName: nameOf('server') };
}

/** A certificate of one end for another key, by the authority in the folder. */
export function certify(directory: string, end: End, publicKey: KeyObject): string {
  const read = (name: string): string => readFileSync(path.join(directory, name), 'utf8');
  const issuer = parseAuthorityCertificate(new X509Certificate(read('ca.crt')).raw);
  if (!issuer.ok) throw new Error(issuer.error);
  const names = [{ kind: 'uri', value: `spiffe://${TRUST_DOMAIN}/ns/${NAMESPACE}/sa/${end}` }, { kind: 'dns', value: nameOf(end) }] as const;
  const notBefore = new Date(Date.now() - SKEW_MS);
  const notAfter = new Date(Date.now() + 24 * HOUR_MS);
  return makeCertificate({ subject: nameOf(end), issuer: issuer.value, notBefore, notAfter, publicKey, isAuthority: false, names }, createPrivateKey(read('ca.key')));
}
