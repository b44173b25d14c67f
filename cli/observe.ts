/** Looks at a cluster for `landbridge check`; each fact stands or falls alone. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok } from '@landbridge/core/result.ts';
import type { Status } from '@landbridge/federation/admin/admin-api.ts';
import { abortable } from './abortable-request.ts';
import { makeAdminClient, tunnelToFederation } from './admin-client.ts';
import { DEFINITIONS, type Facts, type IstiodSettings, type Replicas, type Seen } from './checks.ts';
import { type ClusterAccess, openCluster } from './cluster-access.ts';
import type { ClusterOptions } from './command-context.ts';
import { httpStatusOf, kubernetesError } from './kubernetes-errors.ts';
import { readNodeKernels } from './node-kernels.ts';

/** For each fact; a cluster that is slower than this is not well. */
const TIMEOUT_MS = 15_000;

export async function observe(options: ClusterOptions, signal: AbortSignal): Promise<Facts> {
  const access = await openCluster(options);
  const look = async <T>(ask: (signal: AbortSignal) => Promise<T>): Promise<Seen<T>> => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      return ok(await ask(limited));
    } catch (thrown) {
      signal.throwIfAborted();
      if (limited.aborted && !(thrown instanceof LandbridgeError)) return err(kubernetesError(new Error(`no answer in ${TIMEOUT_MS / 1000} seconds`), access.server));
      return err(kubernetesError(thrown, access.server));
    }
  };
  const cluster = await look((limited) => readVersion(access, limited));
  if (!cluster.ok) return { cluster, definitions: cluster, federation: cluster, agents: cluster, kernels: cluster, status: cluster, istiod: cluster, corefile: cluster };
  const [definitions, federation, agents, kernels, status, istiod, corefile] = await Promise.all([
    look((limited) => readDefinitions(access, limited)),
    look((limited) => readFederation(access, limited)),
    look((limited) => readAgents(access, limited)),
    look((limited) => readNodeKernels(access, limited)),
    look((limited): Promise<Status> => makeAdminClient(tunnelToFederation(access)).status(limited)),
    look((limited) => readIstiod(access, limited)),
    look((limited) => readCorefile(access, limited)),
  ]);
  return { cluster, definitions, federation, agents, kernels, status, istiod, corefile };
}

async function readVersion({ config, kubernetes }: ClusterAccess, signal: AbortSignal): Promise<string> {
  return (await config.makeApiClient(kubernetes.VersionApi).getCode({}, abortable(kubernetes, signal))).gitVersion;
}

async function readDefinitions({ config, kubernetes }: ClusterAccess, signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
  const api = config.makeApiClient(kubernetes.ApiextensionsV1Api);
  const found = await Promise.all(DEFINITIONS.map((name) => unlessMissing(api.readCustomResourceDefinition({ name }, abortable(kubernetes, signal)))));
  const served = new Map<string, readonly string[]>();
  for (const definition of found) {
    const established = definition?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True');
    if (definition?.metadata?.name !== undefined && established === true) {
      served.set(definition.metadata.name, definition.spec.versions.filter((version) => version.served).map((version) => version.name));
    }
  }
  return served;
}

async function readFederation({ config, kubernetes, namespace }: ClusterAccess, signal: AbortSignal): Promise<Replicas | undefined> {
  const deployment = await unlessMissing(config.makeApiClient(kubernetes.AppsV1Api).readNamespacedDeployment({ name: 'landbridge-federation', namespace }, abortable(kubernetes, signal)));
  return deployment && { wanted: deployment.spec?.replicas ?? 1, ready: deployment.status?.readyReplicas ?? 0 };
}

async function readAgents({ config, kubernetes, namespace }: ClusterAccess, signal: AbortSignal): Promise<Replicas | undefined> {
  const set = await unlessMissing(config.makeApiClient(kubernetes.AppsV1Api).readNamespacedDaemonSet({ name: 'landbridge-agent', namespace }, abortable(kubernetes, signal)));
  return set && { wanted: set.status?.desiredNumberScheduled ?? 0, ready: set.status?.numberReady ?? 0 };
}

/** Of the revision without a name, which most have. */
async function readIstiod({ config, kubernetes }: ClusterAccess, signal: AbortSignal): Promise<IstiodSettings | undefined> {
  const deployment = await unlessMissing(config.makeApiClient(kubernetes.AppsV1Api).readNamespacedDeployment({ name: 'istiod', namespace: 'istio-system' }, abortable(kubernetes, signal)));
  const variables = (deployment?.spec?.template.spec?.containers ?? []).flatMap(({ env = [] }) => env);
  return deployment && { multiNetwork: variables.some(({ name, value }) => name === 'AMBIENT_ENABLE_MULTI_NETWORK' && value === 'true') };
}

async function readCorefile({ config, kubernetes }: ClusterAccess, signal: AbortSignal): Promise<string | undefined> {
  const map = await unlessMissing(config.makeApiClient(kubernetes.CoreV1Api).readNamespacedConfigMap({ name: 'coredns', namespace: 'kube-system' }, abortable(kubernetes, signal)));
  return map && Object.values(map.data ?? {}).join('\n');
}

async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (thrown) {
    if (httpStatusOf(thrown) === 404) return undefined;
    throw thrown;
  }
}
