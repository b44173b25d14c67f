/** DestinationRules of an API server, for tests. */
import type { KubernetesObject } from '@kubernetes/client-node';

export function exampleRule(spec: unknown, metadata: object = {}): KubernetesObject & { readonly spec?: unknown } {
  return { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { namespace: 'shop', name: 'rule', creationTimestamp: new Date('2026-01-01T00:00:00Z'), ...metadata }, spec };
}

export const boundedBy = (host: string, maxConnections: number): object => ({ host, trafficPolicy: { connectionPool: { tcp: { maxConnections } } } });
