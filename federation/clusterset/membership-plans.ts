/** What joining or leaving would create, change and delete in this cluster, listed without writing anything. */
import type { AdminPlan } from '../admin/admin-api.ts';
import type { FederationConfig } from '../config.ts';
import { CREDENTIALS_SECRET } from '../hub/kept-credentials.ts';
import { JOIN_KEYS_SECRET } from '../hub/kept-join-keys.ts';
import type { JoinPreview } from '../join/join-preview.ts';
import type { Constituent } from '../merge/merge.ts';
import type { PlannedChange } from '../outputs/plan.ts';
import type { Clusterset } from './clusterset.ts';

type Planner = Pick<Clusterset, 'plan'>;
type Names = Pick<FederationConfig, 'cluster' | 'namespace'>;

export function leavePlan({ cluster, namespace }: Names, clusterset: Planner): AdminPlan {
  const notes = ['Services that this cluster exports are none any more for the others.', `${CREDENTIALS_SECRET} keeps nothing but the mark that the cluster has left.`];
  return { cluster, changes: [secret('change', namespace, CREDENTIALS_SECRET), ...clusterset.plan([])], notes };
}

export function joinPlan({ cluster, namespace }: Names, clusterset: Planner, { clusters, isWhole }: JoinPreview): AdminPlan {
  const secrets = [JOIN_KEYS_SECRET, CREDENTIALS_SECRET].map((name) => secret('create', namespace, name));
  const others = clusters.map(constituentOf);
  const notes = [
    `${others.length === 1 ? 'The only other member is' : 'Other members are'} ${others.map((other) => other.cluster).sort().join(', ') || 'nobody'}. The token was not spent.`,
    'What an ImportPolicy of this cluster does not admit, or whose endpoints are not where their cluster declared them, is not made.',
    ...(isWhole ? [] : ['There are more services than the founder can tell at once: the list has the first of them.']),
  ];
  return { cluster, changes: [...secrets, ...clusterset.plan(others)], notes };
}

const secret = (verb: PlannedChange['verb'], namespace: string, name: string): PlannedChange => ({ verb, apiVersion: 'v1', kind: 'Secret', namespace, name });

function constituentOf({ cluster, trustDomain, network, joinedAt, services }: JoinPreview['clusters'][number]): Constituent {
  const named = services.map(({ record, endpoints }) => ({ key: `${record.namespace}/${record.name}`, record, endpoints }));
  return { cluster, trustDomain, network, joinedAt, services: new Map(named.map(({ key, record }) => [key, record])), endpoints: new Map(named.map(({ key, endpoints }) => [key, endpoints])) };
}
