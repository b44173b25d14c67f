import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { CaConfig } from '../config.ts';
import { isConflict, type SecretStore } from '../kubernetes/secret-store.ts';
import type { Issuer } from './authority.ts';
import { CA_FILE_NAMES, type CaValues, readLayout } from './ca-layout.ts';
import type { CertificateRequests } from './csr/certificate-requests.ts';
import { csrSource } from './csr/csr-source.ts';
import { readIssuer } from './issuer-material.ts';
import type { ChainDemand } from './issuing-chain.ts';
import { makeRoot } from './own-root.ts';
import { encodeOwnRoots, parseOwnRoots, rootsPemOf } from './own-roots.ts';
import { parsePemCertificates } from './pem-certificates.ts';
import { parseAuthorityCertificate } from './authority-certificate.ts';

export const OWN_SECRET = 'landbridge-ca';
/** As a key's file may be, and a chain's. */
const MAX_FILE_BYTES = 256 * 1024;

/** Where the authority's material comes from. It may be another one each time that it is read. */
export interface CaSource {
  /** For messages. */
  readonly place: string;
  /** An error is for whoever has put it there. @throws LandbridgeError retryable where it could not be looked at */
  read(demand: ChainDemand): Promise<Result<Issuer>>;
}

/** The source that the configuration names. */
export function caSource({ source, secret, directory, signerName, rootsConfigMap, rootsKey }: CaConfig, secrets: SecretStore, requests: Pick<CertificateRequests, 'sign'>, clock: () => number): CaSource {
  switch (source) {
    case 'self':
      return ownRootSource(secrets);
    case 'secret':
      return secretSource(secrets, secret);
    case 'files':
      return folderSource(directory);
    case 'csr':
      return csrSource({ requests, signerName, configMaps: secrets, configMap: rootsConfigMap, key: rootsKey, clock });
    default:
      return source satisfies never;
  }
}

/** The service's own root: made where there is none, and kept in its Secret. */
export function ownRootSource(secrets: SecretStore): CaSource {
  return {
    place: `Secret ${OWN_SECRET}`,
    read: async (demand) => {
      const values = (await secrets.read(OWN_SECRET))?.values ?? (await makeOwnRoot(secrets, demand));
      return readOwnIssuer(values, demand);
    },
  };
}

/** The issuer that the values of the own Secret stand for. */
export function readOwnIssuer(values: CaValues, demand: ChainDemand): Result<Issuer> {
  const own = parseOwnRoots(values);
  if (!own.ok) return own;
  const { current, rotation } = own.value;
  if (rotation.kind === 'distributing') {
    // It is not used yet, but once it is needed is too late to find out.
    const next = readIssuer({ certificate: rotation.next.certificatePem, key: rotation.next.keyPem, chain: '', roots: '' }, demand);
    if (!next.ok) return err(`the next root: ${next.error}`);
  }
  if (rotation.kind === 'retiring') {
    // Text that holds no certificate would be passed over, and with it what still is of that root.
    const previous = parsePemCertificates(rotation.previousPem);
    if (!previous.ok || previous.value.length !== 1) return err(`the root before: ${previous.ok ? 'one certificate is needed' : previous.error}`);
  }
  const unnamed = namesTrustDomain(current.certificatePem, demand.trustDomain);
  if (unnamed !== undefined) return err(unnamed);
  return readIssuer({ certificate: current.certificatePem, key: current.keyPem, chain: '', roots: rootsPemOf(own.value) }, demand);
}

/** A root of our own names its trust domain: one that was made for another name of the cluster must not go on unnoticed. */
function namesTrustDomain(pem: string, trustDomain: string): string | undefined {
  const certificates = parsePemCertificates(pem);
  const [root] = certificates.ok ? certificates.value : [];
  const authority = root === undefined ? undefined : parseAuthorityCertificate(root.raw);
  if (authority?.ok !== true || authority.value.spiffeIds.includes(`spiffe://${trustDomain}`)) return undefined;
  return `it is of ${authority.value.spiffeIds[0]?.slice(0, 120) ?? 'no trust domain'}, not of spiffe://${trustDomain}; a trust domain can not be renamed`;
}

async function makeOwnRoot(secrets: SecretStore, { trustDomain, nowMs }: ChainDemand): Promise<CaValues> {
  const made = encodeOwnRoots({ current: makeRoot(trustDomain, nowMs), rotation: { kind: 'none' } });
  try {
    await secrets.write(OWN_SECRET, made, undefined);
    return made;
  } catch (thrown) {
    // Another replica was first: its root counts.
    const theirs = isConflict(thrown) ? await secrets.read(OWN_SECRET) : undefined;
    if (theirs === undefined) throw thrown;
    return theirs.values;
  }
}

/** A Secret that somebody else writes: Istio's `cacerts`, or one of cert-manager. */
export function secretSource(secrets: Pick<SecretStore, 'read'>, name: string): CaSource {
  return {
    place: `Secret ${name}`,
    read: async (demand) => {
      const secret = await secrets.read(name);
      return secret === undefined ? err('it is not there') : readPlugged(secret.values, demand);
    },
  };
}

/** Files of the same names in a folder, which somebody mounts. */
export function folderSource(folder: string): CaSource {
  return {
    place: folder,
    read: async (demand) => {
      const values = await readFolder(folder);
      return values.ok ? readPlugged(values.value, demand) : values;
    },
  };
}

function readPlugged(values: CaValues, demand: ChainDemand): Result<Issuer> {
  const files = readLayout(values);
  return files.ok ? readIssuer(files.value, demand) : files;
}

/** Only what a layout has. The kubelet replaces all of a volume's files at once (AtomicWriter): what was read half is wrong, and is read again. */
async function readFolder(folder: string): Promise<Result<CaValues>> {
  try {
    const names = (await readdir(folder)).filter((name) => CA_FILE_NAMES.includes(name));
    const values: Record<string, string> = {};
    for (const name of names) {
      const file = path.join(folder, name);
      if ((await stat(file)).size > MAX_FILE_BYTES) return err(`${name} is larger than ${MAX_FILE_BYTES} bytes`);
      values[name] = await readFile(file, 'utf8');
    }
    return ok(values);
  } catch (thrown) {
    return err(`it can not be read: ${(thrown as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
}
