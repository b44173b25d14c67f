import type { ServicePort } from '@landbridge/core/records.ts';

/** Fields of which an import has the value of one export. */
export type DecidedField = 'type' | 'sessionAffinity' | 'sessionAffinityConfig' | 'ipFamilies' | 'internalTrafficPolicy' | 'trafficDistribution' | 'exportedLabels' | 'exportedAnnotations';

interface Dispute {
  /** The cluster that decided. */
  readonly winner: string;
  /** Those that say something else, sorted. */
  readonly losers: readonly string[];
}

/** Something that exports of one service do not agree on. */
export type Conflict =
  | (Dispute & { readonly kind: 'value'; readonly field: DecidedField; /** Empty where it is too long to be told. */ readonly value: string })
  /** The losers' port has the name or the number of another one of the winner's, and is left out. */
  | (Dispute & { readonly kind: 'port-displaced'; readonly field: 'ports'; readonly port: ServicePort; readonly by: ServicePort })
  /** The port is among more than an import has. */
  | (Dispute & { readonly kind: 'port-surplus'; readonly field: 'ports'; readonly port: ServicePort })
  | (Dispute & { readonly kind: 'port-protocol'; readonly field: 'ports'; readonly port: ServicePort })
  /** The losers have no such port; nobody is sent there by it. */
  | (Dispute & { readonly kind: 'port-absent'; readonly field: 'ports'; readonly port: ServicePort });

/** Reasons of a ServiceExport's condition `Conflict` (KEP-1645, mcs-api v1beta1). */
const REASONS = {
  ports: 'PortConflict',
  type: 'TypeConflict',
  sessionAffinity: 'SessionAffinityConflict',
  sessionAffinityConfig: 'SessionAffinityConfigConflict',
  ipFamilies: 'IPFamilyConflict',
  internalTrafficPolicy: 'InternalTrafficPolicyConflict',
  trafficDistribution: 'TrafficDistributionConflict',
  exportedLabels: 'LabelsConflict',
  exportedAnnotations: 'AnnotationsConflict',
} as const satisfies Record<Conflict['field'], string>;

/** Of the message of a condition, which may have 32,768. */
const MAX_MESSAGE = 4000;
/** Names of clusters in one sentence. */
const MAX_NAMED = 8;

/** Several are joined by commas, in the order of the table above. Empty without conflicts. */
export function conflictReason(conflicts: readonly Conflict[]): string {
  const fields = new Set<string>(conflicts.map(({ field }) => field));
  return Object.entries(REASONS).filter(([field]) => fields.has(field)).map(([, reason]) => reason).join(',');
}

/** A sentence for each conflict, as many as there is room for. */
export function conflictMessage(conflicts: readonly Conflict[]): string {
  let message = '';
  for (const [index, conflict] of conflicts.entries()) {
    const sentence = `${message === '' ? '' : '. '}${describeConflict(conflict)}`;
    if (message.length + sentence.length > MAX_MESSAGE) return `${message}. And ${conflicts.length - index} more`;
    message += sentence;
  }
  return message;
}

/** A sentence each, at most so many, and how many more there are. */
export function describeConflicts(conflicts: readonly Conflict[], most: number): string[] {
  const told = conflicts.slice(0, most).map(describeConflict);
  return conflicts.length > most ? [...told, `and ${conflicts.length - most} more`] : told;
}

/** What is not agreed on, who decided, why, and who differs. */
export function describeConflict(conflict: Conflict): string {
  const { winner } = conflict;
  const losers = namesOf(conflict.losers);
  switch (conflict.kind) {
    case 'value':
      return `${conflict.field} ${conflict.value === '' ? `are those of ${winner}` : `is ${conflict.value} as in ${winner}`}, whose export was seen first, other than in ${losers}`;
    case 'port-displaced':
      return `ports: ${portText(conflict.port)} of ${losers} is left out for ${portText(conflict.by)} of ${winner}, whose export was seen first`;
    case 'port-surplus':
      return `ports: ${portText(conflict.port)} of ${losers} is left out, since there are too many before it, the first of ${winner}, whose export was seen first`;
    case 'port-protocol':
      return `ports: the application protocol of ${portText(conflict.port)} is ${conflict.port.appProtocol ?? 'none'} as in ${winner}, whose export was seen first, other than in ${losers}`;
    case 'port-absent':
      return `ports: ${portText(conflict.port)} is in ${winner} and not in ${losers}, ports are united and each leads to the clusters that have it`;
    default:
      return conflict satisfies never;
  }
}

function namesOf(clusters: readonly string[]): string {
  const named = clusters.slice(0, MAX_NAMED).join(', ');
  return clusters.length > MAX_NAMED ? `${named} and ${clusters.length - MAX_NAMED} more` : named;
}

const portText = ({ name, port, protocol }: ServicePort): string => `${name === '' ? '' : `${name} `}${port}/${protocol}`;
