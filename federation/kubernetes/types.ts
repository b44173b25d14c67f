import type { KubernetesObject, V1Condition, V1EndpointSlice, V1Namespace, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';

/** Multi-Cluster Services API (KEP-1645), v1beta1. */
export const MCS_GROUP = 'multicluster.x-k8s.io';
export const MCS_VERSION = `${MCS_GROUP}/v1beta1`;

export interface ServiceExport extends KubernetesObject {
  readonly spec?: { readonly exportedLabels?: Readonly<Record<string, string>>; readonly exportedAnnotations?: Readonly<Record<string, string>> };
  readonly status?: { readonly conditions?: readonly V1Condition[] };
}

export interface ServiceImportPort {
  readonly name?: string;
  readonly protocol?: string;
  readonly appProtocol?: string;
  readonly port: number;
}

export interface ServiceImport extends KubernetesObject {
  readonly spec?: {
    readonly type?: string;
    readonly ports?: readonly ServiceImportPort[];
    readonly ips?: readonly string[];
    readonly ipFamilies?: readonly string[];
    readonly internalTrafficPolicy?: string;
    readonly trafficDistribution?: string;
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
  };
  readonly status?: { readonly clusters?: readonly { readonly cluster: string }[]; readonly conditions?: readonly V1Condition[] };
}

/** What this cluster's API server says: the inputs of everything that is computed. */
export interface ClusterObjects {
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
  readonly pods: readonly V1Pod[];
  readonly nodes: readonly V1Node[];
  readonly namespaces: readonly V1Namespace[];
  readonly exports: readonly ServiceExport[];
  readonly imports: readonly ServiceImport[];
}

/** On everything that this service writes. */
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = 'landbridge';
export const SLICE_MANAGER_LABEL = 'endpointslice.kubernetes.io/managed-by';
export const SLICE_MANAGER = 'endpointslice-controller.landbridge.dev';
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const MCS_SERVICE_LABEL = 'multicluster.kubernetes.io/service-name';
export const MCS_SOURCE_LABEL = 'multicluster.kubernetes.io/source-cluster';
export const DERIVED_SERVICE_ANNOTATION = 'multicluster.kubernetes.io/derived-service';

export const keyOf = (object: KubernetesObject): string => `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
export const isOurs = (object: KubernetesObject): boolean => object.metadata?.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
