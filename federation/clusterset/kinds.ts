import type { ResourceKind } from '../kubernetes/object-source.ts';
import type { OptionalKind } from '../kubernetes/optional-source.ts';
import { MCS_VERSION } from '../kubernetes/types.ts';
import { MEMBER_GROUP } from '../peers/member-object.ts';

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

/** Of Istio, the Gateway API and the About API (KEP-2149), which may be installed later than we are, and go again; and our own that older charts have not brought. */
export const OPTIONAL_KINDS = {
  clusterProperties: { group: 'about.k8s.io', versions: ['v1beta1'], kind: 'ClusterProperty', plural: 'clusterproperties' },
  serviceEntries: { group: 'networking.istio.io', versions: ['v1', 'v1beta1'], kind: 'ServiceEntry', plural: 'serviceentries' },
  workloadEntries: { group: 'networking.istio.io', versions: ['v1', 'v1beta1'], kind: 'WorkloadEntry', plural: 'workloadentries' },
  authorizationPolicies: { group: 'security.istio.io', versions: ['v1', 'v1beta1'], kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' },
  importPolicies: { group: 'landbridge.dev', versions: ['v1alpha1'], kind: 'ImportPolicy', plural: 'importpolicies' },
  destinationRules: { group: 'networking.istio.io', versions: ['v1', 'v1beta1'], kind: 'DestinationRule', plural: 'destinationrules' },
  members: { group: MEMBER_GROUP, versions: ['v1alpha1'], kind: 'Member', plural: 'members' },
  peerAuthentications: { group: 'security.istio.io', versions: ['v1', 'v1beta1'], kind: 'PeerAuthentication', plural: 'peerauthentications' },
  gateways: { group: 'gateway.networking.k8s.io', versions: ['v1', 'v1beta1'], kind: 'Gateway', plural: 'gateways' },
  serviceRoutes: { group: 'landbridge.dev', versions: ['v1alpha1'], kind: 'ServiceRoute', plural: 'serviceroutes' },
} as const satisfies Record<string, OptionalKind>;

export type Kind = keyof typeof KINDS | keyof typeof OPTIONAL_KINDS;
