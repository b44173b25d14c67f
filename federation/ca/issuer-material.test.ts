import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import { Authority } from './authority.ts';
import { type CaFiles, readLayout } from './ca-layout.ts';
import { openssl } from './example-requests.ts';
import { type PluggedCertificate, pluggedAuthority, pluggedChain, pluggedKey } from './example-plugged.ts';
import { readIssuer } from './issuer-material.ts';
import type { ChainDemand } from './issuing-chain.ts';
import { makeRequest } from './x509.ts';

const identity = 'spiffe://west.landbridge/ns/shop/sa/cart' as SpiffeId;
/** A minute on, as certificates begin when they are made. */
const demand: ChainDemand = { trustDomain: 'west.landbridge', dnsNames: ['landbridge-federation.landbridge-system.svc'], get nowMs() { return Date.now() + 60_000; } };
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

const filesOf = (issuing: PluggedCertificate, chain: readonly PluggedCertificate[], roots: readonly PluggedCertificate[]): CaFiles => ({ certificate: issuing.pem, key: issuing.keyPem, chain: chain.map(({ pem }) => pem).join(''), roots: roots.map(({ pem }) => pem).join('') });

function faultOf(files: CaFiles, more: Partial<ChainDemand> = {}): string {
  const read = readIssuer(files, { ...demand, ...more });
  return read.ok ? '' : read.error;
}

async function issue(files: CaFiles): Promise<{ readonly leaf: string; readonly between: string }> {
  const issuer = readIssuer(files, demand);
  if (!issuer.ok) throw new Error(issuer.error);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [leaf = '', ...between] = await new Authority(issuer.value, demand.trustDomain).issue(identity, { publicKey, requestPem: makeRequest(privateKey, []) }, 3600, demand.nowMs, soon());
  return { leaf, between: between.join('') };
}

for (const key of ['P-256', 'P-384', 'rsa:2048']) {
  for (const intermediates of [1, 3]) {
    test(`OpenSSL verifies what ${intermediates} intermediates with keys of ${key} sign, given the root alone`, async (t) => {
      const { root, chain } = pluggedChain(key, intermediates);
      const [issuing, ...others] = chain as [PluggedCertificate, ...PluggedCertificate[]];
      // In any order: only the way to the root counts.
      const { leaf, between } = await issue(filesOf(issuing, [...others].reverse(), [root]));
      for (const purpose of ['sslserver', 'sslclient']) {
        t.regex(openssl(['verify', '-x509_strict', '-purpose', purpose, '-CAfile', '@root.pem', '-untrusted', '@between.pem', '@leaf.pem'], { 'root.pem': root.pem, 'between.pem': between, 'leaf.pem': leaf }), /: OK/);
      }
      t.is(between.split('BEGIN CERTIFICATE').length - 1, intermediates);
      t.false(between.includes(root.pem.trim()), 'the root is not sent along');
      t.throws(() => openssl(['verify', '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': root.pem, 'leaf.pem': leaf }), undefined, 'it needs what is between');
    });
  }
}

test('a root of others signs by itself, as far as OpenSSL sees it too', async (t) => {
  const root = pluggedAuthority('root', undefined);
  const { leaf, between } = await issue(filesOf(root, [], [root]));
  t.is(between, '');
  t.regex(openssl(['verify', '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': root.pem, 'leaf.pem': leaf }), /: OK/);
});

test('the layouts of Istio and of cert-manager hold the same', (t) => {
  const { root, chain: [issuing = root] } = pluggedChain('P-256');
  const istio = readLayout({ 'ca-cert.pem': issuing.pem, 'ca-key.pem': issuing.keyPem, 'cert-chain.pem': issuing.pem + root.pem, 'root-cert.pem': root.pem });
  const manager = readLayout({ 'tls.crt': issuing.pem + root.pem, 'tls.key': issuing.keyPem, 'ca.crt': root.pem });
  for (const files of [istio, manager]) t.true(files.ok && readIssuer(files.value, demand).ok);
  t.regex(JSON.stringify(readLayout({})), /is there/);
  t.regex(JSON.stringify(readLayout({ 'tls.crt': 'x', 'ca-key.pem': 'y' })), /both layouts/);
  t.regex(JSON.stringify(readLayout({ 'ca-cert.pem': 'x', 'ca-key.pem': 'y' })), /root-cert.pem is missing/);
  t.regex(JSON.stringify(readLayout({ 'tls.crt': 'x', 'tls.key': '' })), /tls.key is missing/);
});

test('an old key’s traditional form is read as well', (t) => {
  const root = pluggedAuthority('root', undefined);
  const traditional = openssl(['ec', '-in', '@key.pem'], { 'key.pem': root.keyPem });
  t.regex(traditional, /BEGIN EC PRIVATE KEY/);
  t.is(faultOf({ ...filesOf(root, [], [root]), key: traditional }), '');
});

test('everything that certificates depend on later is looked at', (t) => {
  const { root, chain: [issuing = root] } = pluggedChain('P-256');
  const stranger = pluggedAuthority('root', undefined);
  const below = (extensions: Record<string, string | undefined>, key?: string): CaFiles => filesOf(pluggedAuthority('x', root, { extensions, ...(key === undefined ? {} : { key }) }), [], [root]);
  const short = pluggedAuthority('short', undefined, { extensions: { basicConstraints: 'critical,CA:TRUE,pathlen:0' } });
  const deep = pluggedChain('P-256', 5);
  const cases: readonly (readonly [RegExp, CaFiles, Partial<ChainDemand>?])[] = [
    [/the key is not that of/, { ...filesOf(issuing, [], [root]), key: pluggedKey() }],
    [/the key can not be read/, { ...filesOf(issuing, [], [root]), key: 'secret stuff' }],
    [/the key is 1024|the key is rsa/, filesOf(pluggedAuthority('weak', root, { key: 'rsa:1024' }), [], [root])],
    [/the key is secp521r1/, below({}, 'secp521r1')],
    [/the key is secp256k1/, below({}, 'secp256k1')],
    [/is not an authority/, below({ basicConstraints: 'critical,CA:FALSE' })],
    [/is not an authority/, below({ basicConstraints: undefined })],
    [/may not sign certificates/, below({ keyUsage: 'critical,digitalSignature' })],
    [/may not sign for both sides/, below({ extendedKeyUsage: 'serverAuth' })],
    [/critical extension that is not understood/, below({ '1.2.3.4': 'critical,ASN1:NULL' })],
    [/allows 0 authorities below it, and there are 1/, filesOf(pluggedAuthority('x', short), [], [short])],
    [/signed by none/, filesOf(issuing, [], [stranger])],
    [/is no root, as it did not sign itself/, filesOf(issuing, [], [issuing])],
    [/the root is missing/, { ...filesOf(issuing, [], []), roots: '' }],
    [/more than 4 certificates/, filesOf(deep.chain[0] as PluggedCertificate, deep.chain.slice(1), [deep.root])],
    [/is of "spiffe:\/\/east/, below({ subjectAltName: 'URI:spiffe://east.landbridge' })],
    [/may not vouch for names of trust domain/, below({ nameConstraints: 'critical,permitted;URI:east.landbridge' })],
    [/may not vouch for names of trust domain/, below({ nameConstraints: 'critical,excluded;URI:.landbridge' })],
    [/may not vouch for landbridge-federation/, below({ nameConstraints: 'critical,permitted;DNS:example.com' })],
    [/is valid only from/, filesOf(issuing, [], [root]), { nowMs: Date.now() - 3600_000 }],
    [/no root that is still valid/, filesOf(issuing, [], [root]), { nowMs: Date.now() + 40 * 86_400_000 }],
    [/the roots: a block that is no whole certificate/, { ...filesOf(issuing, [], [root]), roots: root.pem.slice(0, -20) }],
    [/the certificate: a block/, { ...filesOf(issuing, [], [root]), certificate: issuing.keyPem }],
    [/the chain: there is no certificate in it/, { ...filesOf(issuing, [], [root]), chain: 'none' }],
    [/there is no certificate/, { ...filesOf(issuing, [], [root]), certificate: '' }],
  ];
  for (const [reason, files, more] of cases) {
    const fault = faultOf(files, more);
    t.regex(fault, reason);
    t.notRegex(fault, /secret stuff|PRIVATE/);
  }
  const fitting: readonly Record<string, string>[] = [{ nameConstraints: 'critical,permitted;URI:west.landbridge' }, { nameConstraints: 'critical,permitted;URI:.landbridge,permitted;DNS:svc' }, { subjectAltName: 'URI:spiffe://west.landbridge' }, { basicConstraints: 'critical,CA:TRUE,pathlen:0' }, { extendedKeyUsage: 'serverAuth,clientAuth' }];
  for (const extensions of fitting) t.is(faultOf(below(extensions)), '', JSON.stringify(extensions));
});

test('all roots that are still valid are told, the one that counts first', (t) => {
  const { root, chain: [issuing = root] } = pluggedChain('P-256');
  const [further, ending] = [pluggedAuthority('further', undefined), pluggedAuthority('ending', undefined, { days: 1 })];
  const read = readIssuer(filesOf(issuing, [], [ending, further, root]), { ...demand, nowMs: Date.now() + 2 * 86_400_000 });
  t.deepEqual(read.ok && read.value.roots.map((each) => each.subject.split('\n').at(-1)), ['CN=root', 'CN=further']);
  const many = Array.from({ length: 9 }, (_, i) => pluggedAuthority(`root ${i}`, undefined));
  t.regex(faultOf(filesOf(issuing, [], [root, ...many])), /more than 8 roots/);
});

test('nothing lives longer than the first certificate above it', (t) => {
  const root = pluggedAuthority('root', undefined, { days: 30 });
  const issuing = pluggedAuthority('x', root, { days: 2 });
  const read = readIssuer(filesOf(issuing, [], [root]), demand);
  t.true(read.ok && Math.abs(read.value.notAfterMs - Date.now() - 2 * 86_400_000) < 60_000);
  t.true(createPublicKey(issuing.keyPem).asymmetricKeyType === 'ec');
});
