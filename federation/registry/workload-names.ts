import type { V1Pod } from '@kubernetes/client-node';

/** What a pod belongs to, in the words of Istio's workload API; names in metrics and logs, and nothing more. */
export interface WorkloadNames {
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly workloadName: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
}

const TEMPLATE_HASH_LABEL = 'pod-template-hash';
/** The first label that is there counts, as for Istio. */
const NAME_LABELS = ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app'];
const REVISION_LABELS = ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version'];
/** A CronJob calls its Jobs by itself and the minute that they are due at. */
const CRON_JOB = /^(.+)-\d{8,10}$/;

export function workloadNames({ metadata }: V1Pod): WorkloadNames {
  const labels = metadata?.labels ?? {};
  const owner = owned(metadata);
  return { ...owner, ...canonicalNames(labels, owner.workloadName) };
}

/** What something calls itself by its labels. */
export function canonicalNames(labels: Readonly<Record<string, string>>, workloadName: string): Pick<WorkloadNames, 'canonicalName' | 'canonicalRevision'> {
  return { canonicalName: first(labels, NAME_LABELS) ?? workloadName, canonicalRevision: first(labels, REVISION_LABELS) ?? 'latest' };
}

function owned(metadata: V1Pod['metadata']): Pick<WorkloadNames, 'workloadType' | 'workloadName'> {
  const { kind, name = '' } = metadata?.ownerReferences?.find(({ controller }) => controller === true) ?? {};
  const hash = metadata?.labels?.[TEMPLATE_HASH_LABEL];
  // The ReplicaSet itself says whose it is; that it is called so is enough to spare following all of them.
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`)) return { workloadType: 'deployment', workloadName: name.slice(0, -hash.length - 1) };
  if (kind === 'Job') {
    const [, cronJob] = CRON_JOB.exec(name) ?? [];
    return cronJob === undefined ? { workloadType: 'job', workloadName: name } : { workloadType: 'cronjob', workloadName: cronJob };
  }
  return { workloadType: 'pod', workloadName: metadata?.name ?? '' };
}

function first(labels: Readonly<Record<string, string>>, names: readonly string[]): string | undefined {
  return names.map((name) => labels[name]).find((value) => value !== undefined && value !== '');
}
