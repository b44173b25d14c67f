/** Parsers of certificates, keys and requests, which administrators, other authorities and agents give. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { parseAuthorityCertificate } from '@landbridge/federation/ca/authority-certificate.ts';
import { readLayout } from '@landbridge/federation/ca/ca-layout.ts';
import { readOwnIssuer } from '@landbridge/federation/ca/ca-source.ts';
import { pluggedAuthority } from '@landbridge/federation/ca/example-plugged.ts';
import { requestBytes } from '@landbridge/federation/ca/example-requests.ts';
import { readIssuer } from '@landbridge/federation/ca/issuer-material.ts';
import { makeRoot } from '@landbridge/federation/ca/own-root.ts';
import { encodeOwnRoots } from '@landbridge/federation/ca/own-roots.ts';
import { parsePemCertificates } from '@landbridge/federation/ca/pem-certificates.ts';
import { readIssuedChain } from '@landbridge/federation/ca/csr/issued-chain.ts';
import { parseRequestObject } from '@landbridge/federation/ca/csr/request-object.ts';
import { readRequestedNames } from '@landbridge/federation/ca/csr/requested-names.ts';
import { makeCertificate, makeRequest, parseRequest } from '@landbridge/federation/ca/x509.ts';
import { expect, type FuzzTarget, hex, joinParts, splitParts, utf8, utf8Text, jsonOf } from './fuzz-target.ts';

const MAX_REASON = 700;
const TRUST_DOMAIN = 'west.landbridge';
/** A minute on, as certificates begin when they are made. */
const demand = { trustDomain: TRUST_DOMAIN, dnsNames: ['landbridge-federation'], nowMs: Date.now() + 60_000 };
const extensions = { basicConstraints: 'critical,CA:TRUE,pathlen:2', nameConstraints: 'critical,permitted;URI:.landbridge,permitted;DNS:landbridge-federation,excluded;DNS:x.example', subjectAltName: `URI:spiffe://${TRUST_DOMAIN}`, extendedKeyUsage: 'serverAuth,clientAuth' };
const root = pluggedAuthority('root', undefined, { extensions });
const middle = pluggedAuthority('middle', root);
const issuing = pluggedAuthority('issuing', middle, { extensions: { ...extensions, basicConstraints: 'critical,CA:TRUE,pathlen:0' } });
const own = makeRoot(TRUST_DOMAIN, Date.now());
const DER_PIECES = ['30', '3080', '3081', '3082ffff', '0603551d13', '0603551d0f', '0603551d1e', '0603551d11', '0603551d25', '0101ff', '020100', '020180', '0500', 'a0', 'a3', '8600', '8200', '04820000', '03020106', '0303000000'].map(hex);
const PEM_PIECES = ['-----BEGIN CERTIFICATE-----\n', '\n-----END CERTIFICATE-----\n', '-----BEGIN PRIVATE KEY-----\n', '-----END PRIVATE KEY-----', '-----BEGIN', '=', '\n\n', '\0', 'AAAA'].map(utf8);
const WORKLOAD = { kind: 'uri', value: `spiffe://${TRUST_DOMAIN}/ns/a/sa/b` } as const;
const requestKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const KEY_TEXT = /[A-Za-z0-9+/]{48}/;

const reasonable = (reason: string): void => {
  expect(reason.length > 0 && reason.length <= MAX_REASON, 'reason is empty or too long');
  expect(!KEY_TEXT.test(reason), 'reason repeats what may be a key');
};

const authorityCertificate: FuzzTarget = {
  name: 'authority-certificate',
  examples: [root, middle, issuing].map(({ pem }) => Uint8Array.from(new X509Certificate(pem).raw)),
  dictionary: DER_PIECES,
  check: (input) => {
    const parsed = parseAuthorityCertificate(input);
    if (!parsed.ok) return void expect(parsed.error.length > 0 && parsed.error.length <= MAX_REASON, 'reason is empty or too long');
    expect(parsed.value.x509.ca, 'an authority that OpenSSL takes for none');
    expect(parsed.value.x509.raw.includes(parsed.value.subjectDer), 'a name that is not in it');
  },
};

/** Certificate, key, chain and roots. */
const authorityMaterial: FuzzTarget = {
  name: 'authority-material',
  examples: [[issuing.pem, issuing.keyPem, middle.pem, root.pem], [root.pem, root.keyPem, '', ''], [issuing.pem + middle.pem, issuing.keyPem, '', root.pem + own.certificatePem]].map((parts) => joinParts(parts.map(utf8))),
  dictionary: [...PEM_PIECES, ...DER_PIECES],
  check: (input) => {
    const [certificate = '', key = '', chain = '', roots = ''] = splitParts(input).map(utf8Text);
    const issuer = readIssuer({ certificate, key, chain, roots }, demand);
    if (!issuer.ok) return reasonable(issuer.error);
    expect(issuer.value.roots.length > 0 && issuer.value.notAfterMs > demand.nowMs, 'an issuer without roots or time');
  },
};

const SECRET_KEYS = ['tls.crt', 'tls.key', 'rotation.json', 'next.crt', 'next.key', 'previous.crt', 'ca-cert.pem', 'ca-key.pem'];
const state = (values: Readonly<Record<string, string>>): Uint8Array => joinParts(SECRET_KEYS.map((key) => utf8(values[key] ?? '')));

/** The values of a Secret, in any phase of a change of the root. */
const authoritySecret: FuzzTarget = {
  name: 'authority-secret',
  examples: [
    state(encodeOwnRoots({ current: own, rotation: { kind: 'none' } })),
    state(encodeOwnRoots({ current: own, rotation: { kind: 'distributing', sinceMs: 1, next: makeRoot(TRUST_DOMAIN, Date.now()) } })),
    state(encodeOwnRoots({ current: own, rotation: { kind: 'retiring', sinceMs: 1, previousPem: makeRoot(TRUST_DOMAIN, Date.now()).certificatePem } })),
  ],
  dictionary: [...PEM_PIECES, ...['{"phase":"retiring","since":1}', '{"phase":"distributing","since":0}', '"since":', '-1', '1e99', 'null'].map(utf8)],
  check: (input) => {
    const parts = splitParts(input).map(utf8Text);
    const values = Object.fromEntries(SECRET_KEYS.flatMap((key, i) => (parts[i] ? [[key, parts[i] as string]] : [])));
    const layout = readLayout(values);
    if (!layout.ok) reasonable(layout.error);
    const issuer = readOwnIssuer(values, demand);
    if (!issuer.ok) return reasonable(issuer.error);
    expect(issuer.value.roots.length === ('rotation.json' in values ? 2 : 1) || 'rotation.json' in values, 'a root from nowhere');
  },
};

const certificateFile: FuzzTarget = {
  name: 'certificate-file',
  examples: [utf8(root.pem + middle.pem), utf8(`# a comment\n${issuing.pem.trim()} and ${issuing.pem}`)],
  dictionary: PEM_PIECES,
  check: (input) => {
    const text = utf8Text(input);
    const parsed = parsePemCertificates(text);
    if (!parsed.ok) return reasonable(parsed.error);
    const again = parsePemCertificates(parsed.value.map(String).join('\n'));
    expect(again.ok && again.value.length === parsed.value.length, 'certificates do not survive');
  },
};

const certificateRequest: FuzzTarget = {
  name: 'certificate-request',
  examples: [makeRequest(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, [{ kind: 'uri', value: `spiffe://${TRUST_DOMAIN}/ns/a/sa/b` }]), makeRequest(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, [])].map(utf8),
  dictionary: [...['-----BEGIN CERTIFICATE REQUEST-----', '-----END NEW CERTIFICATE REQUEST-----', 'MIIB', '='].map(utf8), ...DER_PIECES],
  check: (input) => {
    const parsed = parseRequest(utf8Text(input));
    if (!parsed.ok) return void expect(parsed.error.length <= MAX_REASON, 'reason is too long');
    expect(parsed.value.type === 'public', 'no public key');
  },
};

/** What a request asks for, before it goes to a signer elsewhere. */
const requestedNames: FuzzTarget = {
  name: 'requested-names',
  examples: [[WORKLOAD], [WORKLOAD, { kind: 'dns', value: 'a' } as const]].map((names) => Uint8Array.from(requestBytes(makeRequest(requestKey, names)))),
  dictionary: [...DER_PIECES, ...['3000', '310b3009', '06092a864886f70d01090e', 'a000', '020100'].map(hex)],
  check: (input) => {
    const names = readRequestedNames(Buffer.from(input));
    if (!names.ok) return void expect(names.error.length > 0 && names.error.length <= MAX_REASON, 'reason is empty or too long');
    expect(names.value.length > 0, 'a request for nobody');
  },
};

const roots = [root].map(({ pem }) => parseAuthorityCertificate(new X509Certificate(pem).raw)).flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
const issuer = parseAuthorityCertificate(new X509Certificate(issuing.pem).raw);
const leaf = issuer.ok ? makeCertificate({ subject: '', issuer: issuer.value, notBefore: new Date(), notAfter: new Date(demand.nowMs + 3_600_000), publicKey: createPublicKey(requestKey), isAuthority: false, names: [WORKLOAD] }, createPrivateKey(issuing.keyPem)) : '';

/** What a signer elsewhere wrote, and the object in which it stands. */
const issuedChain: FuzzTarget = {
  name: 'issued-chain',
  examples: [leaf + issuing.pem + middle.pem, leaf + middle.pem + root.pem + issuing.pem, leaf].map(utf8),
  dictionary: PEM_PIECES,
  check: (input) => {
    const chain = readIssuedChain(utf8Text(input), roots, demand);
    if (!chain.ok) return reasonable(chain.error);
    expect(chain.value.intermediates.every(({ ca }) => ca) && chain.value.authoritiesEndMs > demand.nowMs, 'a chain of others than authorities, or one that has ended');
  },
};

const signingObject: FuzzTarget = {
  name: 'signing-object',
  examples: [{ metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z', labels: { 'landbridge.dev/pod': 'p', 'landbridge.dev/run': 'r' } }, status: { certificate: Buffer.from(leaf).toString('base64'), conditions: [{ type: 'Approved', status: 'True', reason: 'x' }] } }, { metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' }, status: { conditions: [{ type: 'Denied', status: 'True', message: 'no' }] } }].map((value) => utf8(JSON.stringify(value))),
  dictionary: ['null', '{}', '[]', '"__proto__":', '"Denied"', '"Failed"', '"True"', '1e999'].map(utf8),
  check: (input) => {
    const value = jsonOf(input);
    if (value === undefined) return;
    const parsed = parseRequestObject(value);
    if (!parsed.ok) return reasonable(parsed.error);
    expect(parsed.value.name !== '' && Number.isFinite(parsed.value.createdMs), 'an object without a name or a time');
  },
};

export const CERTIFICATE_TARGETS: readonly FuzzTarget[] = [authorityCertificate, authorityMaterial, authoritySecret, certificateFile, certificateRequest, requestedNames, issuedChain, signingObject];
