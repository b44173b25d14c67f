import { createPublicKey, X509Certificate } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@landbridge/wire/gen/ca_pb.js';
import test from 'ava';
import { pino } from 'pino';
import { metrics } from '../metrics.ts';
import { Authenticator } from './authenticator.ts';
import { CertificateService } from './certificate-service.ts';
import { exampleAuthority } from './example-authority.ts';
import { makeRequest, openssl } from './example-requests.ts';
import type { NodeIdentities } from './node-identities.ts';
import { makeRoot } from './own-root.ts';
import type { TokenReviewer } from './token-reviews.ts';

const mine = 'spiffe://west.landbridge/ns/shop/sa/cart';
const csr = makeRequest();
const root = makeRoot('west.landbridge', Date.now());

const onNode: NodeIdentities = { runsOn: async (node, identity) => identity === (node === 'node-1' ? mine : 'spiffe://west.landbridge/ns/shop/sa/other') };
const agent: TokenReviewer = async (token) => (token.startsWith('node-') ? { username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: token, pod: 'agent-1' } : undefined);

interface Asked {
  readonly identity?: unknown;
  readonly csr?: string;
  readonly seconds?: bigint;
  readonly token?: string;
  readonly bytes?: Buffer;
}

function serviceOf(review = agent, identities = onNode, authority = exampleAuthority('west.landbridge', root), clock = Date.now): CertificateService {
  return new CertificateService({ authority, authenticator: new Authenticator(review, 'landbridge-system', clock), identities, clock, log: pino({ level: 'silent' }) });
}

/** Calls the service as a gRPC server does. */
async function ask({ identity = mine, csr: request = csr, seconds = 3600n, token = 'node-1', bytes }: Asked, review = agent, identities = onNode, service = serviceOf(review, identities)): Promise<{ readonly error: ServiceError | null; readonly chain: readonly string[] }> {
  const metadata = new Metadata();
  if (token !== '') metadata.set('authorization', `Bearer ${token}`);
  const encoded = bytes ?? Buffer.from(toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr: request, validityDuration: seconds, metadata: { ImpersonatedIdentity: identity as string } })));
  return await new Promise((resolve) => {
    service.handle({ request: encoded, metadata, getPeer: () => '10.0.0.1:40000' } as never, (error, value) => {
      resolve({ error: (error as ServiceError | null) ?? null, chain: value == null ? [] : fromBinary(IstioCertificateResponseSchema, value as Buffer).certChain });
    });
  });
}

async function denied(reason: string): Promise<number> {
  return (await metrics.certificatesDenied.get()).values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
}

test.serial('an identity that runs on the agent’s node gets a certificate for the key of the request, with the root', async (t) => {
  const { error, chain } = await ask({});
  t.is(error, null);
  const [leaf = '', top = ''] = chain;
  t.is(chain.length, 2);
  t.is(top, root.certificatePem);
  const certificate = new X509Certificate(leaf);
  t.is(certificate.subjectAltName, `URI:${mine}`);
  t.true(certificate.verify(new X509Certificate(top).publicKey));
  t.true(certificate.publicKey.equals(createPublicKey(openssl(['req', '-pubkey', '-noout', '-in', '@csr.pem'], { 'csr.pem': csr }))));
  t.true(Math.abs(Date.parse(certificate.validTo) - Date.now() - 3_600_000) < 30_000);
});

test.serial('no lifetime, or one that makes no sense, becomes a sensible one', async (t) => {
  for (const [seconds, expected] of [[0n, 86_400], [-1n, 60], [2n ** 62n, 86_400]] as const) {
    const [leaf = ''] = (await ask({ seconds })).chain;
    t.true(Math.abs((Date.parse(new X509Certificate(leaf).validTo) - Date.now()) / 1000 - expected) < 30, String(seconds));
  }
});

test.serial('an identity that does not run on the agent’s node is denied, and counted', async (t) => {
  const before = await denied('not-allowed');
  for (const asked of [{ token: 'node-2' }, { identity: 'spiffe://west.landbridge/ns/shop/sa/other' }, { identity: 'spiffe://west.landbridge/ns/kube-system/sa/default' }]) {
    const { error, chain } = await ask(asked);
    t.is(error?.code, status.PERMISSION_DENIED);
    t.regex(error?.details ?? '', /no pod of .* runs on node/);
    t.deepEqual(chain, []);
  }
  t.is(await denied('not-allowed'), before + 3);
});

test.serial('an identity of another trust domain is denied, without anybody being asked for it', async (t) => {
  const never: NodeIdentities = { runsOn: async () => await Promise.reject(new Error('asked')) };
  t.is((await ask({ identity: 'spiffe://east.landbridge/ns/shop/sa/cart' }, agent, never)).error?.code, status.PERMISSION_DENIED);
  t.is((await ask({ identity: 'spiffe://east.landbridge/ns/shop/sa/cart' })).error?.code, status.PERMISSION_DENIED);
});

test.serial('what is no identity is denied', async (t) => {
  for (const identity of ['', 'cart', 'spiffe://west.landbridge/ns/shop/sa/cart/x', 'spiffe://WEST.landbridge/ns/shop/sa/cart', 7, null, {}, `${mine}\n`]) {
    t.is((await ask({ identity })).error?.code, status.PERMISSION_DENIED, JSON.stringify(identity));
  }
  const nobody = toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr }));
  t.is((await ask({ bytes: Buffer.from(nobody) })).error?.code, status.PERMISSION_DENIED);
});

test.serial('bytes that are no request, and requests without a good signature or key, are denied', async (t) => {
  for (const asked of [{ bytes: Buffer.from([0xff, 0xff]) }, { csr: '' }, { csr: root.certificatePem }, { csr: makeRequest('rsa:1024') }]) t.is((await ask(asked)).error?.code, status.PERMISSION_DENIED);
});

test.serial('nobody gets anything without an agent’s token', async (t) => {
  const before = await denied('unauthenticated');
  for (const token of ['', 'stolen']) {
    const { error, chain } = await ask({ token });
    t.is(error?.code, status.UNAUTHENTICATED);
    t.deepEqual(chain, []);
  }
  t.is(await denied('unauthenticated'), before + 2);
});

test.serial('while tokens can not be reviewed the caller is told to come again, and not why', async (t) => {
  const { error } = await ask({}, async () => await Promise.reject(new Error('connect 10.96.0.1:443: secret')));
  t.is(error?.code, status.UNAVAILABLE);
  t.notRegex(error?.details ?? '', /secret/);
});

test.serial('a gateway gets its own identity and no other, though others run on its node', async (t) => {
  const own = 'spiffe://west.landbridge/ns/landbridge-system/sa/landbridge-gateway';
  const both: NodeIdentities = { runsOn: async (_, identity) => [own, mine].includes(identity) };
  const review: TokenReviewer = async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-gateway', node: 'node-1', pod: 'gateway-1' });
  t.is((await ask({ identity: own }, review, both)).error, null);
  const refused = await ask({ identity: mine }, review, both);
  t.is(refused.error?.code, status.PERMISSION_DENIED);
  t.regex(refused.error?.details ?? '', /may be nobody but landbridge-system\/landbridge-gateway/);
});

test.serial('an agent that asks too often is told to come later, and others are served', async (t) => {
  let now = Date.now();
  const service = serviceOf(agent, onNode, undefined, () => now);
  const podOf: TokenReviewer = async (token) => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: token });
  const shared = serviceOf(podOf, onNode, undefined, () => now);
  const codes: (number | undefined)[] = [];
  for (let i = 0; i < 510; i++) codes.push((await ask({ token: 'node-1', csr: '' }, agent, onNode, shared)).error?.code);
  t.deepEqual([codes.filter((code) => code === status.PERMISSION_DENIED).length, codes.filter((code) => code === status.RESOURCE_EXHAUSTED).length], [500, 10]);
  t.is((await ask({ token: 'node-2' }, podOf, onNode, shared)).error, null);
  now += 10_000;
  t.is((await ask({ token: 'node-1' }, podOf, onNode, shared)).error, null);
  t.is((await ask({}, agent, onNode, service)).error, null);
});

test.serial('while the authority can not sign the caller is told to come again, and not why', async (t) => {
  const authority = exampleAuthority('west.landbridge', root);
  authority.replace({ ...authority.issuer, signer: { sign: async () => await Promise.reject(new Error('vault.internal: secret')) } });
  const { error } = await ask({}, agent, onNode, serviceOf(agent, onNode, authority));
  t.is(error?.code, status.UNAVAILABLE);
  t.notRegex(error?.details ?? '', /secret/);
});

test.serial('a request that can not be passed on is denied with the reason, and one that the authority refuses without', async (t) => {
  const authority = exampleAuthority('west.landbridge', root);
  for (const [code, details] of [['request-refused', 'because'], ['ca-refused', 'the certificate authority refuses to sign this']] as const) {
    authority.replace({ ...authority.issuer, signer: { sign: async () => await Promise.reject(new LandbridgeError(code, 'because')) } });
    const { error } = await ask({}, agent, onNode, serviceOf(agent, onNode, authority));
    t.deepEqual([error?.code, error?.details], [status.PERMISSION_DENIED, details]);
  }
});
