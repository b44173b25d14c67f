import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import { pino } from 'pino';
import { kubeConfigAccess } from '../../kubernetes/kube-config-access.ts';
import { MemorySecretStore } from '../../kubernetes/memory-secret-store.ts';
import { Authority, type Issuer } from '../authority.ts';
import { parseAuthorityCertificate } from '../authority-certificate.ts';
import { pluggedAuthority } from '../example-plugged.ts';
import { exampleSigning, signerContract, soon } from '../signer.contract.ts';
import { KeySigner } from '../signer.ts';
import { makeRequest } from '../x509.ts';
import { CertificateRequests } from './certificate-requests.ts';
import { CsrSigner } from './csr-signer.ts';
import { csrSource } from './csr-source.ts';
import { authorityElsewhere, type Answer, ExampleSigningController, SIGNER_NAME, strangerElsewhere } from './example-signing-controller.ts';
import { REQUESTS_PATH } from './request-object.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const stop = new AbortController();
const elsewhere = authorityElsewhere();
const clock = Date.now;

let server: TestApiServer;
let controller: ExampleSigningController;
let requests: CertificateRequests;
let approved = Promise.withResolvers<void>();
let running: Promise<unknown>;
test.before(async () => {
  server = await TestApiServer.start();
  controller = new ExampleSigningController(server.config, elsewhere.signer);
  const access = kubeConfigAccess(server.config, 'landbridge-test/1');
  const client = new ApiServerClient(access, { connections: 4 });
  const replace = async (...args: Parameters<ApiServerClient['replace']>): Promise<unknown> => {
    const replaced = await client.replace(...args);
    approved.resolve();
    return replaced;
  };
  requests = new CertificateRequests({ watches: new ApiServerClient(access), writes: { create: client.create.bind(client), get: client.get.bind(client), remove: client.remove.bind(client), replace }, signerName: SIGNER_NAME, approves: true, me: { pod: 'landbridge-federation-7f9c-x2', run: 'r1' }, clock, log });
  running = Promise.all([requests.run(stop.signal), controller.run(stop.signal)]);
});
test.after.always(async () => {
  stop.abort();
  await running;
  await server[Symbol.asyncDispose]();
});
test.afterEach(() => {
  controller.answer = () => ({ kind: 'sign' });
});

async function issuer(roots = elsewhere.root.pem): Promise<Issuer> {
  const configMaps = new MemorySecretStore();
  await configMaps.writeConfigMap('mesh-roots', { 'ca.crt': roots });
  const read = await csrSource({ requests, signerName: SIGNER_NAME, configMaps, configMap: 'mesh-roots', key: 'ca.crt', clock }).read({ trustDomain: 'west.landbridge', dnsNames: ['landbridge-federation'], nowMs: clock() });
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

signerContract(test.serial, 'a signer of the Kubernetes API', async () => ({ signer: (await issuer()).signer, rootPem: elsewhere.root.pem, passesOn: true, spreadMs: 3000 }));

const CART = 'spiffe://west.landbridge/ns/shop/sa/cart' as SpiffeId;
const NAMES = [{ kind: 'uri', value: CART }] as const;
const authority = async (): Promise<Authority> => new Authority(await issuer(), 'west.landbridge');

async function issue(of: Authority, changes: { readonly seconds?: number; readonly signal?: AbortSignal } = {}): Promise<readonly string[]> {
  const { publicKey, requestPem } = exampleSigning(NAMES);
  return await of.issue(CART, { publicKey, requestPem }, changes.seconds ?? 86_400, clock(), changes.signal ?? soon());
}

/** Deletions go on when what was asked for is there. */
async function isEmpty(): Promise<boolean> {
  return await until('the requests to be deleted', async () => (await server.count(REQUESTS_PATH)) === 0);
}

test.serial('what goes out is the workload’s own request, for both sides of a connection and no longer than asked, and nothing stays', async (t) => {
  const next = controller.next();
  const chain = await issue(await authority(), { seconds: 7200 });
  t.is(chain.length, 3);
  const asked = await next;
  t.like(asked.spec, { signerName: SIGNER_NAME, usages: ['digital signature', 'client auth', 'server auth'], expirationSeconds: 7200 });
  t.regex(asked.metadata?.name ?? '', /^landbridge-federation-/);
  t.true(await isEmpty());
});

test.serial('the API knows no request for less than ten minutes: less is not asked for, and no more is taken', async (t) => {
  const [leaf = ''] = await issue(await authority(), { seconds: 60 });
  const seconds = (Date.parse(new X509Certificate(leaf).validTo) - Date.now()) / 1000;
  t.true(seconds > 590 && seconds < 610, String(seconds));
});

test.serial('the service’s own certificate comes the same way, for a day', async (t) => {
  const { chainPem, keyPem, notAfterMs } = await (await authority()).issueServer(['landbridge-federation', 'landbridge-federation.x.svc'], clock(), soon());
  const certificate = new X509Certificate(chainPem);
  t.is(certificate.subjectAltName, 'DNS:landbridge-federation, DNS:landbridge-federation.x.svc');
  t.true(certificate.publicKey.equals(createPublicKey(keyPem)));
  t.true(Math.abs(notAfterMs - Date.now() - 86_400_000) < 10_000);
});

const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const given = async (changes: Parameters<typeof exampleSigning>[1], names: Parameters<typeof exampleSigning>[0] = NAMES): Promise<string> => (await elsewhere.signer.sign(exampleSigning(names, changes), soon())).join('');
const cases: readonly (readonly [string, () => Promise<Answer>, RegExp])[] = [
  ['fails at the signer', async () => ({ kind: 'fail', message: 'the key is away' }), /can not sign: SignerError: the key is away/],
  ['is answered for another key', async () => ({ kind: 'give', pem: await given({ publicKey: other.publicKey }) }), /another key/],
  ['is answered under another root', async () => ({ kind: 'sign', by: strangerElsewhere() }), /none of the roots has signed it/],
  ['is answered for longer than was asked', async () => ({ kind: 'sign', forSeconds: 10 * 86_400 }), /is valid from/],
];
for (const [what, answer, reason] of cases) {
  test.serial(`a request that ${what} gives no certificate, and nothing stays`, async (t) => {
    const answered = await answer();
    controller.answer = () => answered;
    const thrown = await t.throwsAsync(issue(await authority()));
    t.like(thrown, { code: 'ca-failed', retryable: true });
    t.regex(thrown.message, reason);
    t.true(await isEmpty());
  });
}

test.serial('other names than those that were asked for are not taken', async (t) => {
  const { publicKey, requestPem } = exampleSigning(NAMES);
  const pem = await given({ publicKey }, [{ kind: 'uri', value: 'spiffe://west.landbridge/ns/kube-system/sa/default' }]);
  controller.answer = () => ({ kind: 'give', pem });
  await t.throwsAsync((await authority()).issue(CART, { publicKey, requestPem }, 3600, clock(), soon()), { message: /names somebody else/ });
});

test.serial('who is silent is waited for only as long as the caller waits, is asked again, and nothing stays', async (t) => {
  controller.answer = () => ({ kind: 'nothing' });
  const of = await authority();
  approved = Promise.withResolvers();
  const off = new AbortController();
  const asked = issue(of, { signal: off.signal });
  await approved.promise;
  setTimeout(() => off.abort(), 100);
  t.like(await t.throwsAsync(asked), { code: 'ca-failed', retryable: true, message: `signer ${SIGNER_NAME}: it has neither signed nor refused in time` });
  t.true(await isEmpty());
  controller.answer = () => ({ kind: 'sign' });
  t.is((await issue(of)).length, 3);
});

test.serial('a certificate that outlives an authority on its way is not taken, and the next one is asked for less', async (t) => {
  const short = pluggedAuthority('short', elsewhere.root, { days: 1 });
  const parsed = parseAuthorityCertificate(new X509Certificate(short.pem).raw);
  if (!parsed.ok) throw new Error(parsed.error);
  const by = new KeySigner(createPrivateKey(short.keyPem), parsed.value, [short.pem]);
  controller.answer = () => ({ kind: 'sign', by });
  const of = await authority();
  // A day from now is later than a day from when the authority was made.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  t.regex((await t.throwsAsync(issue(of))).message, /after an authority that it depends on/);
  t.is(of.issuer.notAfterMs, parsed.value.notAfterMs);
  t.is((await issue(of)).length, 2);
});

test.serial('a request with a subject, or names beside its own, does not leave the service', async (t) => {
  const before = controller.seen.size;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const of = await authority();
  for (const names of [[], [...NAMES, { kind: 'dns', value: 'x' }]] as const) {
    t.like(await t.throwsAsync(of.issue(CART, { publicKey, requestPem: makeRequest(privateKey, names) }, 3600, clock(), soon())), { code: 'request-refused', retryable: false });
  }
  t.is(controller.seen.size, before);
});

test('where the signer’s clock is a little ahead, the certificate is given when it is valid', async (t) => {
  const authorities = [parseAuthorityCertificate(new X509Certificate(elsewhere.root.pem).raw)].flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
  const asked = exampleSigning(NAMES);
  const beginsMs = Math.ceil(Date.now() / 1000 + 1) * 1000;
  const pem = await given({ ...asked, notBefore: new Date(beginsMs) });
  const signer = new CsrSigner({ requests: { sign: async () => pem }, roots: authorities, demand: { trustDomain: 'west.landbridge', dnsNames: [] }, clock });
  await signer.sign(asked, soon());
  t.true(Date.now() >= beginsMs);
});
