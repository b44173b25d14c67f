import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import { childrenOf, partsOf, readDer } from '../der.ts';
import { openssl, requestBytes } from '../example-requests.ts';
import { makeRequest } from '../x509.ts';
import { readRequestedNames } from './requested-names.ts';

const CART = 'spiffe://west.landbridge/ns/shop/sa/cart';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** A request as openssl makes it: lines of its extension section, and a subject. */
function asked(extensions: readonly string[], subject = '/'): Buffer {
  const config = ['[req]', 'distinguished_name=dn', 'prompt=no', ...(extensions.length === 0 ? [] : ['req_extensions=ext']), '[dn]', '[ext]', ...extensions].join('\n');
  return requestBytes(openssl(['req', '-new', '-key', '@key.pem', '-subj', subject, '-config', '@req.conf'], { 'key.pem': keyPem, 'req.conf': `${config}\n` }));
}

/** An element of few bytes. */
const element = (tag: number, ...contents: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(contents);
  const length = content.length < 0x80 ? Buffer.of(content.length) : content.length < 0x100 ? Buffer.of(0x81, content.length) : Buffer.of(0x82, content.length >> 8, content.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, content]);
};

/** A request that has its attribute twice, which openssl does not make. */
function twice(): Buffer {
  const [info, ...signature] = partsOf(readDer(asked([`subjectAltName=URI:${CART}`])));
  const [version, subject, key, attributes] = partsOf(info);
  const [attribute] = attributes === undefined ? [] : childrenOf(attributes);
  const bytes = [version, subject, key].map((part) => part?.bytes ?? Buffer.alloc(0));
  const doubled = element(0xa0, attribute?.bytes ?? Buffer.alloc(0), attribute?.bytes ?? Buffer.alloc(0));
  return element(0x30, element(0x30, ...bytes, doubled), ...signature.map((part) => part.bytes));
}

test('what openssl makes of one URI, as ztunnel asks, is read too', (t) => {
  for (const line of [`subjectAltName=URI:${CART}`, `subjectAltName=critical,URI:${CART}`]) t.deepEqual(readRequestedNames(asked([line])), { ok: true, value: [{ kind: 'uri', value: CART }] });
});

test('names come in the order in which they stand there', (t) => {
  const names = [{ kind: 'dns', value: 'b' }, { kind: 'uri', value: CART }, { kind: 'dns', value: 'a' }] as const;
  t.deepEqual(readRequestedNames(requestBytes(makeRequest(privateKey, names))), { ok: true, value: names });
});

for (const [what, der, reason] of [
  ['no names', () => asked([]), /names nobody/],
  ['a subject', () => asked([`subjectAltName=URI:${CART}`], '/O=system:masters/CN=admin'), /has a subject/],
  ['a further extension', () => asked([`subjectAltName=URI:${CART}`, 'basicConstraints=CA:TRUE']), /more than one extension/],
  ['another extension', () => asked(['basicConstraints=CA:TRUE']), /another extension/],
  ['an address', () => asked([`subjectAltName=URI:${CART},IP:10.0.0.1`]), /neither a URI nor of DNS/],
  ['a further attribute', twice, /attributes beside/],
  ['too many names', () => asked([`subjectAltName=${Array.from({ length: 17 }, (_, i) => `DNS:d${i}`).join()}`]), /17 names/],
  ['no DER', () => Buffer.from('3003020100', 'hex'), /can not be read/],
  ['nothing', () => Buffer.alloc(0), /can not be read/],
] as const) {
  test(`a request with ${what} is refused`, (t) => {
    const names = readRequestedNames(der());
    t.false(names.ok);
    if (!names.ok) t.regex(names.error, reason);
  });
}
