import { createPrivateKey, type KeyObject } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { type AuthorityCertificate, nameOf, parseAuthorityCertificate } from './authority-certificate.ts';
import type { Issuer } from './authority.ts';
import type { CaFiles } from './ca-layout.ts';
import { type ChainDemand, findChain, isSelfSigned } from './issuing-chain.ts';
import { parsePemCertificates, pemOf } from './pem-certificates.ts';
import { KeySigner } from './signer.ts';
import { isSigningKey } from './x509.ts';

/** As many as a member record may hold (federation/records/members.ts). */
export const MAX_ROOTS = 8;
const MAX_KEY_LENGTH = 32 * 1024;

/** Reads and verifies everything that certificates depend on later. The reason never repeats what stood in the place of a key. */
export function readIssuer(files: CaFiles, demand: ChainDemand): Result<Issuer> {
  const key = readKey(files.key);
  if (!key.ok) return key;
  const own = readAuthorities('the certificate', files.certificate);
  if (!own.ok) return own;
  const [issuing, ...others] = own.value;
  if (issuing === undefined) return err('there is no certificate');
  if (!issuing.x509.checkPrivateKey(key.value)) return err(`the key is not that of ${nameOf(issuing.x509)}`);
  const chain = readAuthorities('the chain', files.chain);
  if (!chain.ok) return chain;
  const roots = readRoots(files.roots, issuing, demand.nowMs);
  if (!roots.ok) return roots;
  const found = findChain(issuing, [...others, ...chain.value], roots.value, demand);
  if (!found.ok) return found;
  const { intermediates, root, notAfterMs } = found.value;
  return ok({
    id: [issuing, ...intermediates].map(({ x509 }) => x509.fingerprint256).join(' '),
    signer: new KeySigner(key.value, { subjectDer: issuing.subjectDer, keyId: issuing.keyId }, intermediates.map(({ x509 }) => pemOf(x509))),
    roots: [root, ...roots.value.filter((other) => other !== root)].map(({ x509 }) => x509),
    anchors: [root.x509],
    subject: issuing.x509.subject.replaceAll('\n', ', '),
    notAfterMs,
  });
}

function readKey(pem: string): Result<KeyObject> {
  if (pem.length > MAX_KEY_LENGTH) return err('the key is too long');
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // What OpenSSL says of it may be half of the key.
    return err('the key can not be read: PEM without a password is needed');
  }
  return isSigningKey(key) ? ok(key) : err(`the key is ${key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType}: P-256, P-384 or RSA of at least 2048 bits is needed`);
}

/** The certificates of a file, each of which has to be an authority's. `what` begins each reason. */
export function readAuthorities(what: string, pem: string): Result<readonly AuthorityCertificate[]> {
  const certificates = parsePemCertificates(pem);
  if (!certificates.ok) return err(`${what}: ${certificates.error}`);
  // Text around certificates is explanation; a file of nothing else is not what somebody meant to put there.
  if (certificates.value.length === 0 && pem.trim() !== '') return err(`${what}: there is no certificate in it`);
  const found: AuthorityCertificate[] = [];
  for (const { raw } of certificates.value) {
    const authority = parseAuthorityCertificate(raw);
    if (!authority.ok) return err(`${what}: ${authority.error}`);
    found.push(authority.value);
  }
  return ok(found);
}

/** All that may vouch, without those that have ended; where there is no file, the issuing certificate itself, if there is one. */
export function readRoots(pem: string, issuing: AuthorityCertificate | undefined, nowMs: number): Result<readonly AuthorityCertificate[]> {
  const isOwn = pem === '' && issuing !== undefined;
  const read = isOwn ? ok([issuing]) : readAuthorities('the roots', pem);
  if (!read.ok) return read;
  if (read.value.length > MAX_ROOTS) return err(`more than ${MAX_ROOTS} roots`);
  const other = read.value.find((root) => !isSelfSigned(root));
  if (other !== undefined) return err(`${nameOf(other.x509)} is no root, as it did not sign itself${isOwn ? '; the root is missing' : ''}`);
  const live = read.value.filter(({ notAfterMs }) => nowMs < notAfterMs);
  return live.length === 0 ? err('there is no root that is still valid') : ok(live);
}
