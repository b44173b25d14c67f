import { type SpiffeId, spiffeId } from '@landbridge/core/identity.ts';
import type { Candidate, ServiceLabels, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import { formatSocketAddress } from '@landbridge/wire/authority.ts';
import type { RegistryReads } from './registry-reads.ts';
import { addressesToDial, DEFAULT_HBONE_PORT, type Destination, type Upstream } from './upstreams.ts';
import type { Service, Workload } from './wds-address.ts';

/** A candidate whose rank and weight are still relative to those of others. */
export interface CandidateDraft {
  readonly candidate: Omit<Candidate, 'rank' | 'weight'>;
  /** Compared number by number, lower ones first. */
  readonly order: readonly number[];
  readonly share: number;
}

/** The pod of this node that a workload is, by the UID under which the agent captured it. */
export type LocalPodOf = (workload: Workload) => string | undefined;

/** A workload of many plans is asked for its identity for each of them. */
const identities = new WeakMap<Workload, SpiffeId | 'none'>();

export function identityOf(workload: Workload): SpiffeId | undefined {
  let identity = identities.get(workload);
  if (identity === undefined) {
    const made = spiffeId(workload);
    identities.set(workload, (identity = made.ok ? made.value : 'none'));
  }
  return identity === 'none' ? undefined : identity;
}

/** Who may answer for an upstream. */
export function identitiesOf({ workload, service }: Pick<Upstream, 'workload' | 'service'>): readonly SpiffeId[] {
  const own = identityOf(workload);
  return [...new Set([...(own === undefined ? [] : [own]), ...(service?.subjectAltNames ?? [])])];
}

export function labelsOf(workload: Workload): WorkloadLabels {
  const { workloadName, name, namespace, canonicalName, canonicalRevision, cluster, region, zone } = workload;
  return { workload: workloadName || name, namespace, canonicalName, canonicalRevision, cluster, region, zone, principal: identityOf(workload) ?? '' };
}

export const serviceLabels = ({ hostname, namespace, name }: Service): ServiceLabels => ({ hostname, namespace, name });

/** The labels that all have alike. */
export function commonLabels(all: readonly WorkloadLabels[]): WorkloadLabels {
  const [first] = all;
  const common = (of: keyof WorkloadLabels): string => (first !== undefined && all.every((labels) => labels[of] === first[of]) ? first[of] : '');
  return { workload: common('workload'), namespace: common('namespace'), canonicalName: common('canonicalName'), canonicalRevision: common('canonicalRevision'), cluster: common('cluster'), region: common('region'), zone: common('zone'), principal: common('principal') };
}

/** The ways straight to an upstream of the client's network; none where its names make no SPIFFE ID, or it has no address. */
export function directDrafts(reads: RegistryReads, upstream: Upstream, localPodOf: LocalPodOf): readonly CandidateDraft[] {
  const { workload, port, rank, share } = upstream;
  const ips = addressesToDial(reads, upstream);
  const takesHbone = workload.tunnel === 'hbone';
  const accepted = takesHbone ? identitiesOf(upstream) : [];
  if (takesHbone && accepted.length === 0) return [];
  return ips.map((ip) => ({
    candidate: {
      id: idOf(workload, ip, ips),
      hop: takesHbone ? 'hbone' : 'plain',
      address: ip,
      port: takesHbone ? DEFAULT_HBONE_PORT : port,
      authority: takesHbone ? formatSocketAddress({ ip, port }) : '',
      identities: accepted,
      innerIdentities: [],
      // What takes tunnels by itself, or behind a PROXY header, is not served by handing bytes to its port.
      localPod: workload.nativeTunnel || workload.applicationTunnel !== undefined ? undefined : localPodOf(workload),
      target: { ip, port },
      labels: labelsOf(workload),
    },
    order: [rank],
    share: share / ips.length,
  }));
}

/** The ways to a waypoint of the client's network: it is told the original destination. */
export function waypointDrafts(reads: RegistryReads, waypoint: Upstream, destination: Destination, order: readonly number[], share: number): readonly CandidateDraft[] {
  const accepted = identitiesOf(waypoint);
  const ips = addressesToDial(reads, waypoint);
  if (accepted.length === 0) return [];
  return ips.map((ip) => ({
    candidate: { id: idOf(waypoint.workload, ip, ips), hop: 'hbone', address: ip, port: waypoint.port, authority: formatSocketAddress(destination), identities: accepted, innerIdentities: [], localPod: undefined, target: undefined, labels: labelsOf(waypoint.workload) },
    order,
    share: share / ips.length,
  }));
}

export const idOf = (workload: Workload, ip: string, all: readonly string[]): string => (all.length === 1 ? workload.uid : `${workload.uid}/${ip}`);

/** Ranks without gaps and weights of at least 1, in the proportion of the shares. Of drafts with the same id the better one stays. */
export function finish(drafts: readonly CandidateDraft[]): Candidate[] {
  const byId = new Map<string, CandidateDraft>();
  for (const draft of drafts) {
    const known = byId.get(draft.candidate.id);
    const difference = known === undefined ? -1 : compare(draft.order, known.order);
    if (difference < 0) byId.set(draft.candidate.id, draft);
    else if (difference === 0 && known !== undefined) byId.set(draft.candidate.id, { ...known, share: known.share + draft.share });
  }
  const scale = Math.max(1, 1 / Math.min(...[...byId.values()].map(({ share }) => share)));
  return ranked([...byId.values()], ({ order }) => order).map(({ item, rank }) => ({ ...item.candidate, rank, weight: item.share * scale }));
}

/** Sorted by order, those of equal order as they came; ranks begin with 0 and have no gaps. */
export function ranked<T>(items: readonly T[], orderOf: (item: T) => readonly number[]): { readonly item: T; readonly rank: number }[] {
  const sorted = items.map((item) => ({ item, order: orderOf(item) })).sort((a, b) => compare(a.order, b.order));
  let rank = 0;
  return sorted.map(({ item, order }, i) => {
    const before = sorted[i - 1];
    if (before !== undefined && compare(before.order, order) !== 0) rank++;
    return { item, rank };
  });
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length || i < b.length; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) - (b[i] ?? 0);
  return 0;
}
