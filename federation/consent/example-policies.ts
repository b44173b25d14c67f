/** ImportPolicies, and what they are asked about, for tests. */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Candidate } from './import-decision.ts';

export function examplePolicy(spec: unknown, name = 'imports'): KubernetesObject {
  return { apiVersion: 'landbridge.dev/v1alpha1', kind: 'ImportPolicy', metadata: { name }, spec } as KubernetesObject;
}

export function exampleCandidate(changes: Partial<Candidate> = {}): Candidate {
  return { cluster: 'west', namespace: 'shop', name: 'cart', isLocal: false, ...changes };
}
