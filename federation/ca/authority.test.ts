import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import { Authority, makeRoot, MAX_LIFETIME_SECONDS, type RootMaterial } from './authority.ts';
import { openssl } from './example-requests.ts';

const now = Date.now();
const root = makeRoot('west.landbridge', now);
const authority = new Authority(root, 'west.landbridge');
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function identity(): SpiffeId {
  const parsed = parseSpiffeId('spiffe://west.landbridge/ns/shop/sa/cart');
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value.id;
}

const bad = (material: RootMaterial, trustDomain = 'west.landbridge'): (() => Authority) => () => new Authority(material, trustDomain);

test('a root of another trust domain is refused', (t) => {
  t.like(t.throws(bad(root, 'east.landbridge')), { code: 'bad-ca' });
});

test('a key that is not the certificate’s is refused', (t) => {
  t.like(t.throws(bad({ certificatePem: root.certificatePem, keyPem: makeRoot('west.landbridge', now).keyPem })), { code: 'bad-ca' });
});

test('what is no certificate or key is refused without being repeated', (t) => {
  for (const material of [{ certificatePem: '', keyPem: '' }, { ...root, keyPem: 'secret stuff' }, { ...root, certificatePem: 'x' }]) {
    const error = t.throws(bad(material));
    t.like(error, { code: 'bad-ca' });
    t.notRegex(error?.message ?? '', /secret stuff/);
  }
});

test('a leaf is no root', (t) => {
  const { certificatePem, keyPem } = authority.issueServer(['x'], now);
  t.like(t.throws(bad({ certificatePem, keyPem })), { code: 'bad-ca' });
});

test('a root with an RSA key is refused, as certificates say that they are signed by ECDSA', (t) => {
  const both = openssl(['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '-', '-subj', '/CN=x', '-addext', 'subjectAltName=URI:spiffe://west.landbridge']);
  const [keyPem = '', certificatePem = ''] = [/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/, /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/].map((pattern) => pattern.exec(both)?.[0]);
  t.true(new X509Certificate(certificatePem).ca);
  t.like(t.throws(bad({ certificatePem, keyPem })), { code: 'bad-ca' });
});

test('a lifetime is what was asked for, within a minute and a day, and not beyond the root', (t) => {
  const seconds = (asked: number, at = now): number => Math.round((Date.parse(new X509Certificate(authority.issue(identity(), publicKey, asked, at)).validTo) - at) / 1000);
  t.true(Math.abs(seconds(3600) - 3600) <= 1);
  for (const short of [0, -5, 59]) t.true(Math.abs(seconds(short) - 60) <= 1);
  t.true(Math.abs(seconds(1e12) - MAX_LIFETIME_SECONDS) <= 1);
  const end = Date.parse(new X509Certificate(root.certificatePem).validTo);
  t.is(seconds(3600, end - 600_000), 600);
});

test('the server’s certificate is for its names only', (t) => {
  const { certificatePem, keyPem } = authority.issueServer(['landbridge-federation', 'landbridge-federation.landbridge-system.svc'], now);
  const certificate = new X509Certificate(certificatePem);
  t.is(certificate.checkHost('landbridge-federation.landbridge-system.svc'), 'landbridge-federation.landbridge-system.svc');
  t.is(certificate.checkHost('elsewhere'), undefined);
  t.true(certificate.verify(new X509Certificate(root.certificatePem).publicKey));
  t.regex(openssl(['pkey', '-pubout', '-in', '@key.pem'], { 'key.pem': keyPem }), /PUBLIC KEY/);
  t.regex(openssl(['verify', '-purpose', 'sslserver', '-verify_hostname', 'landbridge-federation', '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': root.certificatePem, 'leaf.pem': certificatePem }), /: OK/);
});

test('a trust domain may be long', (t) => {
  const trustDomain = `${'a'.repeat(250)}.io`;
  t.notThrows(bad(makeRoot(trustDomain, now), trustDomain));
});
