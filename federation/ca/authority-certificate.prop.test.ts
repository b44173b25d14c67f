import { X509Certificate } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { parseAuthorityCertificate } from './authority-certificate.ts';
import { readDer } from './der.ts';
import { pluggedAuthority } from './example-plugged.ts';
import { MAX_CERTIFICATES, parsePemCertificates, pemOf } from './pem-certificates.ts';

const certificate = new X509Certificate(pluggedAuthority('x', undefined, { extensions: { basicConstraints: 'critical,CA:TRUE,pathlen:3', nameConstraints: 'critical,permitted;URI:.landbridge,excluded;DNS:x.example', subjectAltName: 'URI:spiffe://west.landbridge' } }).pem);

test('what stands in a certificate is read as it is', (t) => {
  const parsed = parseAuthorityCertificate(certificate.raw);
  t.true(parsed.ok);
  if (!parsed.ok) return;
  const { pathLength, constraints, spiffeIds, keyId, subjectDer } = parsed.value;
  t.is(pathLength, 3);
  t.deepEqual(constraints, { permitted: [{ kind: 'uri', host: '.landbridge' }], excluded: [{ kind: 'dns', host: 'x.example' }] });
  t.deepEqual(spiffeIds, ['spiffe://west.landbridge']);
  t.is(keyId?.length, 20);
  t.true(certificate.raw.includes(subjectDer));
});

test('any bytes give an answer, and no random ones an authority', (t) => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
    t.false(parseAuthorityCertificate(bytes).ok);
  }), { numRuns: 500 });
});

test('a certificate that was changed, cut or lengthened is an authority only where OpenSSL takes it for one', (t) => {
  const change = fc.record({ at: fc.nat({ max: certificate.raw.length - 1 }), remove: fc.nat({ max: 3 }), insert: fc.uint8Array({ maxLength: 3 }) });
  fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), (changes) => {
    let bytes = certificate.raw;
    for (const { at, remove, insert } of changes) bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
    const parsed = parseAuthorityCertificate(bytes);
    t.true(!parsed.ok || parsed.value.x509.ca);
  }), { numRuns: 500 });
});

test('what nests or lies about its length is refused, not followed', (t) => {
  for (const hex of ['3080', '30', '3084ffffffff', '308100', '30820001ff', '3f00', '3003']) t.throws(() => readDer(Buffer.from(hex, 'hex')), { instanceOf: RangeError }, hex);
  t.false(parseAuthorityCertificate(Buffer.alloc(5000, Buffer.from('30820fff', 'hex'))).ok);
  t.false(parseAuthorityCertificate(Buffer.alloc(100_000)).ok);
});

test('a file of certificates gives each once, in order, with any text around', (t) => {
  const others = [1, 2].map((i) => pluggedAuthority(`x${i}`, undefined).pem);
  fc.assert(fc.property(fc.shuffledSubarray([certificate.toString(), ...others]), fc.array(fc.string().filter((text) => !text.includes('-')), { minLength: 4, maxLength: 4 }), (pems, texts) => {
    const file = pems.flatMap((pem, i) => [texts[i] ?? '', '\n', pem.trim(), '\n']).join('') + pems.join('');
    const parsed = parsePemCertificates(file);
    t.deepEqual(parsed.ok && parsed.value.map(pemOf), pems.map((pem) => `${pem.trim()}\n`));
  }), { numRuns: 100 });
  t.false(parsePemCertificates(Array.from({ length: MAX_CERTIFICATES + 1 }, () => certificate.toString()).join('')).ok);
  for (const bad of ['-----BEGIN CERTIFICATE-----', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', certificate.toString().slice(0, -10)]) t.false(parsePemCertificates(bad).ok, bad);
  t.deepEqual(parsePemCertificates(''), { ok: true, value: [] });
});
