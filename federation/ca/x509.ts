import { createHash, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import forge from 'node-forge';

/** X.509 (RFC 5280): node-forge writes and reads the DER, node:crypto signs, since node-forge has no ECDSA. */
const { asn1 } = forge;
type Asn1 = forge.asn1.Asn1;
const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  ecdsaWithSha384: '1.2.840.10045.4.3.3',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  extensionRequest: '1.2.840.113549.1.9.14',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** GeneralName tags (RFC 5280, section 4.2.1.6). */
const NAME_TAG = { dns: 2, uri: 6 } as const;
const MAX_REQUEST_LENGTH = 16 * 1024;

export interface SubjectName {
  readonly kind: keyof typeof NAME_TAG;
  readonly value: string;
}

/** Who signs, as certificates name it: its subject to the byte, and the identifier of its key where it has one. */
export interface IssuerName {
  readonly subjectDer: Buffer;
  readonly keyId: Buffer | undefined;
}

export interface CertificateContent {
  /** Common name; empty for a subject that names nobody. */
  readonly subject: string;
  /** `self`: the subject, with its own key. */
  readonly issuer: IssuerName | 'self';
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: KeyObject;
  /** An authority, below which no other may stand. */
  readonly isAuthority: boolean;
  readonly names: readonly SubjectName[];
}

/** Makes a certificate in PEM. The issuer's key is one that {@link isSigningKey} takes. */
export function makeCertificate(content: CertificateContent, issuerKey: KeyObject): string {
  const algorithm = algorithmOf(issuerKey);
  const toBeSigned = sequence(
    explicit(0, integer('\u0002')),
    // A positive number of 128 random bits (section 4.1.2.2).
    integer(`\u0001${randomBytes(15).toString('latin1')}`),
    algorithm.identifier,
    content.issuer === 'self' ? name(content.subject) : fromDer(content.issuer.subjectDer),
    sequence(time(content.notBefore), time(content.notAfter)),
    name(content.subject),
    fromDer(content.publicKey.export({ type: 'spki', format: 'der' })),
    explicit(3, sequence(...extensions(content))),
  );
  return pem('CERTIFICATE', signed(toBeSigned, algorithm, issuerKey));
}

/** Makes a PKCS#10 request (RFC 2986) in PEM for names, by a key that is to have the certificate. */
export function makeRequest(privateKey: KeyObject, names: readonly SubjectName[]): string {
  const request = sequence(oid(OID.extensionRequest), asn1.create(UNIVERSAL, asn1.Type.SET, true, [sequence(extension(OID.subjectAltName, true, generalNames(names)))]));
  const info = sequence(integer('\u0000'), name(''), fromDer(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })), explicit(0, request));
  return pem('CERTIFICATE REQUEST', signed(info, algorithmOf(privateKey), privateKey));
}

/** Whether an authority may have the key: one that OpenSSL's and ztunnel's peers verify. */
export function isSigningKey(key: KeyObject): boolean {
  return key.asymmetricKeyType !== 'ed25519' && isStrong(key);
}

/** Of a public key, for telling authorities of one name apart (RFC 7093, section 2, method 4). */
export function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest().subarray(0, 20);
}

interface SignatureAlgorithm {
  readonly identifier: Asn1;
  readonly hash: 'sha256' | 'sha384';
}

/** RFC 5758, section 3.2 and RFC 4055, section 5; a P-384 key signs a hash of its own strength. */
function algorithmOf(key: KeyObject): SignatureAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return { identifier: sequence(oid(OID.sha256WithRsa), asn1.create(UNIVERSAL, asn1.Type.NULL, false, '')), hash: 'sha256' };
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? { identifier: sequence(oid(OID.ecdsaWithSha384)), hash: 'sha384' } : { identifier: sequence(oid(OID.ecdsaWithSha256)), hash: 'sha256' };
}

function signed(content: Asn1, { identifier, hash }: SignatureAlgorithm, key: KeyObject): Buffer {
  return der(sequence(content, identifier, bits(`\u0000${sign(hash, der(content), key).toString('latin1')}`)));
}

/** The DER of the first request that a PEM text has. */
export function requestDer(text: string): Result<Buffer> {
  if (text.length > MAX_REQUEST_LENGTH) return err('the certificate request is too long');
  const match = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----/.exec(text);
  return match?.[1] === undefined ? err('not a PEM certificate request') : ok(Buffer.from(match[1], 'base64'));
}

/** As RFC 7468 writes a request, with nothing around it. */
export const requestPemOf = (bytes: Buffer): string => pem('CERTIFICATE REQUEST', bytes);

/**
 * The public key of a PKCS#10 request (RFC 2986) whose signature proves that the sender has the private key.
 * Everything else that the request asks for is ignored: names come from who is asking.
 */
export function parseRequest(text: string): Result<KeyObject> {
  const bytes = requestDer(text);
  if (!bytes.ok) return bytes;
  try {
    // The signature's bits must stay as they are: they may look like DER themselves.
    const request = asn1.fromDer(bytes.value.toString('latin1'), { strict: true, parseAllBytes: true, decodeBitStrings: false } as never);
    const [info, , signature] = request.value as Asn1[];
    const key = (info?.value as Asn1[] | undefined)?.[2];
    if (info === undefined || key === undefined || typeof signature?.value !== 'string') return err('not a PKCS#10 request');
    const publicKey = createPublicKey({ key: der(key), type: 'spki', format: 'der' });
    if (!isStrong(publicKey)) return err('the key must be P-256, P-384, Ed25519 or RSA of at least 2048 bits');
    const hash = publicKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
    if (!verify(hash, der(info), publicKey, Buffer.from(signature.value.slice(1), 'latin1'))) return err('the signature of the request is not by its key');
    return ok(publicKey);
  } catch (thrown) {
    return err(`not a certificate request: ${String(thrown).slice(0, 200)}`);
  }
}

function isStrong(key: KeyObject): boolean {
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048;
  return asymmetricKeyType === 'ed25519' || (asymmetricKeyType === 'ec' && ['prime256v1', 'secp384r1'].includes(asymmetricKeyDetails?.namedCurve ?? ''));
}

function extensions({ isAuthority, names, issuer, publicKey }: CertificateContent): Asn1[] {
  const issuerKeyId = issuer === 'self' ? undefined : issuer.keyId;
  // keyUsage: keyCertSign and cRLSign, or digitalSignature (section 4.2.1.3).
  const usage = isAuthority ? '\u0001\u0006' : '\u0007\u0080';
  return [
    extension(OID.basicConstraints, true, isAuthority ? sequence(boolean(), integer('\u0000')) : sequence()),
    extension(OID.keyUsage, true, bits(usage)),
    ...(isAuthority ? [] : [extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth)))]),
    // By these a peer finds the right one of two roots that have the same name (sections 4.2.1.1 and 4.2.1.2).
    ...(isAuthority ? [extension(OID.subjectKeyIdentifier, false, asn1.create(UNIVERSAL, asn1.Type.OCTETSTRING, false, keyIdOf(publicKey).toString('latin1')))] : []),
    ...(issuerKeyId === undefined ? [] : [extension(OID.authorityKeyIdentifier, false, sequence(asn1.create(CONTEXT_SPECIFIC, 0, false, issuerKeyId.toString('latin1'))))]),
    // Critical, as the subject names nobody (SPIFFE X.509-SVID, section 4.1).
    ...(names.length === 0 ? [] : [extension(OID.subjectAltName, !isAuthority, generalNames(names))]),
  ];
}

const generalNames = (names: readonly SubjectName[]): Asn1 => sequence(...names.map(({ kind, value }) => asn1.create(CONTEXT_SPECIFIC, NAME_TAG[kind], false, value)));

function extension(id: string, critical: boolean, value: Asn1): Asn1 {
  return sequence(oid(id), ...(critical ? [boolean()] : []), asn1.create(UNIVERSAL, asn1.Type.OCTETSTRING, false, asn1.toDer(value).getBytes()));
}

function name(commonName: string): Asn1 {
  if (commonName === '') return sequence();
  return sequence(asn1.create(UNIVERSAL, asn1.Type.SET, true, [sequence(oid(OID.commonName), asn1.create(UNIVERSAL, asn1.Type.UTF8, false, forge.util.encodeUtf8(commonName)))]));
}

/** UTCTime until 2049, GeneralizedTime from 2050 (section 4.1.2.5). */
function time(at: Date): Asn1 {
  const digits = `${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return at.getUTCFullYear() < 2050 ? asn1.create(UNIVERSAL, asn1.Type.UTCTIME, false, digits.slice(2)) : asn1.create(UNIVERSAL, asn1.Type.GENERALIZEDTIME, false, digits);
}

/** Strings of bits stay as they are: they may look like DER themselves. */
const fromDer = (bytes: Buffer): Asn1 => asn1.fromDer(bytes.toString('latin1'), { decodeBitStrings: false } as never);
const der = (value: Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
const sequence = (...parts: Asn1[]): Asn1 => asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
const explicit = (tag: number, value: Asn1): Asn1 => asn1.create(CONTEXT_SPECIFIC, tag, true, [value]);
const integer = (bytes: string): Asn1 => asn1.create(UNIVERSAL, asn1.Type.INTEGER, false, bytes);
const bits = (bytes: string): Asn1 => asn1.create(UNIVERSAL, asn1.Type.BITSTRING, false, bytes);
const boolean = (): Asn1 => asn1.create(UNIVERSAL, asn1.Type.BOOLEAN, false, '\u00ff');
const oid = (text: string): Asn1 => asn1.create(UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(text).getBytes());

function pem(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`;
}
