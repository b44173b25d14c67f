/** A hub as `landbridge hub init` makes one, for tests. */
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeAccount, encodeOperator, type Account } from '@nats-io/jwt';
import { createAccount, createOperator } from '@nats-io/nkeys';
import { TestNatsServer } from '../bus/test-nats-server.ts';
import type { HubAuthority } from '../join/credentials.ts';
import { makeEd25519Keys } from '../join/ed25519.ts';
import { makeHubTls } from '../join/hub-material.ts';

const LIMITS = { data: -1, payload: -1, subs: -1, conn: -1, leaf: 0, imports: 0, exports: 0, wildcards: false };
const JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

export interface ExampleHub extends AsyncDisposable {
  readonly server: TestNatsServer;
  readonly authority: HubAuthority;
}

export async function startExampleHub(): Promise<ExampleHub> {
  const [operator, account, signing, system] = [createOperator(), createAccount(), createAccount(), createAccount()];
  const claims: Partial<Account> = { limits: { ...LIMITS, ...JETSTREAM }, signing_keys: [signing.getPublicKey()] };
  const [tls, operatorJwt, accountJwt, systemJwt] = await Promise.all([
    makeHubTls(['127.0.0.1'], new Date()),
    encodeOperator('test', operator, { system_account: system.getPublicKey() }),
    encodeAccount('test', account, claims, { signer: operator }),
    encodeAccount('SYS', system, { limits: LIMITS }, { signer: operator }),
  ]);
  const server = await TestNatsServer.start(async (store, port) => {
    const folder = dirname(store);
    const [certificate, key, config] = ['hub.pem', 'hub-key.pem', 'nats.conf'].map((name) => join(folder, name)) as [string, string, string];
    const quoted = JSON.stringify;
    await Promise.all([
      writeFile(certificate, tls.certificatePem),
      writeFile(key, tls.keyPem),
      writeFile(config, `host: 127.0.0.1
port: ${port}
tls { cert_file: ${quoted(certificate)}, key_file: ${quoted(key)} }
jetstream { store_dir: ${quoted(store)} }
operator: ${quoted(operatorJwt)}
system_account: ${quoted(system.getPublicKey())}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${quoted(accountJwt)}, ${system.getPublicKey()}: ${quoted(systemJwt)} }
`),
    ]);
    return config;
  });
  const authority = exampleAuthority({ urls: [`tls://127.0.0.1:${server.port}`], caPem: tls.caPem, accountPublicKey: account.getPublicKey(), accountSigningSeed: new TextDecoder().decode(signing.getSeed()) });
  return { server, authority, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
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
