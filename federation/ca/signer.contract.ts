/** What every signer does; run against each kind of it by signer.test.ts. */
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { SerialFn, TestFn } from 'ava';
import { openssl } from './example-requests.ts';
import type { Signer, SigningRequest } from './signer.ts';
import { makeRequest, type SubjectName } from './x509.ts';

export interface SignerUnderTest {
  readonly signer: Signer;
  readonly rootPem: string;
  /** Whether somebody else gets the request as it is: then one with other names is refused. */
  readonly passesOn?: boolean;
  /** How far from what was asked for the end may be, in milliseconds: a signer elsewhere counts from when it signs. */
  readonly spreadMs?: number;
}

export const soon = (): AbortSignal => AbortSignal.timeout(60_000);

export function exampleSigning(names: readonly SubjectName[], changes: Partial<SigningRequest> = {}): SigningRequest {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { names, publicKey: createPublicKey(privateKey), requestPem: makeRequest(privateKey, names), notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000), ...changes };
}

const WORKLOAD = [{ kind: 'uri', value: 'spiffe://west.landbridge/ns/shop/sa/cart' }] as const;

export function signerContract(test: TestFn | SerialFn, name: string, open: () => Promise<SignerUnderTest>): void {
  test(`${name}: what was asked for is in the certificate, and leads to the root`, async (t) => {
    const { signer, rootPem, spreadMs = 0 } = await open();
    for (const names of [WORKLOAD, [{ kind: 'dns', value: 'landbridge-federation' }, { kind: 'dns', value: 'landbridge-federation.x.svc' }] as const]) {
      const asked = exampleSigning(names);
      const [leaf = '', ...between] = await signer.sign(asked, soon());
      const certificate = new X509Certificate(leaf);
      t.is(certificate.subjectAltName, names.map(({ kind, value }) => `${kind === 'uri' ? 'URI' : 'DNS'}:${value}`).join(', '));
      t.true(certificate.publicKey.equals(asked.publicKey));
      t.false(certificate.ca);
      t.true(Math.abs(Date.parse(certificate.validTo) - Math.floor(asked.notAfter.getTime() / 1000) * 1000) <= spreadMs, certificate.validTo);
      t.regex(openssl(['verify', '-CAfile', '@root.pem', ...(between.length === 0 ? [] : ['-untrusted', '@between.pem']), '@leaf.pem'], { 'root.pem': rootPem, 'between.pem': between.join(''), 'leaf.pem': leaf }), /: OK/);
    }
  });

  test(`${name}: names are those of the call, whatever the request has`, async (t) => {
    const { signer, passesOn = false } = await open();
    const other = { ...exampleSigning([{ kind: 'uri', value: 'spiffe://west.landbridge/ns/kube-system/sa/default' }]), names: WORKLOAD };
    if (passesOn) return void t.like(await t.throwsAsync(signer.sign(other, soon())), { code: 'request-refused', retryable: false });
    const [leaf = ''] = await signer.sign(other, soon());
    t.is(new X509Certificate(leaf).subjectAltName, `URI:${WORKLOAD[0].value}`);
  });

  test(`${name}: many at once are each their own`, async (t) => {
    const { signer } = await open();
    const asked = Array.from({ length: 20 }, (_, i) => exampleSigning([{ kind: 'uri', value: `spiffe://west.landbridge/ns/shop/sa/s${i}` }]));
    const given = await Promise.all(asked.map(async (each) => await signer.sign(each, soon())));
    t.deepEqual(given.map(([leaf = '']) => new X509Certificate(leaf).subjectAltName), asked.map(({ names }) => `URI:${names[0]?.value}`));
    t.is(new Set(given.map(([leaf = '']) => new X509Certificate(leaf).serialNumber)).size, 20);
  });
}
