import type { ResourceKind } from '../kubernetes/object-source.ts';
import type { OptionalKind } from '../kubernetes/optional-source.ts';
import { MANAGED_BY, MANAGED_BY_LABEL, MCS_VERSION } from '../kubernetes/types.ts';

/** What is read of every cluster. */
export const KINDS = {
  services: { apiVersion: 'v1', kind: 'Service', plural: 'services' },
  slices: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', plural: 'endpointslices' },
  pods: { apiVersion: 'v1', kind: 'Pod', plural: 'pods' },
  nodes: { apiVersion: 'v1', kind: 'Node', plural: 'nodes' },
  namespaces: { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' },
  exports: { apiVersion: MCS_VERSION, kind: 'ServiceExport', plural: 'serviceexports' },
  imports: { apiVersion: MCS_VERSION, kind: 'ServiceImport', plural: 'serviceimports' },
} as const satisfies Record<string, ResourceKind>;

/** Of Istio, which may be installed later than we are, and go again. */
export const OPTIONAL_KINDS = {
  serviceEntries: { group: 'networking.istio.io', versions: ['v1'], kind: 'ServiceEntry', plural: 'serviceentries', labelSelector: `${MANAGED_BY_LABEL}=${MANAGED_BY}` },
  authorizationPolicies: { group: 'security.istio.io', versions: ['v1', 'v1beta1'], kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' },
  peerAuthentications: { group: 'security.istio.io', versions: ['v1', 'v1beta1'], kind: 'PeerAuthentication', plural: 'peerauthentications' },
} as const satisfies Record<string, OptionalKind>;

export type Kind = keyof typeof KINDS | keyof typeof OPTIONAL_KINDS;
