import { err, ok, type Result } from '@landbridge/core/result.ts';
import { list, object, text, texts, time } from '../../kubernetes/shape.ts';

/** Of certificates.k8s.io/v1; they belong to the cluster. */
export const REQUESTS_PATH = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
/** The API server refuses to be asked for less. */
export const LEAST_EXPIRATION_SECONDS = 600;
const SERVICE = 'landbridge-federation';
const NAME_LABEL = 'app.kubernetes.io/name';
const POD_LABEL = 'landbridge.dev/pod';
const RUN_LABEL = 'landbridge.dev/run';
/** A replica waits for a minute at most. */
const LEFT_OVER_MS = 3_600_000;
/** RFC 7468 in base64, of a file that is taken at all (pem-certificates.ts). */
const MAX_CERTIFICATE_LENGTH = 256 * 1024;
const MAX_REASON = 200;
/** It becomes part of a path. */
const NAME = /^[a-z0-9][-a-z0-9.]{0,252}$/;

/** Whose requests they are: of a pod, and of one process in it. */
export interface Requester {
  readonly pod: string;
  readonly run: string;
}

/** What has become of a request. */
export type Outcome =
  | { readonly kind: 'pending'; readonly isApproved: boolean }
  /** PEM, as the signer wrote it. */
  | { readonly kind: 'issued'; readonly pem: string }
  /** `denied` by whoever approves, `failed` at the signer. */
  | { readonly kind: 'denied' | 'failed'; readonly reason: string };

/** A CertificateSigningRequest of this service, as far as it is read here. */
export interface RequestObject {
  readonly name: string;
  readonly requester: Requester;
  readonly createdMs: number;
  readonly outcome: Outcome;
}

const shape = object({
  metadata: object({ name: text, creationTimestamp: time, labels: texts([POD_LABEL, RUN_LABEL]) }),
  status: object({ certificate: (value: unknown) => (typeof value === 'string' && value.length <= MAX_CERTIFICATE_LENGTH ? value : undefined), conditions: list(object({ type: text, status: text, reason: text, message: text })) }),
});

/** Reads what an API server tells. */
export function parseRequestObject(value: unknown): Result<RequestObject> {
  const { metadata = {}, status = {} } = shape(value) ?? {};
  const { name = '', creationTimestamp, labels = {} } = metadata;
  if (!NAME.test(name) || creationTimestamp === undefined) return err('a CertificateSigningRequest without a name or a time');
  return ok({ name, requester: { pod: labels[POD_LABEL] ?? '', run: labels[RUN_LABEL] ?? '' }, createdMs: creationTimestamp.getTime(), outcome: outcomeOf(status) });
}

function outcomeOf({ certificate = '', conditions = [] }: { readonly certificate?: string; readonly conditions?: readonly { readonly type?: string; readonly status?: string; readonly reason?: string; readonly message?: string }[] }): Outcome {
  const find = (wanted: string): (typeof conditions)[number] | undefined => conditions.find(({ type, status }) => type === wanted && status === 'True');
  for (const [kind, type] of [['denied', 'Denied'], ['failed', 'Failed']] as const) {
    const condition = find(type);
    if (condition !== undefined) return { kind, reason: [condition.reason, condition.message].filter(Boolean).join(': ').slice(0, MAX_REASON) };
  }
  if (certificate !== '') return { kind: 'issued', pem: Buffer.from(certificate, 'base64').toString('latin1') };
  return { kind: 'pending', isApproved: find('Approved') !== undefined };
}

/** Selects the requests of one process' pod, or of all replicas. */
export const selectorOf = (pod?: string): string => [`${NAME_LABEL}=${SERVICE}`, ...(pod === undefined ? [] : [`${POD_LABEL}=${labelValue(pod)}`])].join();

/** The object that is created; nobody but the signer gives it a certificate. */
export function requestObject(requestPem: string, signerName: string, expirationSeconds: number, { pod, run }: Requester): object {
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { generateName: `${SERVICE}-`, labels: { [NAME_LABEL]: SERVICE, 'app.kubernetes.io/managed-by': 'landbridge', [POD_LABEL]: labelValue(pod), [RUN_LABEL]: run } },
    spec: { request: Buffer.from(requestPem).toString('base64'), signerName, expirationSeconds, usages: ['digital signature', 'client auth', 'server auth'] },
  };
}

/** The same object with the word of this service that it may be signed, for the subresource `approval`. */
export function approved(value: object, now: Date): object {
  const { status } = value as { readonly status?: { readonly conditions?: readonly unknown[] } };
  const condition = { type: 'Approved', status: 'True', reason: 'PodRunsHere', message: 'The federation service has found whoever asks to be who it says.', lastUpdateTime: now.toISOString() };
  return { ...value, status: { ...status, conditions: [...(status?.conditions ?? []), condition] } };
}

/** Whether nobody waits for a request any more: of a process that was in this pod before, or so old that all have given up. */
export function isLeftOver({ requester, createdMs }: RequestObject, me: Requester, nowMs: number): boolean {
  if (createdMs < nowMs - LEFT_OVER_MS) return true;
  return requester.pod === labelValue(me.pod) && requester.run !== me.run;
}

/** A pod's name may be longer than a label's value; its end tells replicas apart. */
const labelValue = (pod: string): string => pod.slice(-63).replace(/^[^A-Za-z0-9]+/, '');
