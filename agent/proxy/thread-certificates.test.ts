import test from 'ava';
import { TestAuthority } from '../identity/test-identities.ts';
import { ThreadCertificates } from './thread-certificates.ts';

test('a context is made when it is first used, and is the same until the certificate is another', (t) => {
  using authority = new TestAuthority('one.test');
  const refused: string[] = [];
  using certificates = new ThreadCertificates((error) => refused.push(error.code));
  certificates.trust([authority.rootPem]);
  const first = authority.certificate('a');
  t.is(certificates.contextOf(first.identity), undefined);
  t.true(certificates.set(first.identity, first.keyPem, first.chainPem));
  const known = certificates.find(first.identity);
  t.is(known?.notAfterMs, first.notAfterMs);
  const context = certificates.contextOf(first.identity);
  t.truthy(context);
  t.is(certificates.contextOf(first.identity), context);

  const second = authority.certificate('a');
  t.true(certificates.set(second.identity, second.keyPem, second.chainPem));
  t.not(certificates.contextOf(second.identity), context);
  t.true((certificates.find(second.identity)?.generation ?? 0) > (known?.generation ?? 0));

  certificates.delete(second.identity);
  t.is(certificates.find(second.identity), undefined);
  t.is(certificates.contextOf(second.identity), undefined);
  t.deepEqual(refused, []);
});

test('what OpenSSL refuses leaves the certificate before it in force', (t) => {
  using authority = new TestAuthority('one.test');
  const refused: string[] = [];
  using certificates = new ThreadCertificates((error) => refused.push(error.code));
  const [good, other] = [authority.certificate('a'), authority.certificate('a')];
  t.true(certificates.set(good.identity, good.keyPem, good.chainPem));
  const known = certificates.find(good.identity);
  t.false(certificates.set(good.identity, other.keyPem, good.chainPem));
  t.false(certificates.set(good.identity, good.keyPem, 'no certificate'));
  t.is(certificates.find(good.identity), known);
  t.truthy(certificates.contextOf(good.identity));
  t.deepEqual(refused, ['bad-certificate', 'bad-certificate']);
});

test('under other roots every identity begins anew, whether it was used or not', (t) => {
  using authority = new TestAuthority('one.test');
  using certificates = new ThreadCertificates((error) => t.fail(error.message));
  const [used, resting] = [authority.certificate('a'), authority.certificate('b')];
  for (const { identity, keyPem, chainPem } of [used, resting]) certificates.set(identity, keyPem, chainPem);
  const before = [used, resting].map(({ identity }) => certificates.find(identity)?.generation ?? 0);
  const context = certificates.contextOf(used.identity);
  t.deepEqual(certificates.trust([authority.rootPem]), [used.identity, resting.identity]);
  t.not(certificates.contextOf(used.identity), context);
  t.true([used, resting].every(({ identity }, index) => (certificates.find(identity)?.generation ?? 0) > (before[index] ?? 0)));
});
