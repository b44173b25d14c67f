import { err, ok, type Result } from './result.ts';

declare const brand: unique symbol;

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. Made by {@link parseSpiffeId} and {@link spiffeId} only. */
export type SpiffeId = string & { readonly [brand]: 'SpiffeId' };

export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** SPIFFE ID specification, section 2.3: at most 2048 bytes. */
const MAX_SPIFFE_ID_LENGTH = 2048;
/** SPIFFE ID specification, section 2.1: lower-case letters, digits, dots, dashes, underscores; at most 255. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const SPIFFE_ID = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/;

export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text);
}

/** Kubernetes: an RFC 1123 subdomain. */
export function isServiceAccountName(text: string): boolean {
  return SEGMENT.test(text);
}

/** Accepts exactly the form that Kubernetes workloads have; anything else, also other valid SPIFFE IDs, is refused. */
export function parseSpiffeId(text: string): Result<WorkloadIdentity & { readonly id: SpiffeId }> {
  if (text.length > MAX_SPIFFE_ID_LENGTH) return err('SPIFFE ID longer than 2048 characters');
  const parts = SPIFFE_ID.exec(text);
  if (!parts) return err(`${JSON.stringify(text.slice(0, 120))} is not spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT`);
  const [, trustDomain, namespace, serviceAccount] = parts as unknown as [string, string, string, string];
  if (!TRUST_DOMAIN.test(trustDomain)) return err(`trust domain ${JSON.stringify(trustDomain.slice(0, 80))} is not valid`);
  if (!SEGMENT.test(namespace)) return err(`namespace ${JSON.stringify(namespace.slice(0, 80))} is not valid`);
  if (!SEGMENT.test(serviceAccount)) return err(`service account ${JSON.stringify(serviceAccount.slice(0, 80))} is not valid`);
  return ok({ id: text as SpiffeId, trustDomain, namespace, serviceAccount });
}

/** The SPIFFE ID of a workload. Parts that could not be parsed back are refused by {@link parseSpiffeId}. */
export function spiffeId(identity: WorkloadIdentity): Result<SpiffeId> {
  const parsed = parseSpiffeId(`spiffe://${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}`);
  return parsed.ok ? ok(parsed.value.id) : parsed;
}
