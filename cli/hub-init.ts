/** Everything that a new hub needs, made in one go: keys, certificates, the server's configuration, the founder's Secret. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { makeEd25519Keys } from '@landbridge/federation/join/ed25519.ts';
import type { HubAuthority } from '@landbridge/federation/join/credentials.ts';
import { makeHubTls } from '@landbridge/federation/join/hub-material.ts';
import type { Account, OperatorLimits } from '@nats-io/jwt';
import { encodeAccount, encodeOperator } from '@nats-io/jwt';
import { createAccount, createOperator, type KeyPair } from '@nats-io/nkeys';
import { type HubUrl, hostsOf } from './hub-url.ts';
import { natsConfig } from './nats-config.ts';

export interface HubPlan {
  /** At least one. The hub listens on the port of the first. */
  readonly urls: readonly HubUrl[];
  /** Further DNS names and IP addresses for the certificate. */
  readonly sans: readonly string[];
  /** Absolute. */
  readonly directory: string;
  readonly namespace: string;
}

/** File contents by path relative to the plan's directory. */
export type HubFiles = ReadonlyMap<string, string>;

export const AUTHORITY_SECRET = 'landbridge-hub-authority';
/** -1 is "no limit" in NATS' JWTs; a missing number is 0, which is "none". */
const NO_LIMIT = -1;
const ACCOUNT_LIMITS: OperatorLimits = { data: NO_LIMIT, payload: NO_LIMIT, subs: NO_LIMIT, conn: NO_LIMIT, leaf: 0, imports: 0, exports: 0, wildcards: false };
const JETSTREAM_LIMITS: OperatorLimits = { mem_storage: NO_LIMIT, disk_storage: NO_LIMIT, streams: NO_LIMIT, consumer: NO_LIMIT };

/** The operator's and the accounts' own keys are not kept: users are made by the signing key, and the accounts never change. */
export async function makeHub(plan: HubPlan, now: Date): Promise<HubFiles> {
  const [operator, account, signing, system] = [createOperator(), createAccount(), createAccount(), createAccount()];
  const accountClaims: Partial<Account> = { limits: { ...ACCOUNT_LIMITS, ...JETSTREAM_LIMITS }, signing_keys: [signing.getPublicKey()] };
  const [tls, operatorJwt, accountJwt, systemJwt] = await Promise.all([
    makeHubTls(hostsOf(plan.urls, plan.sans), now),
    encodeOperator('landbridge', operator, { system_account: system.getPublicKey() }),
    encodeAccount('landbridge', account, accountClaims, { signer: operator }),
    encodeAccount('SYS', system, { limits: ACCOUNT_LIMITS }, { signer: operator }),
  ]);
  const keys = makeEd25519Keys();
  const authority: HubAuthority = {
    urls: plan.urls.map((url) => url.text),
    caPem: tls.caPem,
    accountPublicKey: account.getPublicKey(),
    accountSigningSeed: seedOf(signing),
    authorityPrivateKeyPem: keys.privateKeyPem,
    authorityPublicKey: keys.publicKey,
  };
  const config = natsConfig({
    port: (plan.urls[0] as HubUrl).port,
    storeDirectory: path.join(plan.directory, 'jetstream'),
    certificateFile: path.join(plan.directory, 'tls', 'hub.pem'),
    keyFile: path.join(plan.directory, 'tls', 'hub-key.pem'),
    operatorJwt,
    systemAccount: system.getPublicKey(),
    accounts: new Map([[account.getPublicKey(), accountJwt], [system.getPublicKey(), systemJwt]]),
  });
  return new Map([
    ['nats.conf', config],
    ['tls/ca.pem', tls.caPem],
    ['tls/hub.pem', tls.certificatePem],
    ['tls/hub-key.pem', tls.keyPem],
    ['authority-secret.yaml', authoritySecret(authority, plan.namespace)],
  ]);
}

/** Never over the files of another hub: a second set of keys would lock every member out. */
export async function writeHub(directory: string, files: HubFiles): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const present = await readdir(directory);
  const taken = [...files.keys()].map((name) => name.split('/')[0] as string).find((name) => present.includes(name));
  if (taken !== undefined) {
    throw new LandbridgeError('hub-files-exist', `${path.join(directory, taken)} exists already.`, { hint: 'Choose another directory for --out, or remove the old hub’s files if it is no longer used.' });
  }
  for (const [name, content] of files) {
    const file = path.join(directory, name);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, content, { mode: 0o600, flag: 'wx' });
  }
}

function authoritySecret(authority: HubAuthority, namespace: string): string {
  // Every JSON string is a YAML string, so the file needs no YAML library.
  return `apiVersion: v1
kind: Secret
metadata:
  name: ${AUTHORITY_SECRET}
  namespace: ${namespace}
  labels:
    app.kubernetes.io/part-of: landbridge
type: Opaque
stringData:
  hub.json: ${JSON.stringify(JSON.stringify(authority))}
`;
}

function seedOf(keys: KeyPair): string {
  return new TextDecoder().decode(keys.getSeed());
}
