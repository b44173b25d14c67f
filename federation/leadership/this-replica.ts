import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type Candidate, candidate } from './election.ts';

/** This process among the replicas: its pod as the chart tells it, and something that no process before it in the pod had. */
export function thisReplica(environment: Readonly<Record<string, string | undefined>>): Candidate {
  return candidate(environment['POD_NAME'] || hostname(), randomBytes(4).toString('hex'));
}
