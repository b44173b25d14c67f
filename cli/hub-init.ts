/** Everything that a new hub needs, made in one go: keys, certificates, the server's configuration, the founder's Secret. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { makeEd25519Keys } from '@landbridge/federation/join/ed25519.ts';
import type { HubAuthority } from '@landbridge/federation/join/credentials.ts';
import { type HubAccounts, makeFederation, makeHubAccounts } from '@landbridge/federation/join/hub-accounts.ts';
import { makeHubCertificates, type ServerTls } from '@landbridge/federation/join/hub-material.ts';
import { type HubOperatorFile, parseHubOperatorFile } from '@landbridge/federation/join/hub-operator.ts';
import { type HubUrl, hostsOf } from './hub-url.ts';
import { natsConfig } from './nats-config.ts';

export interface HubPlan {
  /** At least one. The hub listens on the port of the first; a hub of several servers has one for each. */
  readonly urls: readonly HubUrl[];
  /** Further DNS names and IP addresses for the certificate of each server. */
  readonly sans: readonly string[];
  /** Absolute. */
  readonly directory: string;
  readonly namespace: string;
  /** Where each server hears leaf nodes; nowhere where left out. */
  readonly leafPort?: number;
  /** How many servers, and where they hear each other; one where left out. */
  readonly servers?: { readonly count: 3 | 5; readonly routePorts: readonly number[] };
}

/** File contents by path relative to the plan's directory. */
export type HubFiles = ReadonlyMap<string, string>;

export const AUTHORITY_SECRET = 'landbridge-hub-authority';
const SECRET_FILE = 'authority-secret.yaml';
/** Whoever has it may add federations, and do anything to those that are there. */
export const OPERATOR_FILE = 'operator.json';

/** @throws LandbridgeError `hub-plan-invalid` where the addresses do not fit the servers */
export async function makeHub(plan: HubPlan, now: Date): Promise<HubFiles> {
  const { urls, sans, servers } = plan;
  if (servers !== undefined && urls.length !== servers.count) {
    throw new LandbridgeError('hub-plan-invalid', `A hub of ${servers.count} servers needs ${servers.count} addresses, there are ${urls.length}.`, { hint: 'Repeat --url, once for each server.' });
  }
  const hosts = servers === undefined ? [hostsOf(urls, sans)] : urls.map((url) => hostsOf([url], sans));
  const [tls, { authority: accountKeys, operator, ...accounts }] = await Promise.all([makeHubCertificates(hosts, now), makeHubAccounts()]);
  const place = { urls: urls.map((url) => url.text), caPem: tls.caPem, ...(servers === undefined ? {} : { replicas: servers.count }) };
  const operatorFile: HubOperatorFile = { v: 1, ...place, ...operator };
  const files = tls.servers.flatMap((server, index) => serverFiles(plan, index, server, tls.caPem, accounts));
  return new Map([...files, [OPERATOR_FILE, `${JSON.stringify(operatorFile)}\n`], [SECRET_FILE, authoritySecret(withAuthorityKeys({ ...place, ...accountKeys }), plan.namespace)]]);
}

/** The Secret that founds one more federation at a hub that is there: nothing of the hub's own files changes. */
export async function addFederation({ urls, caPem, replicas, ...operator }: HubOperatorFile, namespace: string): Promise<HubFiles> {
  const authority = withAuthorityKeys({ urls, caPem, ...(replicas === undefined ? {} : { replicas }), ...(await makeFederation(operator)) });
  return new Map([[SECRET_FILE, authoritySecret(authority, namespace)]]);
}

/** @throws LandbridgeError `hub-operator-unreadable` */
export async function readOperatorFile(directory: string): Promise<HubOperatorFile> {
  const file = path.join(directory, OPERATOR_FILE);
  const text = await readFile(file, 'utf8').catch((thrown: unknown) => {
    throw new LandbridgeError('hub-operator-unreadable', `${file} can not be read.`, { hint: 'Name the directory that landbridge hub init wrote. Hubs that version 0.1 made have no such file, and are for one federation.', cause: thrown });
  });
  const parsed = parseHubOperatorFile(text);
  if (!parsed.ok) throw new LandbridgeError('hub-operator-unreadable', `${file} is not what landbridge hub init writes: ${parsed.error}.`, { hint: 'Bring it back from a copy: without it no federation can be added to this hub.' });
  return parsed.value;
}

function withAuthorityKeys(place: Omit<HubAuthority, 'authorityPrivateKeyPem' | 'authorityPublicKey'>): HubAuthority {
  const keys = makeEd25519Keys();
  return { ...place, authorityPrivateKeyPem: keys.privateKeyPem, authorityPublicKey: keys.publicKey };
}

/** Of one server: in a folder of its own where there are several, which goes as it is to the same place on its machine. */
function serverFiles({ urls, directory, servers, leafPort }: HubPlan, index: number, tls: ServerTls, caPem: string, { operatorJwt, systemAccount, accounts }: Omit<HubAccounts, 'authority' | 'operator'>): (readonly [string, string])[] {
  const folder = servers === undefined ? '' : `server-${index + 1}`;
  const at = (...parts: readonly string[]): string => path.join(directory, folder, ...parts);
  const routes = servers?.routePorts.map((port, each) => `tls://${bracketed((urls[each] as HubUrl).host)}:${port}`) ?? [];
  const config = natsConfig({
    port: (urls[index] as HubUrl).port,
    leafPort,
    storeDirectory: at('jetstream'),
    accountsDirectory: at('accounts'),
    certificateFile: at('tls', 'hub.pem'),
    keyFile: at('tls', 'hub-key.pem'),
    operatorJwt,
    systemAccount,
    accounts,
    cluster: servers === undefined ? undefined : { serverName: `landbridge-hub-${index + 1}`, port: servers.routePorts[index] as number, routes, caFile: at('tls', 'ca.pem') },
  });
  const files = [['nats.conf', config], ['tls/ca.pem', caPem], ['tls/hub.pem', tls.certificatePem], ['tls/hub-key.pem', tls.keyPem]] as const;
  return files.map(([name, content]) => [path.join(folder, name), content]);
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

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
