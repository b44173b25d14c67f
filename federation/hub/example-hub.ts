/** A hub as `landbridge hub init` makes one, for tests. */
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { freePort } from '@landbridge/lab/free-ports.ts';
import { createAccount } from '@nats-io/nkeys';
import { TestNatsServer } from '../bus/test-nats-server.ts';
import type { HubAuthority } from '../join/credentials.ts';
import { makeEd25519Keys } from '../join/ed25519.ts';
import { makeFederation, makeHubAccounts } from '../join/hub-accounts.ts';
import { makeHubTls } from '../join/hub-material.ts';
import { HUB_DOMAIN } from '../join/hub-users.ts';

export interface ExampleHub extends AsyncDisposable {
  readonly server: TestNatsServer;
  readonly authority: HubAuthority;
  /** Where it hears leaf nodes. */
  readonly leafPort: number;
  /** Of one more federation, of which the hub has not heard. */
  addFederation(): Promise<HubAuthority>;
}

export async function startExampleHub(): Promise<ExampleHub> {
  const [tls, { operatorJwt, systemAccount, accounts, authority: keys, operator }] = await Promise.all([makeHubTls(['127.0.0.1'], new Date()), makeHubAccounts()]);
  const leafPort = await freePort();
  const server = await TestNatsServer.start(async (store, port) => {
    const folder = dirname(store);
    const [certificate, key, config] = ['hub.pem', 'hub-key.pem', 'nats.conf'].map((name) => join(folder, name)) as [string, string, string];
    const quoted = JSON.stringify;
    await Promise.all([
      writeFile(certificate, tls.certificatePem),
      writeFile(key, tls.keyPem),
      writeFile(config, `host: 127.0.0.1
port: ${port}
tls { cert_file: ${quoted(certificate)}, key_file: ${quoted(key)}, timeout: 30 }
authorization { timeout: 30 }
jetstream { store_dir: ${quoted(store)}, domain: ${HUB_DOMAIN} }
leafnodes { listen: "127.0.0.1:${leafPort}", tls { cert_file: ${quoted(certificate)}, key_file: ${quoted(key)}, timeout: 30 }, authorization { timeout: 30 } }
operator: ${quoted(operatorJwt)}
system_account: ${quoted(systemAccount)}
resolver { type: full, dir: ${quoted(join(folder, 'accounts'))} }
resolver_preload: { ${[...accounts].map(([account, jwt]) => `${account}: ${quoted(jwt)}`).join(', ')} }
`),
    ]);
    return config;
  });
  const place = { urls: [`tls://127.0.0.1:${server.port}`], caPem: tls.caPem };
  const authority = exampleAuthority({ ...place, ...keys });
  const addFederation = async (): Promise<HubAuthority> => exampleAuthority({ ...place, ...(await makeFederation(operator)) });
  return { server, authority, leafPort, addFederation, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
}

/** Without changes, of a hub that nobody runs. */
export function exampleAuthority(changes: Partial<HubAuthority> = {}): HubAuthority {
  const keys = makeEd25519Keys();
  return {
    urls: ['tls://127.0.0.1:1'],
    caPem: '-----BEGIN CERTIFICATE-----\n',
    accountPublicKey: createAccount().getPublicKey(),
    accountSigningSeed: new TextDecoder().decode(createAccount().getSeed()),
    authorityPrivateKeyPem: keys.privateKeyPem,
    authorityPublicKey: keys.publicKey,
    ...changes,
  };
}
