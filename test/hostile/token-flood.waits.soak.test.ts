/** Case M12 for a minute: requests for certificates as a busy machine takes them, up to a thousand a second, each with another made-up token. */
import { create, toBinary } from '@bufbuild/protobuf';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { CertificateService } from '@landbridge/federation/ca/certificate-service.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { makeRequest } from '@landbridge/federation/ca/example-requests.ts';
import { makeRoot } from '@landbridge/federation/ca/own-root.ts';
import type { TokenReviewer } from '@landbridge/federation/ca/token-reviews.ts';
import { IstioCertificateRequestSchema } from '@landbridge/wire/gen/ca_pb.js';
import test from 'ava';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';

const MINUTE_MS = 60_000;
const BATCH = 50;
const EVERY_MS = 50;
/** Of one address, before ten a minute hold. */
const BURST = 20;

test('M12: of a minute of made-up tokens the API server is asked about a burst and ten, and agents get their certificates all the time', async (t) => {
  t.timeout(2 * MINUTE_MS);
  let asked = 0;
  const review: TokenReviewer = async (token) => {
    if (!token.startsWith('honest')) asked += 1;
    return token.startsWith('honest') ? { username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: token } : undefined;
  };
  const service = new CertificateService({ authority: exampleAuthority('east.example', makeRoot('east.example', Date.now())), authenticator: new Authenticator(review, 'landbridge-system', () => performance.now()), identities: { runsOn: async () => true }, clock: Date.now, log: pino({ level: 'silent' }) });
  const request = Buffer.from(toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr: makeRequest(), validityDuration: 3600n, metadata: { ImpersonatedIdentity: 'spiffe://east.example/ns/shop/sa/cart' } })));
  const codeOf = async (token: string, peer: string): Promise<number | undefined> => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    return await new Promise((resolve) => service.handle({ request, metadata, getPeer: () => peer } as never, (thrown) => resolve((thrown as ServiceError | null)?.code)));
  };
  const codes = new Map<number | undefined, number>();
  let [sent, issued] = [0, 0];
  const startMs = performance.now();
  while (performance.now() - startMs < MINUTE_MS) {
    for (let i = 0; i < BATCH; i++) {
      const code = await codeOf(`made-up-${(sent += 1)}`, '10.9.0.1:40000');
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // New to the service each time.
    if ((await codeOf(`honest-${sent}`, '172.16.1.1:40000')) === undefined) issued += 1;
    await sleep(EVERY_MS);
  }
  const seconds = (performance.now() - startMs) / 1000;
  t.true(asked <= BURST + 1 + seconds / 6, `${asked} questions`);
  t.deepEqual(new Set(codes.keys()), new Set([status.UNAUTHENTICATED, status.RESOURCE_EXHAUSTED]));
  t.is(issued, sent / BATCH);
  t.log(`${sent} tokens in ${seconds.toFixed(1)} s (${Math.round(sent / seconds)} a second), ${asked} questions to the API server; ${issued} certificates for agents`);
});
