import { readFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import type { AgentEnvironment } from '../config.ts';
import type { Readiness } from '../readiness.ts';
import { clusterAccess } from '@landbridge/kubernetes/api-server-access.ts';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { runCniGate } from './cni-gate.ts';
import { CniInstallation } from './cni-installation.ts';
import { KubernetesPodSource } from './kubernetes-pod-source.ts';
import type { PodSource } from './local-pod.ts';
import { keepNriPlugin } from './nri-client.ts';
import { OwnDaemonSet } from './own-daemon-set.ts';
import { RefusalEvents } from './refusal-events.ts';
import type { PodGate } from './sandbox.ts';
import { parseStaticPods, type StaticPod, StaticPods } from './static-pods.ts';
import { liftStartupTaint } from './startup-taint.ts';
import { ZdsPods } from './zds-pods.ts';
import { VERSION } from '../version.ts';

/** Asks the gate, or has others ask it, until the signal aborts. */
export type Feed = (gate: PodGate, signal: AbortSignal) => Promise<void>;

/** The plugin is to hear why a pod is refused before it gives up by itself. */
const ANSWER_SECONDS = 1;

export interface PodFeeds {
  readonly source: PodSource;
  readonly feeds: readonly Feed[];
  /** Asked at the end of an agent: whether what it has made on the node is to go too. */
  isUninstalled(): Promise<boolean>;
}

/** Where pods come from, and who asks before they start, as the environment says. @throws LandbridgeError `bad-config` */
export function podFeeds(environment: AgentEnvironment, readiness: Readiness, log: Logger): PodFeeds {
  switch (environment.POD_SOURCE) {
    case 'kubernetes': {
      const apiServer = clusterAccess({ host: environment.KUBERNETES_SERVICE_HOST, port: environment.KUBERNETES_SERVICE_PORT, directory: environment.KUBERNETES_CREDENTIALS, userAgent: `landbridge-agent/${VERSION}` });
      const client = new ApiServerClient(apiServer);
      const daemonSet = new OwnDaemonSet(client, { namespace: environment.POD_NAMESPACE, name: environment.DAEMON_SET }, log.child({ scope: 'uninstall' }));
      const isUninstalled = async (): Promise<boolean> => await daemonSet.isGone();
      const nri = nriFeed(environment, readiness, log.child({ scope: 'nri' }));
      const cni = cniFeed(environment, { client, isUninstalled, readiness, log: log.child({ scope: 'cni' }) });
      const feeds = [async (_: PodGate, signal: AbortSignal) => await daemonSet.run(signal), nri, cni].filter((feed) => feed !== undefined);
      return { source: new KubernetesPodSource(apiServer, environment.NODE_NAME, log.child({ scope: 'pods' })), feeds, isUninstalled };
    }
    case 'zds': {
      // istio-cni is the gate: it waits for an answer of each pod.
      const snapshot = readiness.register('istio-cni');
      const pods = new ZdsPods({ socket: environment.INPOD_UDS, onSynchronized: () => snapshot.done(), log: log.child({ scope: 'zds' }) });
      return { source: pods, feeds: [async (gate, signal) => await pods.run(gate, signal)], isUninstalled: async () => false };
    }
    case 'static': {
      const pods = new StaticPods(readStaticPods(environment.STATIC_PODS), log.child({ scope: 'pods' }));
      return { source: pods, feeds: [async (gate, signal) => await pods.run(gate, signal)], isUninstalled: async () => false };
    }
    default:
      return environment.POD_SOURCE satisfies never;
  }
}

function readStaticPods(file: string): readonly StaticPod[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new LandbridgeError('bad-config', `STATIC_PODS ${file} can not be read: ${LandbridgeError.from(thrown).message}`, { cause: thrown });
  }
  const parsed = parseStaticPods(text);
  if (!parsed.ok) throw new LandbridgeError('bad-config', `STATIC_PODS ${file}: ${parsed.error}`);
  return parsed.value;
}

function cniFeed(environment: AgentEnvironment, { client, isUninstalled, readiness, log }: { readonly client: ApiServerClient; readonly isUninstalled: () => Promise<boolean>; readonly readiness: Readiness; readonly log: Logger }): Feed | undefined {
  const { GATE, NODE_NAME, CNI_SOCKET, CNI_CONFIGURATION_DIRECTORY, CNI_EXECUTABLE_DIRECTORY, CNI_TIMEOUT_SECONDS, CNI_RETRY_SECONDS, CNI_EXEMPT_NAMESPACES, LIFT_STARTUP_TAINT } = environment;
  if (GATE !== 'cni' || CNI_SOCKET === '') return undefined;
  const entry = { agentSocket: CNI_SOCKET, timeoutSeconds: CNI_TIMEOUT_SECONDS, retrySeconds: CNI_RETRY_SECONDS, exemptNamespaces: CNI_EXEMPT_NAMESPACES.split(',').filter((name) => name !== '') };
  const installation = new CniInstallation({ configuration: CNI_CONFIGURATION_DIRECTORY, executables: CNI_EXECUTABLE_DIRECTORY }, entry, log);
  const inForce = readiness.register('CNI plugin');
  return async (gate, signal) => {
    const server = { socket: CNI_SOCKET, gate: new RefusalEvents(gate, client, NODE_NAME, log), admissionMs: (CNI_TIMEOUT_SECONDS - ANSWER_SECONDS) * 1000, log };
    await runCniGate({ installation, server, isUninstalled, log }, signal, () => {
      inForce.done();
      if (LIFT_STARTUP_TAINT === 'true') void liftStartupTaint(client, NODE_NAME, log, signal);
    });
  };
}

function nriFeed({ GATE, NRI_SOCKET }: AgentEnvironment, readiness: Readiness, log: Logger): Feed | undefined {
  const isOnlyGate = GATE === 'nri';
  if (NRI_SOCKET === '') {
    if (isOnlyGate) throw new LandbridgeError('bad-config', 'NRI is to be the gate, and NRI_SOCKET is not set', { hint: 'Install the agent with its chart, which sets it.' });
    return undefined;
  }
  // As the only gate it holds nothing back before it is registered.
  const synchronized = isOnlyGate ? readiness.register('container runtime') : undefined;
  return async (gate, signal) => await keepNriPlugin(gate, { socket: NRI_SOCKET, isOnlyGate, onSynchronized: () => synchronized?.done(), log }, signal);
}
