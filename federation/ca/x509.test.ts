import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import { Authority } from './authority.ts';
import { exampleIssuer } from './example-authority.ts';
import { makeRequest, openssl, requestBytes, requestPem } from './example-requests.ts';
import { makeRoot } from './own-root.ts';
import { makeCertificate, makeRequest as makeOwnRequest, parseRequest } from './x509.ts';

const now = Date.now();
const uri = 'spiffe://west.landbridge/ns/shop/sa/cart';

function identity(): SpiffeId {
  const parsed = parseSpiffeId(uri);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value.id;
}

const root = makeRoot('west.landbridge', now);
const authority = new Authority(exampleIssuer('west.landbridge', root), 'west.landbridge');
const issue = async (requestPem: string, seconds: number): Promise<string> => (await authority.issue(identity(), { publicKey: keyOf(requestPem), requestPem }, seconds, now, AbortSignal.timeout(60_000)))[0] ?? '';
const request = makeRequest();

function keyOf(pem: string): ReturnType<typeof createPublicKey> {
  const parsed = parseRequest(pem);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const errorOf = (pem: string): string => {
  const parsed = parseRequest(pem);
  return parsed.ok ? '' : parsed.error;
};

test('OpenSSL verifies a leaf against its root, for both sides of a connection', async (t) => {
  const leaf = await issue(request, 3600);
  for (const purpose of ['sslserver', 'sslclient']) t.regex(openssl(['verify', '-purpose', purpose, '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': root.certificatePem, 'leaf.pem': leaf }), /: OK/);
  const other = makeRoot('west.landbridge', now);
  t.throws(() => openssl(['verify', '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': other.certificatePem, 'leaf.pem': leaf }));
  t.throws(() => openssl(['verify', '-CAfile', '@leaf.pem', '@leaf.pem'], { 'leaf.pem': leaf }), undefined, 'a leaf is no authority');
});

test('a leaf names one SPIFFE ID, critically, and has the key of its request', async (t) => {
  const leaf = await issue(request, 3600);
  const text = openssl(['x509', '-noout', '-text', '-in', '@leaf.pem'], { 'leaf.pem': leaf });
  t.regex(text, new RegExp(`X509v3 Subject Alternative Name: critical\\s+URI:${uri}\\n`));
  t.regex(text, /X509v3 Basic Constraints: critical\s+CA:FALSE/);
  t.regex(text, /X509v3 Key Usage: critical\s+Digital Signature\n/);
  t.regex(text, /TLS Web Server Authentication, TLS Web Client Authentication/);
  t.regex(text, /Subject: *\n/);
  const certificate = new X509Certificate(leaf);
  t.is(certificate.subjectAltName, `URI:${uri}`);
  t.true(certificate.publicKey.equals(keyOf(request)));
  t.is(Date.parse(certificate.validTo), Math.floor((now + 3_600_000) / 1000) * 1000);
  t.true(Date.parse(certificate.validFrom) < now);
});

test('a root may sign certificates and nothing else', (t) => {
  const text = openssl(['x509', '-noout', '-text', '-in', '@root.pem'], { 'root.pem': root.certificatePem });
  t.regex(text, /X509v3 Basic Constraints: critical\s+CA:TRUE/);
  t.regex(text, /X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign/);
  t.is(new X509Certificate(root.certificatePem).subjectAltName, 'URI:spiffe://west.landbridge');
});

test('serial numbers are positive and different', async (t) => {
  const serials = (await Promise.all(Array.from({ length: 20 }, async () => await issue(request, 60)))).map((pem) => new X509Certificate(pem).serialNumber);
  t.is(new Set(serials).size, 20);
  t.true(serials.every((serial) => /^[0-9A-F]{32}$/.test(serial) && serial < '8'));
});

test('times of 2050 and later are written as such', (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = makeCertificate({ subject: 'x', issuer: 'self', notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('2050-01-01T00:00:00Z'), publicKey, isAuthority: false, names: [] }, privateKey);
  const { validFrom, validTo } = new X509Certificate(pem);
  t.deepEqual([Date.parse(validFrom), Date.parse(validTo)], [Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1)]);
});

test('requests with keys of every accepted kind are read, and OpenSSL accepts what is issued for them', async (t) => {
  const kinds = [['ec', 'ec_paramgen_curve:P-256'], ['ec', 'ec_paramgen_curve:P-384'], ['ed25519'], ['rsa:2048']] as const;
  for (const [algorithm, ...options] of kinds) {
    const leaf = await issue(makeRequest(algorithm, ...options), 3600);
    t.regex(openssl(['verify', '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': root.certificatePem, 'leaf.pem': leaf }), /: OK/);
  }
});

test('the key is the one of the request', (t) => {
  const expected = createPublicKey(openssl(['req', '-pubkey', '-noout', '-in', '@csr.pem'], { 'csr.pem': request }));
  t.true(keyOf(request).equals(expected));
  t.true(keyOf(request.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST')).equals(expected));
});

test('weak keys and curves that nobody needs are refused', (t) => {
  for (const [algorithm, ...options] of [['rsa:1024'], ['ec', 'ec_paramgen_curve:secp256k1'], ['ec', 'ec_paramgen_curve:secp521r1'], ['ed448']] as const) {
    t.regex(errorOf(makeRequest(algorithm, ...options)), /the key must be/, algorithm);
  }
});

test('a signature that is not by the request’s key is refused', (t) => {
  const bytes = requestBytes(request);
  const broken = Buffer.from(bytes);
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  t.regex(errorOf(requestPem(broken)), /signature/);
  // Another key with the signature of this one.
  const other = requestBytes(makeRequest());
  const spki = (csr: Buffer): number => csr.indexOf(Buffer.from('3059301306072a8648ce3d0201', 'hex'));
  const swapped = Buffer.from(bytes);
  other.copy(swapped, spki(swapped), spki(other), spki(other) + 91);
  t.regex(errorOf(requestPem(swapped)), /signature/);
});

test('what is no request is refused', (t) => {
  t.regex(errorOf(''), /not a PEM/);
  t.regex(errorOf('x'.repeat(20_000)), /too long/);
  t.regex(errorOf(root.certificatePem.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST')), /./);
  t.regex(errorOf(requestPem(Buffer.alloc(6000, Buffer.from('3080', 'hex')))), /not a certificate request/);
  t.regex(errorOf(requestPem(Buffer.concat([requestBytes(request), Buffer.from([0])]))), /not a certificate request/);
});

test('OpenSSL reads a request of our own, and finds its names and its signature in order', (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = makeOwnRequest(privateKey, [{ kind: 'dns', value: 'landbridge-federation' }, { kind: 'uri', value: uri }]);
  const text = openssl(['req', '-verify', '-noout', '-text', '-in', '@csr.pem'], { 'csr.pem': pem });
  t.regex(text, /DNS:landbridge-federation, URI:spiffe:\/\/west/);
  t.true(keyOf(pem).equals(createPublicKey(privateKey)));
});

test('a root tells its key apart from those of other roots, and what it signs says which one it was', async (t) => {
  const text = openssl(['x509', '-noout', '-text', '-in', '@root.pem'], { 'root.pem': root.certificatePem });
  const keyId = /X509v3 Subject Key Identifier: \n\s+([0-9A-F:]{59})\n/.exec(text)?.[1];
  t.truthy(keyId);
  t.regex(text, /CA:TRUE, pathlen:0/);
  const leaf = openssl(['x509', '-noout', '-text', '-in', '@leaf.pem'], { 'leaf.pem': await issue(request, 60) });
  t.regex(leaf, new RegExp(`X509v3 Authority Key Identifier: \\n\\s+${keyId}`));
  // Two roots of one name: without the identifiers OpenSSL takes the first and is wrong.
  const other = makeRoot('west.landbridge', now);
  t.regex(openssl(['verify', '-CAfile', '@roots.pem', '@leaf.pem'], { 'roots.pem': other.certificatePem + root.certificatePem, 'leaf.pem': await issue(request, 60) }), /: OK/);
});
