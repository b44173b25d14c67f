import { readFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import type { AgentEnvironment } from '../config.ts';
import type { Readiness } from '../readiness.ts';
import { clusterAccess } from './api-server-access.ts';
import { KubernetesPodSource } from './kubernetes-pod-source.ts';
import type { PodSource } from './local-pod.ts';
import { keepNriPlugin } from './nri-client.ts';
import type { PodGate } from './sandbox.ts';
import { parseStaticPods, type StaticPod, StaticPods } from './static-pods.ts';
import { ZdsPods } from './zds-pods.ts';

/** Asks the gate, or has others ask it, until the signal aborts. */
export type Feed = (gate: PodGate, signal: AbortSignal) => Promise<void>;

/** Where pods come from, and who asks before they start, as the environment says. @throws LandbridgeError `bad-config` */
export function podFeeds(environment: AgentEnvironment, readiness: Readiness, log: Logger): { readonly source: PodSource; readonly feeds: readonly Feed[] } {
  switch (environment.POD_SOURCE) {
    case 'kubernetes': {
      const apiServer = clusterAccess({ host: environment.KUBERNETES_SERVICE_HOST, port: environment.KUBERNETES_SERVICE_PORT, directory: environment.KUBERNETES_CREDENTIALS });
      const nri = nriFeed(environment, readiness, log.child({ scope: 'nri' }));
      return { source: new KubernetesPodSource(apiServer, environment.NODE_NAME, log.child({ scope: 'pods' })), feeds: nri === undefined ? [] : [nri] };
    }
    case 'zds': {
      // istio-cni is the gate: it waits for an answer of each pod.
      const snapshot = readiness.register('istio-cni');
      const pods = new ZdsPods({ socket: environment.INPOD_UDS, onSynchronized: () => snapshot.done(), log: log.child({ scope: 'zds' }) });
      return { source: pods, feeds: [async (gate, signal) => await pods.run(gate, signal)] };
    }
    case 'static': {
      const pods = new StaticPods(readStaticPods(environment.STATIC_PODS), log.child({ scope: 'pods' }));
      return { source: pods, feeds: [async (gate, signal) => await pods.run(gate, signal)] };
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
