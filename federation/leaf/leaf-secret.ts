/** The Secret `landbridge-leaf`: what the leaf node mounts, and what the federation service reaches it with. */
import { isDeepStrictEqual } from 'node:util';
import { createUser } from '@nats-io/nkeys';
import { nkeyAuthenticator } from '@nats-io/transport-node';
import { type HubAccess, hubTls } from '../bus/hub-access.ts';
import type { HubCredentials } from '../join/credentials.ts';
import { makeHubTls } from '../join/hub-material.ts';
import { memberInboxPrefix, userPublicKeyOf } from '../join/hub-users.ts';
import type { SecretStore, StoredSecret } from '../kubernetes/secret-store.ts';
import { leafConfig } from './leaf-config.ts';

export const LEAF_SECRET = 'landbridge-leaf';
/** The only key of the Secret that is not mounted into the leaf node. */
const CLIENT_SEED = 'client.seed';

export interface LeafPlace {
  /** Under which the federation service reaches the leaf node, `tls://host:port`. */
  readonly url: string;
  /** Where the hub's servers hear leaf nodes. */
  readonly hubPort: number;
}

/**
 * Has the Secret hold what follows from the credentials; keys and certificates that are there stay.
 * Whether it had to be written. @throws LandbridgeError `conflict`, retryable
 */
export async function keepLeafSecret(secrets: SecretStore, credentials: HubCredentials & { readonly leafJwt: string }, place: LeafPlace, now: Date): Promise<boolean> {
  const found = await secrets.read(LEAF_SECRET);
  const values = await leafValues(found?.values ?? {}, credentials, place, now);
  if (found !== undefined && isDeepStrictEqual(found.values, values)) return false;
  await secrets.write(LEAF_SECRET, values, found?.resourceVersion);
  return true;
}

/** How the federation service reaches the leaf node; undefined while there is no Secret, or one that lacks something. */
export function leafAccess({ values }: Pick<StoredSecret, 'values'>, cluster: string, { url }: LeafPlace): HubAccess | undefined {
  const { [CLIENT_SEED]: seed, 'leaf-ca.pem': ca } = values;
  if (seed === undefined || ca === undefined) return undefined;
  return { servers: [url], inboxPrefix: memberInboxPrefix(cluster), authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)), tls: hubTls([url], ca) };
}

async function leafValues(known: Readonly<Record<string, string>>, credentials: HubCredentials & { readonly leafJwt: string }, { url, hubPort }: LeafPlace, now: Date): Promise<Record<string, string>> {
  const seed = known[CLIENT_SEED] ?? new TextDecoder().decode(createUser().getSeed());
  return {
    'nats.conf': leafConfig({ credentials, hubPort, clientPublicKey: userPublicKeyOf(seed) }),
    'hub.creds': credentialsFile(credentials.leafJwt, credentials.userSeed),
    'hub-ca.pem': credentials.caPem,
    ...(await leafTls(known, url, now)),
    [CLIENT_SEED]: seed,
  };
}

async function leafTls(known: Readonly<Record<string, string>>, url: string, now: Date): Promise<Record<string, string>> {
  const { 'leaf-ca.pem': ca, 'leaf.pem': certificate, 'leaf-key.pem': key } = known;
  if (ca !== undefined && certificate !== undefined && key !== undefined) return { 'leaf-ca.pem': ca, 'leaf.pem': certificate, 'leaf-key.pem': key };
  const made = await makeHubTls([new URL(url.replace(/^tls:/, 'https:')).hostname], now);
  return { 'leaf-ca.pem': made.caPem, 'leaf.pem': made.certificatePem, 'leaf-key.pem': made.keyPem };
}

/** As nats-server reads it (nats-architecture-and-design, ADR-14). */
function credentialsFile(jwt: string, seed: string): string {
  return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
}
