import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import test from 'ava';
import { parseAuthorityCertificate, type AuthorityCertificate } from '../authority-certificate.ts';
import { type PluggedCertificate, pluggedAuthority } from '../example-plugged.ts';
import { makeCertificate } from '../x509.ts';
import { readIssuedChain } from './issued-chain.ts';

const nowMs = Date.now() + 60_000;
const demand = { trustDomain: 'west.landbridge', dnsNames: ['landbridge-federation'], nowMs };
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function authorityOf({ pem }: PluggedCertificate): AuthorityCertificate {
  const parsed = parseAuthorityCertificate(new X509Certificate(pem).raw);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/** PEM. */
function leafOf(issuer: PluggedCertificate): string {
  const { subjectDer, keyId } = authorityOf(issuer);
  return makeCertificate({ subject: '', issuer: { subjectDer, keyId }, notBefore: new Date(nowMs - 120_000), notAfter: new Date(nowMs + 3_600_000), publicKey, isAuthority: false, names: [{ kind: 'uri', value: 'spiffe://west.landbridge/ns/a/sa/b' }] }, createPrivateKey(issuer.keyPem));
}

const root = pluggedAuthority('root', undefined);
const first = pluggedAuthority('first', root);
const second = pluggedAuthority('second', first, { days: 10 });
const other = pluggedAuthority('root', undefined);
const roots = [other, root].map(authorityOf);
const leaf = leafOf(second);

test('authorities are put in their order, and a root that came with them is left out', (t) => {
  for (const given of [[second, first], [first, second], [first, root, second], [second, second, first, other]]) {
    const chain = readIssuedChain(leaf + given.map(({ pem }) => pem).join(''), roots, demand);
    if (!chain.ok) return t.fail(chain.error);
    t.deepEqual(chain.value.intermediates.map(({ subject }) => subject.split('CN=').at(-1)), ['second', 'first']);
    t.is(chain.value.authoritiesEndMs, Date.parse(new X509Certificate(second.pem).validTo));
    t.true(chain.value.leaf.publicKey.equals(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))));
  }
});

test('a root may sign itself', (t) => {
  for (const more of ['', root.pem]) {
    const chain = readIssuedChain(leafOf(root) + more, roots, demand);
    t.deepEqual(chain.ok ? chain.value.intermediates : chain.error, []);
  }
});

const constrained = pluggedAuthority('constrained', root, { extensions: { nameConstraints: 'critical,permitted;URI:.elsewhere' } });
const ended = pluggedAuthority('ended', root, { days: 1 });
for (const [what, pem, reason, at] of [
  ['nothing', '', /there is no certificate/],
  ['text', 'certificate', /there is no certificate/],
  ['half a certificate', leaf.slice(0, 300), /no whole certificate/],
  ['an authority left out', leaf + first.pem, /none of the roots has signed it/],
  ['the upper authority left out', leaf + second.pem, /was signed by none/],
  ['a root of the same name', leafOf(other), /signed by none|none of the roots/, [root]],
  ['a certificate beside that is no authority', leaf + second.pem + first.pem + leafOf(first), /is not an authority/],
  ['an authority that may not name it', leafOf(constrained) + constrained.pem, /may not vouch for names of trust domain/],
] as const) {
  test(`${what} is refused with the reason`, (t) => {
    const chain = readIssuedChain(pem, at === undefined ? roots : at.map(authorityOf), demand);
    t.false(chain.ok);
    if (!chain.ok) t.regex(chain.error, reason);
  });
}

test('an authority that has ended is refused with the reason', (t) => {
  const chain = readIssuedChain(leafOf(ended) + ended.pem, roots, { ...demand, nowMs: nowMs + 2 * 86_400_000 });
  t.regex(chain.ok ? '' : chain.error, /is valid only from/);
});
