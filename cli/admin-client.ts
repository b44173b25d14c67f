/** Asks the federation service of a cluster: its admin API, through a tunnel to its pod's loopback address. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import {
  ADMIN_PORT,
  type AdminChangeAnswer,
  type AdminJoinAnswer,
  type AdminPlan,
  type AdminRevokeAnswer,
  type AdminTokenAnswer,
  type AdminTokenRequest,
  ChangeAnswerSchema,
  JoinAnswerSchema,
  MAX_ANSWER_BYTES,
  parseAnswer,
  PlanSchema,
  RevokeAnswerSchema,
  type RotationStatus,
  RotationStatusSchema,
  type ServiceStatus,
  ServicesSchema,
  type Status,
  StatusSchema,
  TokenAnswerSchema,
} from '@landbridge/federation/admin/admin-api.ts';
import { abortable } from './abortable-request.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { chooseFederationPod, FEDERATION_SELECTOR } from './federation-pod.ts';
import { kubernetesError } from './kubernetes-errors.ts';
import { openPodTunnel, type PodTunnel } from './pod-tunnel.ts';
import { exchange } from './tunnel-request.ts';

export interface AdminClient {
  status(signal: AbortSignal): Promise<Status>;
  services(signal: AbortSignal): Promise<ServiceStatus[]>;
  createToken(request: AdminTokenRequest, signal: AbortSignal): Promise<AdminTokenAnswer>;
  join(token: string, signal: AbortSignal): Promise<AdminJoinAnswer>;
  leave(force: boolean, signal: AbortSignal): Promise<AdminChangeAnswer>;
  planLeave(signal: AbortSignal): Promise<AdminPlan>;
  planJoin(token: string, signal: AbortSignal): Promise<AdminPlan>;
  rotateKeys(signal: AbortSignal): Promise<AdminChangeAnswer>;
  revoke(cluster: string, signal: AbortSignal): Promise<AdminRevokeAnswer>;
  rotation(signal: AbortSignal): Promise<RotationStatus>;
  /** Makes the next step of a change of the root. */
  rotate(force: boolean, signal: AbortSignal): Promise<RotationStatus>;
}

export type OpenTunnel = (signal: AbortSignal) => Promise<PodTunnel>;

/** Longer than a join may take on the other side. */
const TIMEOUT_MS = 75_000;

export function makeAdminClient(open: OpenTunnel): AdminClient {
  return {
    status: async (signal) => read(parseAnswer(StatusSchema, await ask(open, 'GET', '/v1/status', undefined, signal))),
    services: async (signal) => read(parseAnswer(ServicesSchema, await ask(open, 'GET', '/v1/services', undefined, signal))).services,
    createToken: async (request, signal) => read(parseAnswer(TokenAnswerSchema, await ask(open, 'POST', '/v1/tokens', request, signal))),
    leave: async (force, signal) => read(parseAnswer(ChangeAnswerSchema, await ask(open, 'POST', '/v1/leave', { force }, signal))),
    planLeave: async (signal) => read(parseAnswer(PlanSchema, await ask(open, 'GET', '/v1/leave/plan', undefined, signal))),
    planJoin: async (token, signal) => read(parseAnswer(PlanSchema, await ask(open, 'POST', '/v1/join/plan', { token }, signal))),
    rotateKeys: async (signal) => read(parseAnswer(ChangeAnswerSchema, await ask(open, 'POST', '/v1/keys/rotation', {}, signal))),
    revoke: async (cluster, signal) => read(parseAnswer(RevokeAnswerSchema, await ask(open, 'POST', '/v1/revoke', { cluster }, signal))),
    rotation: async (signal) => read(parseAnswer(RotationStatusSchema, await ask(open, 'GET', '/v1/ca/rotation', undefined, signal))),
    rotate: async (force, signal) => read(parseAnswer(RotationStatusSchema, await ask(open, 'POST', '/v1/ca/rotation', { force }, signal))),
    join: async (token, signal) => read(parseAnswer(JoinAnswerSchema, await ask(open, 'POST', '/v1/join', { token }, signal))),
  };
}

/** A tunnel for each request: the pod may be another one by the next. */
export function tunnelToFederation(access: ClusterAccess): OpenTunnel {
  return async (signal) => {
    try {
      const api = access.config.makeApiClient(access.kubernetes.CoreV1Api);
      const pods = await api.listNamespacedPod({ namespace: access.namespace, labelSelector: FEDERATION_SELECTOR }, abortable(access.kubernetes, signal));
      const pod = chooseFederationPod(pods.items, access.namespace);
      if (!pod.ok) throw pod.error;
      return await openPodTunnel(access, pod.value, ADMIN_PORT, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      throw kubernetesError(thrown, access.server);
    }
  };
}

async function ask(open: OpenTunnel, method: string, path: string, body: unknown, outer: AbortSignal): Promise<string> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(TIMEOUT_MS)]);
  let problem = (): string => '';
  try {
    const tunnel = await open(signal);
    problem = tunnel.problem;
    return await exchange(tunnel.stream, { method, path, body: body === undefined ? '' : JSON.stringify(body), limit: MAX_ANSWER_BYTES }, signal);
  } catch (thrown) {
    outer.throwIfAborted();
    if (thrown instanceof LandbridgeError) throw thrown;
    const reason = problem() || (signal.aborted ? `no answer in ${TIMEOUT_MS / 1000} seconds` : thrown instanceof Error ? thrown.message : '');
    throw new LandbridgeError('federation-unreachable', `The federation service does not answer${reason === '' ? '' : `: ${reason}`}.`, {
      hint: 'Look at its log: kubectl -n landbridge-system logs deployment/landbridge-federation',
      cause: thrown,
      retryable: true,
    });
  }
}

function read<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: LandbridgeError }): T {
  if (!result.ok) throw result.error;
  return result.value;
}
