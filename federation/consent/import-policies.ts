import type { KubernetesObject } from '@kubernetes/client-node';
import { faulty, type ImportPolicy, parseImportPolicy } from './import-policy.ts';

/** Policies that are looked at for each import. */
export const MAX_POLICIES = 256;

export interface JudgedImportPolicy {
  readonly object: KubernetesObject;
  readonly policy: ImportPolicy;
}

/** All policies, in the order of their names. Those beyond the limit are not looked at, and so deny what they govern. */
export function readImportPolicies(objects: readonly KubernetesObject[]): readonly JudgedImportPolicy[] {
  const nameOf = ({ metadata }: KubernetesObject): string => metadata?.name ?? '';
  return [...objects]
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .map((object, i) => ({ object, policy: i < MAX_POLICIES ? parseImportPolicy(object) : faulty(nameOf(object), (object as { spec?: unknown }).spec, `there are more than ${MAX_POLICIES} policies`) }));
}
