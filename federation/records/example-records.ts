/** Clusters, keys and records for tests. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type Endpoint, type RecordBody, recordKey } from '@landbridge/core/records.ts';
import { rawPublicKey } from '../join/ed25519.ts';
import { type Member, signMember } from './members.ts';

export interface ExampleKeys {
  readonly privateKey: KeyObject;
  /** 32 raw bytes in base64url. */
  readonly publicKey: string;
}

export function exampleKeys(): ExampleKeys {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: rawPublicKey(privateKey) };
}

export const exampleAuthority = exampleKeys();

export function exampleMember(cluster: string, keys: ExampleKeys, changes: Partial<Member> = {}): Member {
  return {
    cluster,
    recordPublicKey: keys.publicKey,
    userPublicKey: `U${'A'.repeat(55)}`,
    trustDomain: `${cluster}.landbridge`,
    roots: ['AAAA'],
    network: '',
    joinedAt: 1_700_000_000_000,
    revoked: false,
    ...changes,
  };
}

export function exampleMemberBytes(cluster: string, keys: ExampleKeys, gen = 1, changes: Partial<Member> = {}): Uint8Array {
  return signMember(exampleAuthority.privateKey, exampleMember(cluster, keys, changes), { epoch: 1, gen });
}

export function service(name: string, port = 80): RecordBody {
  return {
    kind: 'svc',
    namespace: 'shop',
    name,
    exportedAt: 1,
    type: 'ClusterSetIP',
    ports: [{ name: '', protocol: 'TCP', port }],
    sessionAffinity: 'None',
    ipFamilies: ['IPv4'],
  };
}

export function endpoint(workload: string, address = '10.0.0.1'): Endpoint {
  return {
    workload,
    addresses: [address],
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    ready: true,
    serving: true,
    terminating: false,
    serviceAccount: 'default',
    tunnel: 'hbone',
    node: 'node-1',
    region: '',
    zone: '',
  };
}

export function endpoints(name: string, shard: number, ...list: readonly Endpoint[]): RecordBody {
  return { kind: 'eps', namespace: 'shop', name, shard, endpoints: [...list] };
}

export const meta: RecordBody = { kind: 'meta', trustDomain: 'west.landbridge', network: '', version: '0.1.0' };

export function wish(...bodies: readonly RecordBody[]): ReadonlyMap<string, RecordBody> {
  return new Map(bodies.map((body) => [recordKey(body), body]));
}
