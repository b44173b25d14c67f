/** What the Kubernetes client throws, as errors that say what to do. */
import { LandbridgeError } from '@landbridge/core/errors.ts';

export function kubernetesError(thrown: unknown, server: string): LandbridgeError {
  if (thrown instanceof LandbridgeError) return thrown;
  const status = httpStatusOf(thrown);
  if (status === 401 || status === 403) {
    return new LandbridgeError('not-permitted', `The API server at ${server} does not permit this${detailOf(thrown)}.`, {
      hint: 'The user of the kubeconfig must be allowed to list pods and to create pods/portforward in the namespace of Landbridge, and to read what is checked.',
      cause: thrown,
    });
  }
  if (status !== undefined) return new LandbridgeError('kubernetes', `The API server at ${server} answered with status ${status}${detailOf(thrown)}.`, { cause: thrown });
  return new LandbridgeError('cluster-unreachable', `The cluster can not be reached at ${server}${reasonOf(thrown)}.`, {
    hint: 'See that the cluster runs, and that --kubeconfig and --context name the right one.',
    cause: thrown,
    retryable: true,
  });
}

export function httpStatusOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  if ('code' in thrown && typeof thrown.code === 'number') return thrown.code;
  // A WebSocket that was refused tells its status in its message only.
  const refused = 'message' in thrown && typeof thrown.message === 'string' ? /^Unexpected server response: (\d{3})$/.exec(thrown.message) : null;
  return refused ? Number(refused[1]) : undefined;
}

/** The sentence in the Status object that Kubernetes sends with an error. */
function detailOf(thrown: unknown): string {
  const body = typeof thrown === 'object' && thrown !== null && 'body' in thrown ? thrown.body : undefined;
  let status: unknown = body;
  if (typeof body === 'string') {
    try {
      status = JSON.parse(body);
    } catch {
      return '';
    }
  }
  const message = typeof status === 'object' && status !== null && 'message' in status ? status.message : undefined;
  return typeof message === 'string' && message !== '' ? `: ${message.slice(0, 500)}` : '';
}

function reasonOf(thrown: unknown): string {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ('code' in error && typeof error.code === 'string') return ` (${error.code})`;
    if (error.cause === undefined && error.message !== '') return ` (${error.message.slice(0, 200)})`;
  }
  const message = typeof thrown === 'object' && thrown !== null && 'message' in thrown ? thrown.message : undefined;
  return typeof message === 'string' && message !== '' ? ` (${message.slice(0, 200)})` : '';
}
