import { POD_UID } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { type Fields, fields, items } from '@landbridge/core/json-fields.ts';
import { podAddresses } from './pod-addresses.ts';
import { type PodDns, podDns } from './pod-dns.ts';
import { probePorts } from './probe-ports.ts';

/** Istio's label and ours mean the same; ours wins where both are set. */
export const MODE_LABELS = ['landbridge.dev/dataplane-mode', 'istio.io/dataplane-mode'] as const;

/** Asks for acceleration with the value `sockmap`; see docs/acceleration.md. */
export const ACCELERATION_LABEL = 'landbridge.dev/acceleration';

/**
 * Of the object that the kubelet makes at the API server for a pod that it has from a file of its own. The value is the
 * uid by which the kubelet and the runtime know that pod, which is the file's hash unless the file says one.
 */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Istio's annotation and ours mean the same, `"true"` or `"false"`; ours wins where both are set. */
export const DNS_ANNOTATIONS = ['landbridge.dev/dns-capture', 'ambient.istio.io/dns-capture'] as const;

/** Those of {@link MODE_LABELS} that an object has. */
export type ModeLabels = Readonly<Record<string, string>>;

/** What matters here of a Namespace. The rest of an object, most of its bytes, is let go of as soon as it is read. */
export interface NamespaceFacts {
  readonly name: string;
  readonly labels: ModeLabels;
}

/** What matters here of a Pod. */
export interface PodFacts {
  readonly uid: string;
  /** The runtime's uid of the pod that this one is a mirror of. */
  readonly mirroredUid: string | undefined;
  readonly namespace: string;
  readonly name: string;
  readonly labels: ModeLabels;
  readonly wantsAcceleration: boolean;
  readonly serviceAccount: string;
  readonly isHostNetwork: boolean;
  /** `Succeeded` or `Failed`: nothing of it runs any more, or will. */
  readonly hasEnded: boolean;
  /** One of each family; none before it has a network. */
  readonly addresses: readonly string[];
  /** Whether its annotation says that it is captured. */
  readonly announced: boolean;
  readonly probePorts: readonly number[];
  readonly dns: PodDns;
  /** What an annotation says of it. */
  readonly capturesDns: boolean | undefined;
}

export function parseNamespace(value: unknown): Result<NamespaceFacts> {
  const { name, labels } = fields(fields(value)['metadata']);
  return isText(name) ? ok({ name, labels: modeLabels(labels) }) : err('a namespace without a name');
}

export function parsePod(value: unknown): Result<PodFacts> {
  const [metadata, spec, status] = ['metadata', 'spec', 'status'].map((part) => fields(fields(value)[part])) as [Fields, Fields, Fields];
  const { uid, namespace, name, labels } = metadata;
  if (!isText(namespace) || !isText(name)) return err('a pod without a name');
  if (!isText(uid) || !POD_UID.test(uid)) return err(`pod ${namespace}/${name} has no uid`);
  const { serviceAccountName } = spec;
  const annotations = fields(metadata['annotations']);
  const mirroredUid = annotations[MIRROR_ANNOTATION];
  return ok({
    uid,
    mirroredUid: isText(mirroredUid) && POD_UID.test(mirroredUid) ? mirroredUid : undefined,
    namespace,
    name,
    labels: modeLabels(labels),
    wantsAcceleration: fields(labels)[ACCELERATION_LABEL] === 'sockmap',
    serviceAccount: isText(serviceAccountName) ? serviceAccountName : 'default',
    isHostNetwork: spec['hostNetwork'] === true,
    hasEnded: status['phase'] === 'Succeeded' || status['phase'] === 'Failed',
    addresses: podAddresses(texts(status['podIPs'])),
    announced: annotations[REDIRECTION_ANNOTATION] === 'enabled',
    probePorts: probePorts(spec),
    dns: podDns(spec),
    capturesDns: capturesDns(annotations),
  });
}

function modeLabels(labels: unknown): ModeLabels {
  const all = fields(labels);
  return Object.fromEntries(MODE_LABELS.flatMap((label) => {
    const value = all[label];
    return typeof value === 'string' ? [[label, value]] : [];
  }));
}

function capturesDns(annotations: Fields): boolean | undefined {
  const said = DNS_ANNOTATIONS.map((name) => annotations[name]).find((value) => value === 'true' || value === 'false');
  return said === undefined ? undefined : said === 'true';
}

function texts(podIPs: unknown): string[] {
  return items(podIPs).map((entry) => fields(entry)['ip']).filter((ip) => typeof ip === 'string');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
