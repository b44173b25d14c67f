import { createHash } from 'node:crypto';
import type { KubernetesObject } from '@kubernetes/client-node';
import { isOurs, MANAGED_BY, MANAGED_BY_LABEL } from '../kubernetes/types.ts';
import { type Change, covers } from '../outputs/changes.ts';

/** KEP-2149: names of a cluster that everything in it can read. */
export const CLUSTER_PROPERTY = 'cluster.clusterset.k8s.io';
export const CLUSTERSET_PROPERTY = 'clusterset.k8s.io';

export interface Belonging {
  readonly cluster: string;
  /** Undefined where the cluster is in no clusterset; `unknown` before that is known. */
  readonly clusterset: string | undefined;
}

/** A clusterset is who admits its members: 20 hexadecimal digits over the key of that authority. */
export const clustersetId = (authorityPublicKey: string): string => createHash('sha256').update(authorityPublicKey).digest('hex').slice(0, 20);

/** What to write so that the properties say to what the cluster belongs. Those of somebody else stay. */
export function propertyChanges(apiVersion: string, { cluster, clusterset }: Belonging, existing: (name: string) => KubernetesObject | undefined): readonly Change[] {
  const wanted = [[CLUSTER_PROPERTY, cluster], [CLUSTERSET_PROPERTY, clusterset]] as const;
  return wanted.flatMap(([name, value]): Change[] => {
    const known = existing(name);
    if (value === 'unknown' || (known !== undefined && !isOurs(known))) return [];
    if (value === undefined) return known === undefined || known.metadata?.deletionTimestamp !== undefined ? [] : [{ verb: 'delete', object: known }];
    const object = { apiVersion, kind: 'ClusterProperty', metadata: { name, labels: { [MANAGED_BY_LABEL]: MANAGED_BY } }, spec: { value } };
    return known !== undefined && covers(known, object) ? [] : [{ verb: 'apply', object }];
  });
}
