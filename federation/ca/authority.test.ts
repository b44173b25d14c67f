import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { parseSpiffeId, type SpiffeId } from '@landbridge/core/identity.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import test from 'ava';
import { Authority, MAX_LIFETIME_SECONDS } from './authority.ts';
import { exampleAuthority, exampleIssuer } from './example-authority.ts';
import { openssl } from './example-requests.ts';
import { makeRoot } from './own-root.ts';
import type { Signer, SigningRequest } from './signer.ts';
import { makeRequest } from './x509.ts';

const now = Date.now();
const root = makeRoot('west.landbridge', now);
const authority = exampleAuthority('west.landbridge', root);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const request = { publicKey, requestPem: makeRequest(privateKey, []) };
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

function identity(): SpiffeId {
  const parsed = parseSpiffeId('spiffe://west.landbridge/ns/shop/sa/cart');
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value.id;
}

test('a lifetime is what was asked for, within a minute and a day, and not beyond the root', async (t) => {
  const seconds = async (asked: number, at = now): Promise<number> => Math.round((Date.parse(new X509Certificate((await authority.issue(identity(), request, asked, at, soon()))[0] ?? '').validTo) - at) / 1000);
  t.true(Math.abs((await seconds(3600)) - 3600) <= 1);
  for (const short of [0, -5, 59]) t.true(Math.abs((await seconds(short)) - 60) <= 1);
  t.true(Math.abs((await seconds(1e12)) - MAX_LIFETIME_SECONDS) <= 1);
  const end = Date.parse(new X509Certificate(root.certificatePem).validTo);
  t.is(await seconds(3600, end - 600_000), 600);
  t.like(await t.throwsAsync(seconds(3600, end)), { code: 'ca-failed' });
});

test('the server’s certificate is for its names only', async (t) => {
  const { chainPem, keyPem, notAfterMs } = await authority.issueServer(['landbridge-federation', 'landbridge-federation.landbridge-system.svc'], now, soon());
  const certificate = new X509Certificate(chainPem);
  t.is(certificate.checkHost('landbridge-federation.landbridge-system.svc'), 'landbridge-federation.landbridge-system.svc');
  t.is(certificate.checkHost('elsewhere'), undefined);
  t.is(Date.parse(certificate.validTo), notAfterMs);
  t.true(certificate.publicKey.equals(createPublicKey(keyPem)));
  t.regex(openssl(['verify', '-purpose', 'sslserver', '-verify_hostname', 'landbridge-federation', '-CAfile', '@root.pem', '@leaf.pem'], { 'root.pem': root.certificatePem, 'leaf.pem': chainPem }), /: OK/);
});

test('a trust domain may be long', (t) => {
  const trustDomain = `${'a'.repeat(250)}.io`;
  t.notThrows(() => exampleIssuer(trustDomain, makeRoot(trustDomain, now)));
});

test('another issuer signs from the moment on that it is there, and whoever listens is told', async (t) => {
  const changing = exampleAuthority('west.landbridge', root);
  const next = exampleIssuer('west.landbridge');
  let told = 0;
  using _listening = changing.onChange(() => told++);
  changing.replace(next);
  t.is(told, 1);
  const [leaf = ''] = await changing.issue(identity(), request, 60, now, soon());
  t.true(new X509Certificate(leaf).verify((next.roots[0] as X509Certificate).publicKey));
  t.deepEqual(changing.roots, next.roots.map(({ raw }) => raw));
});

/** Gives what openssl makes of the request for servers only. */
const oneSided: Signer = {
  sign: async ({ requestPem }) => [openssl(['x509', '-req', '-in', '@csr.pem', '-CA', '@ca.pem', '-CAkey', '@ca.key', '-set_serial', '7', '-days', '1', '-extfile', '@ext'], { 'csr.pem': requestPem, 'ca.pem': root.certificatePem, 'ca.key': root.keyPem, ext: `extendedKeyUsage=serverAuth\nsubjectAltName=critical,URI:${identity()}\n` })],
};

/** A signer elsewhere that gives something else than what it was asked for. */
function wrong(change: (asked: SigningRequest) => Partial<SigningRequest>, signer: Signer = exampleIssuer('west.landbridge', root).signer): Authority {
  return new Authority({ ...exampleIssuer('west.landbridge', root), signer: { sign: async (asked, signal) => await signer.sign({ ...asked, ...change(asked) }, signal) } }, 'west.landbridge');
}

test('what a signer gives is looked at: the key, the names, the time, the root', async (t) => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cases: readonly (readonly [RegExp, Authority])[] = [
    [/another key/, wrong(() => ({ publicKey: other.publicKey }))],
    [/names somebody else/, wrong(() => ({ names: [{ kind: 'uri', value: 'spiffe://west.landbridge/ns/kube-system/sa/default' }] }))],
    [/names somebody else/, wrong(({ names }) => ({ names: [...names, { kind: 'dns', value: 'x' }] }))],
    [/is valid from/, wrong(({ notAfter }) => ({ notAfter: new Date(notAfter.getTime() + 3600_000) }))],
    [/is valid from/, wrong(() => ({ notBefore: new Date(now + 3600_000) }))],
    [/both sides of a connection/, wrong(() => ({}), oneSided)],
    [/does not lead to a root/, wrong(() => ({}), exampleIssuer('west.landbridge').signer)],
    [/no list of certificates/, wrong(() => ({}), { sign: async () => ['nonsense'] })],
    [/there is no certificate/, wrong(() => ({}), { sign: async () => [] })],
  ];
  for (const [reason, each] of cases) {
    const error = await t.throwsAsync(each.issue(identity(), request, 60, now, soon()));
    t.like(error, { code: 'ca-failed', retryable: true });
    t.regex(error.message, reason);
  }
  t.is((await wrong(() => ({})).issue(identity(), request, 60, now, soon())).length, 1);
});

test('a certificate that begins when a slow signer signs it is taken', async (t) => {
  const slow = wrong((asked) => ({ notBefore: new Date(asked.notBefore.getTime() + 62_000) }), {
    sign: async (asked, signal) => {
      await waitFor(asked.notBefore.getTime() - Date.now(), signal);
      return await exampleIssuer('west.landbridge', root).signer.sign(asked, signal);
    },
  });
  t.is((await slow.issue(identity(), request, 600, Date.now(), soon())).length, 1);
});
