import type { V1Namespace, V1Pod } from '@kubernetes/client-node';

export interface IdlePod {
  readonly uid: string;
  readonly name: string;
  readonly address: string;
  /** All of them. Default: {@link address}. */
  readonly addresses?: readonly string[];
  /** Default: {@link NODE}. */
  readonly node?: string;
  /** Default: {@link CLUSTER}. */
  readonly cluster?: string;
  /** Whether it is an east-west gateway of its cluster, which no agent serves. */
  readonly isGateway?: boolean;
}

export const NAMESPACE = 'shop';
export const NODE = 'west';
export const CLUSTER = 'west';
/** Of the Service that each pod has for itself. */
export const SERVICE_PORT = 80;
export const TARGET_PORT = 8080;
export const serviceAddress = (index: number): string => `10.250.${index >> 8}.${index & 255}`;
/** Of the Service in the clusterset. */
export const importAddress = (index: number): string => `10.251.${index >> 8}.${index & 255}`;
export const serviceAddress6 = (index: number): string => `fd98::${index.toString(16)}`;

export const namespaceObject: V1Namespace = { metadata: { name: NAMESPACE, resourceVersion: '1', labels: { 'landbridge.dev/dataplane-mode': 'ambient', 'kubernetes.io/metadata.name': NAMESPACE } }, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };

/** A pod as an API server tells it, with all that an agent does not look at: about 8 KB of JSON. Each has an identity of its own. */
export function podObject({ uid, name, address, addresses = [address], node = NODE }: IdlePod, announced: boolean): V1Pod {
  const time = new Date(0);
  const containers = ['app', 'exporter'].map((container) => ({
    name: container,
    image: `registry.example/team/${container}:1.2.3`,
    ports: [{ name: 'http', containerPort: TARGET_PORT, protocol: 'TCP' }],
    env: Array.from({ length: 12 }, (_, i) => ({ name: `SETTING_${i}`, value: `value-${i}-${name}` })),
    resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } },
    volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true }],
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    ...(container === 'app' ? { readinessProbe: { httpGet: { path: '/ready', port: 'http', scheme: 'HTTP' }, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 } } : {}),
  }));
  const paths = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f:field-${i}`, { '.': {}, [`k:{"name":"part-${i}"}`]: {} }]));
  return {
    metadata: {
      name, namespace: NAMESPACE, uid, resourceVersion: '1', creationTimestamp: time,
      labels: { app: name, 'pod-template-hash': '6d4cf56db6' },
      annotations: announced ? { 'ambient.istio.io/redirection': 'enabled' } : {},
      managedFields: ['kube-controller-manager', 'kubelet'].map((manager) => ({ manager, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1: paths })),
    },
    spec: { containers, nodeName: node, serviceAccountName: name, restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', schedulerName: 'default-scheduler', volumes: [{ name: 'kube-api-access', projected: { sources: [{ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } }] } }] },
    status: {
      phase: 'Running', podIP: address, podIPs: addresses.map((ip) => ({ ip })),
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({ type, status: 'True', lastTransitionTime: time })),
      containerStatuses: containers.map(({ name: container, image }) => ({ name: container, image, imageID: `${image}@sha256:${'0'.repeat(64)}`, containerID: `containerd://${'0'.repeat(64)}`, ready: true, restartCount: 0, started: true, state: { running: { startedAt: time } } })),
    },
  };
}
