/** Where the API server has an object, by what it is. */
import type { KubernetesObject } from '@kubernetes/client-node';
import { LandbridgeError } from '@landbridge/core/errors.ts';

/** Of every kind of which objects are written. */
const PLURALS: Readonly<Record<string, string>> = {
  ClusterProperty: 'clusterproperties',
  EndpointSlice: 'endpointslices',
  Gateway: 'gateways',
  Member: 'members',
  Service: 'services',
  ServiceEntry: 'serviceentries',
  ServiceExport: 'serviceexports',
  ServiceImport: 'serviceimports',
  WorkloadEntry: 'workloadentries',
};

/** Of the kind's objects in the namespace of this one. @throws LandbridgeError `internal` for a kind of which none are written */
export function objectsPath({ apiVersion = '', kind = '', metadata }: KubernetesObject, plural = PLURALS[kind]): string {
  if (plural === undefined) throw new LandbridgeError('internal', `no ${kind} is ever written`);
  const { namespace = '' } = metadata ?? {};
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}${namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`}/${plural}`;
}

/** @throws as {@link objectsPath} */
export function objectPath(object: KubernetesObject, plural?: string): string {
  return `${objectsPath(object, plural)}/${encodeURIComponent(object.metadata?.name ?? '')}`;
}
