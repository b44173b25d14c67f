/** Objects of an API server, for tests. */
import type { V1Endpoint, V1EndpointSlice, V1Pod, V1Service } from '@kubernetes/client-node';
import { type ClusterObjects, type ServiceExport, SERVICE_NAME_LABEL } from '../kubernetes/types.ts';

export function examplePod(name: string, ip: string | readonly string[] = '10.0.0.1', changes: { readonly annotations?: Record<string, string>; readonly spec?: object; readonly status?: object } = {}): V1Pod {
  const ips = typeof ip === 'string' ? [ip] : ip;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', ...(changes.annotations === undefined ? {} : { annotations: changes.annotations }) },
    spec: { containers: [], nodeName: 'node-1', serviceAccountName: 'cart', ...changes.spec },
    status: { phase: 'Running', podIPs: ips.map((each) => ({ ip: each })), conditions: [{ type: 'Ready', status: 'True' }], ...changes.status },
  };
}

export function exampleService(name: string, spec: object = {}, labels: Record<string, string> = {}): V1Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop', labels }, spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv4'], ports: [{ port: 80, protocol: 'TCP' }], ...spec } };
}

export function exampleSlice(service: string, endpoints: V1Endpoint[], changes: Partial<V1EndpointSlice> = {}, labels: Record<string, string> = {}): V1EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints,
    ...changes,
    metadata: { name: `${service}-abcde`, namespace: 'shop', labels: { [SERVICE_NAME_LABEL]: service, ...labels }, ...changes.metadata },
  };
}

export function exampleEndpoint(pod: string | undefined, address: string, changes: Partial<V1Endpoint> = {}): V1Endpoint {
  return { addresses: [address], conditions: { ready: true, serving: true, terminating: false }, ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', namespace: 'shop', name: pod } }), ...changes };
}

export function exampleExport(name: string, creationTimestamp = new Date(1000)): ServiceExport {
  return { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name, namespace: 'shop', creationTimestamp } };
}

export function clusterObjects(objects: Partial<ClusterObjects>): ClusterObjects {
  return { services: [], slices: [], pods: [], nodes: [], namespaces: [], exports: [], imports: [], ...objects };
}
