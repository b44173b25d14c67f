import { apply, kubectl, kubectlCommand, clusterEnvironment } from './kubectl.ts';
import { DEMO_IMAGE } from './images.ts';
import type { ClusterPlan } from './plan.ts';
import { outcomeOf } from './run.ts';

export const DEMO_NAMESPACE = 'demo';
export const ECHO_URL = 'http://echo.demo.svc.clusterset.local:8080';
const ECHO_PORT = 8080;
/** Repeats what it is sent, for connections that last. */
const LINES_PORT = 8081;

/** The namespace of the demo, whose pods are in the mesh, and a client to call from. */
export async function deployClient(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await apply(cluster.name, [namespace(), serviceAccount('client'), deployment(cluster, 'client', 1, { args: ['idle'] })], signal);
}

/** The service that the other clusters call. */
export async function deployEcho(cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  const probe = (path: string): object => ({ httpGet: { path, port: ECHO_PORT }, periodSeconds: 1, timeoutSeconds: 5 });
  await apply(cluster.name, [
    namespace(),
    serviceAccount('echo'),
    deployment(cluster, 'echo', 2, { args: ['serve'], ports: [{ name: 'http', containerPort: ECHO_PORT }, { name: 'lines', containerPort: LINES_PORT }], readinessProbe: probe('/readyz'), livenessProbe: { ...probe('/healthz'), periodSeconds: 5 } }),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'echo', namespace: DEMO_NAMESPACE }, spec: { selector: { app: 'echo' }, ports: [{ name: 'http', port: ECHO_PORT, targetPort: 'http' }, { name: 'lines', port: LINES_PORT, targetPort: 'lines' }] } },
    { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name: 'echo', namespace: DEMO_NAMESPACE } },
  ], signal);
}

export async function waitForDemo(cluster: ClusterPlan, name: string, signal: AbortSignal): Promise<void> {
  await kubectl(cluster.name, ['-n', DEMO_NAMESPACE, 'rollout', 'status', `deployment/${name}`, '--timeout=120s'], { signal });
}

/** One call from the client's pod: the answer's text, or why there is none. */
export async function call(cluster: string, args: readonly string[], signal: AbortSignal): Promise<{ readonly ok: boolean; readonly text: string }> {
  const outcome = await outcomeOf(kubectlCommand(['-n', DEMO_NAMESPACE, 'exec', 'deploy/client', '--', '/bin/demo', 'get', ECHO_URL, ...args]), { signal, env: clusterEnvironment(cluster) });
  return { ok: outcome.status === 0, text: (outcome.status === 0 ? outcome.stdout : outcome.stderr).trim() };
}

function namespace(): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: DEMO_NAMESPACE, labels: { 'landbridge.dev/dataplane-mode': 'ambient' } } };
}

const serviceAccount = (name: string): object => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: DEMO_NAMESPACE } });

function deployment(cluster: ClusterPlan, name: string, replicas: number, container: object): object {
  const field = (variable: string, fieldPath: string): object => ({ name: variable, valueFrom: { fieldRef: { fieldPath } } });
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: DEMO_NAMESPACE },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          serviceAccountName: name,
          terminationGracePeriodSeconds: 5,
          containers: [{ name, image: DEMO_IMAGE, env: [field('POD_NAME', 'metadata.name'), field('NODE_NAME', 'spec.nodeName'), { name: 'CLUSTER', value: cluster.name }], ...container }],
        },
      },
    },
  };
}
