import { generateKeyPairSync } from 'node:crypto';
import { SKEW_MS } from './authority.ts';
import { keyIdOf, makeCertificate } from './x509.ts';

const ROOT_DAYS = 3650;
const DAY_MS = 24 * 3600 * 1000;
/** Upper bound of a common name (RFC 5280, appendix A.1, ub-common-name). */
const MAX_NAME_LENGTH = 64;

/** A root certificate with its key, as the Secret landbridge-ca keeps them. */
export interface RootMaterial {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A new root of a trust domain. The name has the beginning of its key's identifier, as two roots of one domain live side by side while one follows the other. */
export function makeRoot(trustDomain: string, nowMs: number): RootMaterial {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = `Landbridge root ${keyIdOf(publicKey).toString('hex', 0, 4)} of ${trustDomain}`.slice(0, MAX_NAME_LENGTH);
  const certificatePem = makeCertificate({ subject, issuer: 'self', notBefore: new Date(nowMs - SKEW_MS), notAfter: new Date(nowMs + ROOT_DAYS * DAY_MS), publicKey, isAuthority: true, names: [{ kind: 'uri', value: `spiffe://${trustDomain}` }] }, privateKey);
  return { certificatePem, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
