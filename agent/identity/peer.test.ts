import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { verifyChain } from './peer.ts';
import { TestAuthority } from './test-identities.ts';

const east = new TestAuthority('east.example');
const west = new TestAuthority('west.example');
test.after.always(() => {
  east[Symbol.dispose]();
  west[Symbol.dispose]();
});
const bundles = new Map([['east.example', [east.root]], ['west.example', [west.root]]]);
/** After the certificate that is looked at was made: a time of before is not in its own. */
const now = (): number => Date.now();
const leaf = (authority: TestAuthority, names: string, options = {}): X509Certificate => new X509Certificate(authority.certify(names, options).chainPem);
const id = 'spiffe://east.example/ns/test/sa/a';

test('an identity under the root of its own trust domain is believed', (t) => {
  const peer = verifyChain([leaf(east, `URI:${id}`)], bundles, now());
  t.true(peer.ok && peer.value.id === (id as never) && peer.value.serviceAccount === 'a');
});

test('a root vouches for no other trust domain, though all roots are trusted', (t) => {
  const peer = verifyChain([leaf(west, `URI:${id}`)], bundles, now());
  t.false(peer.ok);
  t.regex(peer.ok ? '' : peer.error.text, /does not chain to a root of its trust domain/);
});

test('an unknown trust domain is refused by name', (t) => {
  const peer = verifyChain([leaf(east, 'URI:spiffe://north.example/ns/test/sa/a')], bundles, now());
  t.regex(peer.ok ? '' : peer.error.text, /no root is known for trust domain north\.example/);
});

for (const [what, names] of [['no URI', 'DNS:echo.test'], ['no name at all', ''], ['two URIs', `URI:${id},URI:spiffe://east.example/ns/test/sa/b`], ['another form of SPIFFE ID', 'URI:spiffe://east.example/workload']] as const) {
  test(`a certificate with ${what} is refused`, (t) => t.false(verifyChain([leaf(east, names)], bundles, now()).ok));
}

test('a certificate authority is no workload', (t) => t.regex(failure(leaf(east, `URI:${id}`, { isAuthority: true })), /certificate authority/));

test('before and after its time a certificate is refused', (t) => {
  const certificate = leaf(east, `URI:${id}`);
  t.false(verifyChain([certificate], bundles, now() - 3600_000).ok);
  t.false(verifyChain([certificate], bundles, now() + 48 * 3600_000).ok);
});

function failure(certificate: X509Certificate): string {
  const peer = verifyChain([certificate], bundles, now());
  return peer.ok ? '' : peer.error.text;
}
