import { X509Certificate } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { childrenOf, contextTag, DER_TAG, type DerElement, partsOf, readDer } from './der.ts';

/** Names that an authority may vouch for, and those that it may not (RFC 5280, section 4.2.1.10), of the kinds that workloads have. */
export interface NameConstraints {
  readonly permitted: readonly ConstrainedName[];
  readonly excluded: readonly ConstrainedName[];
}

export interface ConstrainedName {
  readonly kind: 'dns' | 'uri';
  /** A host, or with a leading dot whatever is below it; empty for all. */
  readonly host: string;
}

/** The certificate of an authority, with what Node.js does not tell of it. Made by {@link parseAuthorityCertificate} only. */
export interface AuthorityCertificate {
  readonly x509: X509Certificate;
  /** The name as it stands there: certificates of this authority repeat it to the byte (RFC 5280, section 7.1). */
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  /** subjectKeyIdentifier, which tells two authorities of one name apart. */
  readonly keyId: Buffer | undefined;
  /** Authorities that may stand below this one; undefined for any number. */
  readonly pathLength: number | undefined;
  readonly constraints: NameConstraints;
  /** `spiffe://…` names of the authority itself. */
  readonly spiffeIds: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Of the certificate's DER; a member record has no room for more. */
export const MAX_CERTIFICATE_BYTES = 6 * 1024;

const EXTENSION = { keyId: '551d0e', keyUsage: '551d0f', names: '551d11', basic: '551d13', constraints: '551d1e', policies: '551d20', extendedUsage: '551d25' } as const;
/** Critical ones that are read here, or that OpenSSL reads and nothing here depends on. */
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(EXTENSION));
/** serverAuth, clientAuth, anyExtendedKeyUsage. */
const USAGE = { server: '2b06010505070301', client: '2b06010505070302', any: '551d2500' } as const;
const KEY_CERT_SIGN = 0x04;
const NAME_TAG = { dns: 0x82, uri: 0x86 } as const;
const MAX_NAMES = 64;

/** Reads a certificate that is to sign others; says why it may not, where it may not. */
export function parseAuthorityCertificate(der: Uint8Array): Result<AuthorityCertificate> {
  if (der.length > MAX_CERTIFICATE_BYTES) return err(`a certificate of more than ${MAX_CERTIFICATE_BYTES} bytes`);
  try {
    // OpenSSL reads it first: what follows only looks again at what is a certificate.
    const x509 = new X509Certificate(der);
    return read(x509);
  } catch (thrown) {
    return err(`not a certificate of an authority: ${String(thrown).slice(0, 200)}`);
  }
}

function read(x509: X509Certificate): Result<AuthorityCertificate> {
  const [toBeSigned] = partsOf(readDer(x509.raw));
  const parts = partsOf(toBeSigned);
  const hasVersion = parts[0]?.tag === contextTag(0);
  const [, , issuer, , subject] = hasVersion ? parts.slice(1) : parts;
  if (issuer === undefined || subject === undefined) return err('a certificate without names');
  const extensions = extensionsOf(parts.find(({ tag }) => tag === contextTag(3)));
  if (!extensions.ok) return extensions;
  const basic = extensions.value.get(EXTENSION.basic);
  const [isAuthority, pathLength] = basic === undefined ? [] : partsOf(basic);
  if (isAuthority?.tag !== DER_TAG.boolean || isAuthority.content[0] !== 0xff) return err(`${nameOf(x509)} is not an authority (basicConstraints)`);
  const usage = extensions.value.get(EXTENSION.keyUsage);
  if (usage !== undefined && (usage.tag !== DER_TAG.bitString || ((usage.content[1] ?? 0) & KEY_CERT_SIGN) === 0)) return err(`${nameOf(x509)} may not sign certificates (keyUsage)`);
  const extended = extensions.value.get(EXTENSION.extendedUsage);
  const usages = extended === undefined ? undefined : partsOf(extended).map(({ content }) => content.toString('hex'));
  if (usages !== undefined && !usages.includes(USAGE.any) && !(usages.includes(USAGE.server) && usages.includes(USAGE.client))) return err(`${nameOf(x509)} may not sign for both sides of a connection (extendedKeyUsage)`);
  // OpenSSL at agents takes none whose other extensions can not be read, which nothing here depends on.
  if (!x509.ca) return err(`${nameOf(x509)} is broken, or not an authority to OpenSSL`);
  const keyId = extensions.value.get(EXTENSION.keyId);
  const names = extensions.value.get(EXTENSION.names);
  const constraints = constraintsOf(extensions.value.get(EXTENSION.constraints));
  if (!constraints.ok) return err(`${nameOf(x509)}: ${constraints.error}`);
  return ok({
    x509,
    subjectDer: subject.bytes,
    issuerDer: issuer.bytes,
    keyId: keyId?.tag === DER_TAG.octetString ? keyId.content : undefined,
    pathLength: pathLength === undefined ? undefined : smallInteger(pathLength),
    constraints: constraints.value,
    spiffeIds: names === undefined ? [] : partsOf(names).filter(({ tag }) => tag === NAME_TAG.uri).map(({ content }) => content.toString('latin1')).filter((uri) => uri.startsWith('spiffe://')),
    notBeforeMs: Date.parse(x509.validFrom),
    notAfterMs: Date.parse(x509.validTo),
  });
}

/** Values by the hexadecimal of their OID. A critical one that nobody here understands makes the certificate useless to all peers. */
function extensionsOf(element: DerElement | undefined): Result<ReadonlyMap<string, DerElement>> {
  const found = new Map<string, DerElement>();
  if (element === undefined) return ok(found);
  for (const extension of partsOf(childrenOf(element)[0])) {
    const [id, ...rest] = partsOf(extension);
    const value = rest.at(-1);
    if (id?.tag !== DER_TAG.oid || value?.tag !== DER_TAG.octetString) return err('an extension without a value');
    const key = id.content.toString('hex');
    if (rest.length > 1 && !UNDERSTOOD.has(key)) return err(`a critical extension that is not understood (${key})`);
    if (found.has(key)) return err(`an extension that is there twice (${key})`);
    if (UNDERSTOOD.has(key)) found.set(key, readDer(value.content));
  }
  return ok(found);
}

function constraintsOf(element: DerElement | undefined): Result<NameConstraints> {
  const lists: Record<'permitted' | 'excluded', ConstrainedName[]> = { permitted: [], excluded: [] };
  for (const list of element === undefined ? [] : partsOf(element)) {
    const kept = list.tag === contextTag(0) ? lists.permitted : lists.excluded;
    for (const subtree of childrenOf(list)) {
      const [base] = partsOf(subtree);
      if (kept.length === MAX_NAMES) return err('too many name constraints');
      if (base?.tag === NAME_TAG.uri || base?.tag === NAME_TAG.dns) kept.push({ kind: base.tag === NAME_TAG.uri ? 'uri' : 'dns', host: base.content.toString('latin1').toLowerCase() });
    }
  }
  return ok(lists);
}

/** Whether an authority may vouch for a host: of a DNS name, or of a URI. */
export function mayVouchFor({ permitted, excluded }: NameConstraints, kind: ConstrainedName['kind'], host: string): boolean {
  const ofKind = permitted.filter((name) => name.kind === kind);
  return (ofKind.length === 0 || ofKind.some((name) => covers(name, host))) && !excluded.some((name) => name.kind === kind && covers(name, host));
}

/** A DNS constraint covers what is below it too, one for URIs only where it begins with a dot. */
function covers({ kind, host }: ConstrainedName, name: string): boolean {
  if (host === '') return true;
  if (host.startsWith('.')) return name.endsWith(host);
  return name === host || (kind === 'dns' && name.endsWith(`.${host}`));
}

function smallInteger({ tag, content }: DerElement): number {
  if (tag !== DER_TAG.integer || content.length !== 1 || (content[0] ?? 0x80) >= 0x80) throw new RangeError('a path length that makes no sense');
  return content[0] as number;
}

/** For messages: whose certificate. */
export function nameOf({ subject, serialNumber }: X509Certificate): string {
  return `the certificate of ${JSON.stringify((subject ?? '').replaceAll('\n', ', ').slice(0, 120))} (serial ${serialNumber.slice(0, 12)})`;
}
