/** A byte stream to a port of a pod, through the API server. */
import { Duplex, PassThrough } from 'node:stream';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import type { ClusterAccess } from './cluster-access.ts';

export interface PodTunnel {
  readonly stream: Duplex;
  /** What Kubernetes says when the pod does not take the connection; empty as long as it does. */
  readonly problem: () => string;
}

const MAX_PROBLEM_LENGTH = 1000;

export async function openPodTunnel(access: ClusterAccess, pod: string, port: number, signal: AbortSignal): Promise<PodTunnel> {
  const fromPod = new PassThrough();
  const toPod = new PassThrough();
  const errors = new PassThrough();
  let problem = '';
  errors.setEncoding('utf8').on('data', (text: string) => {
    problem = (problem + text).slice(0, MAX_PROBLEM_LENGTH);
    // Nothing else will come.
    fromPod.end();
  });
  const opening = new access.kubernetes.PortForward(access.config).portForward(access.namespace, pod, [port], fromPod, errors, toPod);
  opening.then((socket) => { if (signal.aborted && typeof socket !== 'function') socket.close(); }, () => undefined);
  const socket = await orAborted(opening, signal);
  if (typeof socket === 'function') throw new Error('the tunnel was opened in a way that reconnects');
  const stream = Duplex.from({ readable: fromPod, writable: toPod });
  // The other end closed: whatever was read before still stands.
  socket.onclose = () => fromPod.end();
  stream.once('close', () => socket.close());
  return { stream, problem: () => problem.trim() };
}
