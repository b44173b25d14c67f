/** A cluster of many Services, each with its pods: objects as an API server has them, with all that nobody reads. */
import type { ServedObject } from '@landbridge/kubernetes/test-object-server.ts';

export const PODS_PER_SERVICE = 5;
export const NODES = 100;
export const NAMESPACES = 50;

export const PATHS = {
  services: '/api/v1/services',
  slices: '/apis/discovery.k8s.io/v1/endpointslices',
  pods: '/api/v1/pods',
  nodes: '/api/v1/nodes',
  namespaces: '/api/v1/namespaces',
} as const;

export const namespaceOf = (service: number): string => `team-${service % NAMESPACES}`;
export const podName = (service: number, pod: number): string => `service-${service}-7d9c6b5f48-${pod}`;
export const podUid = (service: number, pod: number): string => `bench//Pod/${namespaceOf(service)}/${podName(service, pod)}`;
const address = (number: number): string => `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;

/** As much as kubelet and scheduler leave in an object: about as long as the rest of it. */
const MANAGED_FIELDS = Array.from({ length: 3 }, (_, i) => ({ manager: `manager-${i}`, operation: 'Update', apiVersion: 'v1', time: '2026-01-01T00:00:00Z', fieldsType: 'FieldsV1', fieldsV1: { 'f:metadata': { 'f:labels': { 'f:app': {}, 'f:version': {} }, 'f:annotations': { '.': {}, 'f:checksum': {} } }, 'f:spec': { 'f:containers': { 'k:{"name":"app"}': { 'f:image': {}, 'f:resources': {}, 'f:env': {} } } } } }));

/** `turn` makes another pod of it, by another address. */
export function pod(service: number, number: number, turn = 0): ServedObject {
  const ip = address(service * PODS_PER_SERVICE + number + (turn % 60) * 262_144);
  return {
    metadata: { name: podName(service, number), namespace: namespaceOf(service), labels: { app: `service-${service}`, version: 'v1', 'pod-template-hash': '7d9c6b5f48' } },
    ...({
      metadata: { name: podName(service, number), namespace: namespaceOf(service), uid: `uid-${service}-${number}`, labels: { app: `service-${service}`, version: 'v1', 'pod-template-hash': '7d9c6b5f48' }, annotations: { 'ambient.istio.io/redirection': 'enabled', checksum: 'x'.repeat(64) }, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `service-${service}-7d9c6b5f48`, uid: 'u', controller: true }], managedFields: MANAGED_FIELDS },
      spec: { nodeName: `node-${(service + number) % NODES}`, serviceAccountName: `service-${service}`, containers: [{ name: 'app', image: 'registry.example/app:1', env: Array.from({ length: 10 }, (_, i) => ({ name: `VARIABLE_${i}`, value: `value-${i}` })), resources: { limits: { cpu: '1', memory: '1Gi' } }, readinessProbe: { httpGet: { path: '/ready', port: 8080 } } }], tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }] },
      status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' })), containerStatuses: [{ name: 'app', ready: true, restartCount: 0, image: 'registry.example/app:1', imageID: `sha256:${'0'.repeat(64)}` }] },
    } as object),
  } as ServedObject;
}

/** All objects of so many Services, by the path of their collection. */
export function* meshObjects(services: number): Generator<readonly [string, ServedObject]> {
  for (let i = 0; i < NAMESPACES; i++) yield [PATHS.namespaces, { metadata: { name: `team-${i}` } }];
  for (let i = 0; i < NODES; i++) yield [PATHS.nodes, { metadata: { name: `node-${i}`, labels: { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': `z${i % 3}` } } }];
  for (let i = 0; i < services; i++) {
    const metadata = { name: `service-${i}`, namespace: namespaceOf(i) };
    const ports = [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }];
    yield [PATHS.services, { metadata, spec: { type: 'ClusterIP', clusterIP: address(0x600000 + i), clusterIPs: [address(0x600000 + i)], ipFamilies: ['IPv4'], ports, selector: { app: `service-${i}` } } } as ServedObject];
    const endpoints = Array.from({ length: PODS_PER_SERVICE }, (_, number) => ({ addresses: [address(i * PODS_PER_SERVICE + number)], conditions: { ready: true, serving: true, terminating: false }, nodeName: `node-${(i + number) % NODES}`, zone: 'z0', targetRef: { kind: 'Pod', namespace: metadata.namespace, name: podName(i, number), uid: `uid-${i}-${number}` } }));
    yield [PATHS.slices, { metadata: { ...metadata, name: `service-${i}-abcde`, labels: { 'kubernetes.io/service-name': metadata.name, 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' } }, addressType: 'IPv4', ports: [{ name: 'http', protocol: 'TCP', port: 8080 }], endpoints } as ServedObject];
    for (let number = 0; number < PODS_PER_SERVICE; number++) yield [PATHS.pods, pod(i, number)];
  }
}
