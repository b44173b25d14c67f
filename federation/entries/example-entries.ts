/** Objects of an API server, for tests. */
import type { KubernetesObject } from '@kubernetes/client-node';

type Metadata = NonNullable<KubernetesObject['metadata']>;

/** For tests. */
export interface EntryObject extends KubernetesObject {
  readonly metadata: Metadata;
  readonly spec: unknown;
  readonly status?: object;
}

export function exampleServiceEntry(name: string, spec: unknown, metadata: Partial<Metadata> = {}, status?: object): EntryObject {
  return { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name, namespace: 'shop', ...metadata }, spec: isPlain(spec) ? { hosts: ['db.example'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], ...spec } : spec, ...(status === undefined ? {} : { status }) };
}

export function exampleWorkloadEntry(name: string, spec: unknown, metadata: Partial<Metadata> = {}, status?: object): EntryObject {
  return { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: { name, namespace: 'shop', ...metadata }, spec: isPlain(spec) ? { address: '192.0.2.9', ...spec } : spec, ...(status === undefined ? {} : { status }) };
}

const isPlain = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
