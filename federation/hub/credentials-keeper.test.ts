import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { until } from '@landbridge/lab/until.ts';
import { createUser } from '@nats-io/nkeys';
import test from 'ava';
import { pino } from 'pino';
import { makeEd25519Keys } from '../join/ed25519.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { CredentialsKeeper } from './credentials-keeper.ts';
import { CredentialsSecret } from './kept-credentials.ts';

const DAYS_MS = 100 * 24 * 3_600_000;

test('what failed while the hub was away is tried again once it is back, however long the wait has become', async (t) => {
  let dials = 0;
  const hub = createServer((socket) => {
    dials++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  t.teardown(() => hub.close());
  await once(hub, 'listening');
  const { publicKey: recordPublicKey, privateKeyPem: recordPrivateKeyPem } = makeEd25519Keys();
  const credentials = {
    urls: [`tls://127.0.0.1:${(hub.address() as AddressInfo).port}`],
    caPem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    cluster: 'west',
    userJwt: 'a.b.c',
    userSeed: new TextDecoder().decode(createUser().getSeed()),
    recordPrivateKeyPem,
    recordPublicKey,
    authorityPublicKey: makeEd25519Keys().publicKey,
  };
  const secret = new CredentialsSecret(new MemorySecretStore(), 'west');
  await secret.write({ credentials, next: undefined, isLeaving: true }, undefined);
  let since: number | undefined;
  const keeper = new CredentialsKeeper({ secret, credentials, leadership: new ExampleLeadership(true), isRefused: () => false, connectedSince: () => since, isWithdrawn: () => true, clock: () => 1000, log: pino({ enabled: false }), retry: { firstMs: DAYS_MS, mostMs: DAYS_MS } });
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  await until('it must have failed', () => keeper.lastError !== undefined);
  const before = dials;
  t.is(keeper.lastError?.code, 'hub-unreachable');
  since = 2000;
  await until('it must try again', () => dials > before);
});
