import type { V1Pod } from '@kubernetes/client-node';
import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';

/** Identities of pods that an agent on their node may have certificates for: those that run, or are about to, in networks of their own. */
export function podIdentities(pods: readonly V1Pod[], node: string, trustDomain: string): ReadonlySet<SpiffeId> {
  const found = new Set<SpiffeId>();
  for (const { spec, status, metadata } of pods) {
    if (spec?.nodeName !== node || spec.hostNetwork === true || status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
    const id = spiffeId({ trustDomain, namespace: metadata?.namespace ?? '', serviceAccount: spec.serviceAccountName ?? 'default' });
    if (id.ok) found.add(id.value);
  }
  return found;
}
