/** A hostile member's workloads and agents: handshakes of M5 and M6, and M12. */
import { create, toBinary } from '@bufbuild/protobuf';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { CertificateService } from '@landbridge/federation/ca/certificate-service.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { makeRequest } from '@landbridge/federation/ca/example-requests.ts';
import type { TokenReviewer } from '@landbridge/federation/ca/token-reviews.ts';
import { makeRoot } from '@landbridge/federation/ca/own-root.ts';
import { IstioCertificateRequestSchema } from '@landbridge/wire/gen/ca_pb.js';
import test from 'ava';
import { pino } from 'pino';
import { ask } from '../engine/applications.ts';
import { candidate, TestEngine } from '../engine/engine.ts';
import { echoTunnel, NodeServer } from '../engine/node-peers.ts';

const [east, mallory] = [new TestAuthority('east.example'), new TestAuthority('mallory.example')];
const engine = new TestEngine();
engine.trust(east, mallory);
const client = east.certificate('client');
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
  for (const authority of [east, mallory]) authority[Symbol.dispose]();
});

test.serial('M5, invariant 2: an identity of another trust domain that a member’s own authority has signed is refused', async (t) => {
  const stolen = east.identity('server');
  const { keyPem, chainPem } = mallory.certify(`URI:${stolen}`);
  await using peer = await NodeServer.start({ ...mallory.certificate('server'), keyPem, chainPem }, east.rootPem, echoTunnel);
  const pod = engine.client(client, [candidate(peer.port, stolen)]);
  t.true((await ask(pod.port, 'secret')) instanceof Error);
  t.deepEqual(await engine.failures(), { 'outbound trust-domain': 1 });
});

test.serial('M6, invariant 6: another identity of the member’s own is refused where it is not that of the endpoint', async (t) => {
  const other = mallory.certificate('other');
  await using peer = await NodeServer.start(other, east.rootPem, echoTunnel);
  const expected = engine.client(client, [candidate(peer.port, mallory.identity('cart'))]);
  t.true((await ask(expected.port, 'secret')) instanceof Error);
  t.deepEqual(await engine.failures(), { 'outbound identity': 1 });
  const right = engine.client(client, [candidate(peer.port, other.identity)]);
  t.is(String(await ask(right.port, 'hello')), 'hello');
});

test.serial('M12: a thousand requests for certificates with tokens of another cluster are refused, whatever names they ask for', async (t) => {
  const authenticator = new Authenticator(async () => undefined, 'landbridge-system', Date.now);
  const service = new CertificateService({ authority: exampleAuthority('east.example', makeRoot('east.example', Date.now())), authenticator, identities: { runsOn: async () => true }, clock: Date.now, log: pino({ level: 'silent' }) });
  const request = Buffer.from(toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr: makeRequest(), validityDuration: 3600n, metadata: { ImpersonatedIdentity: 'spiffe://east.example/ns/shop/sa/cart' } })));
  const codes = new Map<number, number>();
  for (let i = 0; i < 1000; i++) {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer of-mallory-${i % 5}`);
    const error = await new Promise<ServiceError | null>((resolve) => service.handle({ request, metadata, getPeer: () => '10.9.0.1:40000' } as never, (thrown) => resolve((thrown as ServiceError | null) ?? null)));
    codes.set(error?.code ?? -1, (codes.get(error?.code ?? -1) ?? 0) + 1);
  }
  t.deepEqual([...codes.keys()].filter((code) => code === -1), [], 'none was issued');
  t.true((codes.get(status.UNAUTHENTICATED) ?? 0) > 0);
});

test.serial('M12: a flood of made-up tokens is no flood at the API server, and an agent of the cluster gets its certificate meanwhile', async (t) => {
  let asked = 0;
  const review: TokenReviewer = async (token) => {
    asked += 1;
    return token === 'honest' ? { username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: 'agent-1' } : undefined;
  };
  const authenticator = new Authenticator(review, 'landbridge-system', () => performance.now());
  const service = new CertificateService({ authority: exampleAuthority('east.example', makeRoot('east.example', Date.now())), authenticator, identities: { runsOn: async () => true }, clock: Date.now, log: pino({ level: 'silent' }) });
  const request = Buffer.from(toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr: makeRequest(), validityDuration: 3600n, metadata: { ImpersonatedIdentity: 'spiffe://east.example/ns/shop/sa/cart' } })));
  const codeOf = async (token: string, peer: string): Promise<number | undefined> => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    return await new Promise((resolve) => service.handle({ request, metadata, getPeer: () => peer } as never, (thrown) => resolve((thrown as ServiceError | null)?.code)));
  };
  const startMs = performance.now();
  const codes = new Map<number | undefined, number>();
  for (let i = 0; i < 20_000; i++) {
    const code = await codeOf(`made-up-${i}`, `10.9.0.1:${1024 + i}`);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  t.is(await codeOf('honest', '172.16.1.1:40000'), undefined);
  const seconds = (performance.now() - startMs) / 1000;
  t.true(asked <= 22 + seconds / 6, `${asked} questions`);
  t.deepEqual(new Set(codes.keys()), new Set([status.UNAUTHENTICATED, status.RESOURCE_EXHAUSTED]));
  t.log(`20000 tokens in ${seconds.toFixed(1)} s, ${asked} questions to the API server`);
});
