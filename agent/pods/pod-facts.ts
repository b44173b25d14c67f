import { POD_UID } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { type Fields, fields, items } from './json-fields.ts';
import { podAddresses } from './pod-addresses.ts';
import { probePorts } from './probe-ports.ts';

/** Istio's label and ours mean the same; ours wins where both are set. */
export const MODE_LABELS = ['landbridge.dev/dataplane-mode', 'istio.io/dataplane-mode'] as const;

/** Asks for acceleration with the value `sockmap`; see docs/acceleration.md. */
export const ACCELERATION_LABEL = 'landbridge.dev/acceleration';

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
  return ok({
    uid,
    namespace,
    name,
    labels: modeLabels(labels),
    wantsAcceleration: fields(labels)[ACCELERATION_LABEL] === 'sockmap',
    serviceAccount: isText(serviceAccountName) ? serviceAccountName : 'default',
    isHostNetwork: spec['hostNetwork'] === true,
    hasEnded: status['phase'] === 'Succeeded' || status['phase'] === 'Failed',
    addresses: podAddresses(texts(status['podIPs'])),
    announced: fields(metadata['annotations'])[REDIRECTION_ANNOTATION] === 'enabled',
    probePorts: probePorts(spec),
  });
}

function modeLabels(labels: unknown): ModeLabels {
  const all = fields(labels);
  return Object.fromEntries(MODE_LABELS.flatMap((label) => {
    const value = all[label];
    return typeof value === 'string' ? [[label, value]] : [];
  }));
}

function texts(podIPs: unknown): string[] {
  return items(podIPs).map((entry) => fields(entry)['ip']).filter((ip) => typeof ip === 'string');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
