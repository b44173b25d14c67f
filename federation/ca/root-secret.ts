import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { Authority, makeRoot, type RootMaterial } from './authority.ts';

const SECRET = 'landbridge-ca';
const ROOT_CONFIG_MAP = 'landbridge-ca-root';

/** The cluster's certificate authority: from its Secret, or a new one, which is then kept there. Tells agents the root. */
export async function loadAuthority(secrets: SecretStore, trustDomain: string, nowMs: number): Promise<Authority> {
  const authority = new Authority(await rootMaterial(secrets, trustDomain, nowMs), trustDomain);
  await secrets.writeConfigMap(ROOT_CONFIG_MAP, { 'root-cert.pem': authority.rootPem });
  return authority;
}

async function rootMaterial(secrets: SecretStore, trustDomain: string, nowMs: number): Promise<RootMaterial> {
  const known = await readRoot(secrets);
  if (known !== undefined) return known;
  const made = makeRoot(trustDomain, nowMs);
  try {
    await secrets.write(SECRET, { 'tls.crt': made.certificatePem, 'tls.key': made.keyPem }, undefined);
    return made;
  } catch (thrown) {
    // Another replica was first: its root counts.
    const theirs = thrown instanceof LandbridgeError && thrown.code === 'conflict' ? await readRoot(secrets) : undefined;
    if (theirs === undefined) throw thrown;
    return theirs;
  }
}

async function readRoot(secrets: SecretStore): Promise<RootMaterial | undefined> {
  const secret = await secrets.read(SECRET);
  if (secret === undefined) return undefined;
  return { certificatePem: secret.values['tls.crt'] ?? '', keyPem: secret.values['tls.key'] ?? '' };
}
