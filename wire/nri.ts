/** NRI, package nri.pkg.api.v1alpha1: what a container runtime asks of a plugin that enrols pods, and what the plugin says. */
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { ConfigureRequestSchema, ConfigureResponseSchema, EventRequestSchema, type PodSandbox, RegisterPluginRequestSchema, StateChangeEventSchema, SynchronizeRequestSchema, SynchronizeResponseSchema } from './gen/nri_pb.js';

export const NRI_RUNTIME_SERVICE = 'nri.pkg.api.v1alpha1.Runtime';
export const NRI_PLUGIN_SERVICE = 'nri.pkg.api.v1alpha1.Plugin';
export const REGISTER_PLUGIN_METHOD = 'RegisterPlugin';

/** Events by number; one that is called for itself has a method of its name. 12 and later are left out: older runtimes refuse a plugin that wants them. */
const EVENTS = ['RunPodSandbox', 'StopPodSandbox', 'RemovePodSandbox', 'CreateContainer', 'PostCreateContainer', 'StartContainer', 'PostStartContainer', 'UpdateContainer', 'PostUpdateContainer', 'StopContainer', 'RemoveContainer'] as const;
export type NriEvent = (typeof EVENTS)[number];

export interface NriPod {
  /** Of the sandbox. */
  readonly id: string;
  /** Of the pod in Kubernetes; empty for a sandbox that somebody else made. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** A file of its network namespace as the node sees it. Undefined in the host's network, and where it is gone. */
  readonly networkNamespace: string | undefined;
  readonly addresses: readonly string[];
}

export type NriRequest =
  | { readonly kind: 'configure'; readonly runtime: string; readonly version: string; readonly requestTimeoutMs: number }
  /** `unusable`: pods that were left out, since they are described in no way that could be used. */
  | { readonly kind: 'synchronize'; readonly pods: readonly NriPod[]; readonly unusable: number; readonly more: boolean }
  /** `container`: its name. */
  | { readonly kind: 'event'; readonly event: NriEvent; readonly pod: NriPod; readonly container: string }
  | { readonly kind: 'shutdown' }
  /** A method, or a number of an event, that later versions have. */
  | { readonly kind: 'unknown'; readonly method: string };

/** NRI's own default, for runtimes that tell none. */
export const DEFAULT_REQUEST_TIMEOUT_MS = 2000;
const MAX_REQUEST_TIMEOUT_MS = 10 * 60_000;
/** Names of Kubernetes have 253, identifiers of sandboxes 64. */
const MAX_NAME_CHARACTERS = 253;
/** PATH_MAX of Linux. */
const MAX_PATH_CHARACTERS = 4096;
const MAX_ADDRESSES = 16;
/** A UUID, or what the kubelet makes for pods of its own files: becomes part of paths. */
const UID = /^[0-9A-Za-z-]{0,64}$/;

export function encodeRegisterPlugin(plugin: { readonly name: string; readonly index: string; readonly nriVersion: string }): Uint8Array {
  return toBinary(RegisterPluginRequestSchema, create(RegisterPluginRequestSchema, { pluginName: plugin.name, pluginIndex: plugin.index, nriVersion: plugin.nriVersion }));
}

/** `failRequest`: what the plugin does not answer is to fail (NRI 0.12.5). */
export function encodeConfigured(events: readonly NriEvent[], { failRequest }: { readonly failRequest: boolean }): Uint8Array {
  const bits = events.reduce((mask, event) => mask | (1 << EVENTS.indexOf(event)), 0);
  return toBinary(ConfigureResponseSchema, create(ConfigureResponseSchema, { events: bits, failurePolicy: { failRequest } }));
}

/** `more` is the request's: it says that parts are understood. */
export function encodeSynchronized(more: boolean): Uint8Array {
  return toBinary(SynchronizeResponseSchema, create(SynchronizeResponseSchema, { more }));
}

/** The answer to everything else: no container is to be changed. */
export const NRI_EMPTY = new Uint8Array();

/** Reads a call of the plugin. */
export function parseNriRequest(method: string, payload: Uint8Array): Result<NriRequest> {
  switch (method) {
    case 'Configure': {
      const read = decode(ConfigureRequestSchema, payload);
      if (!read.ok) return read;
      const { runtimeName, runtimeVersion, requestTimeout } = read.value;
      const requestTimeoutMs = requestTimeout > 0n ? Math.min(Number(requestTimeout), MAX_REQUEST_TIMEOUT_MS) : DEFAULT_REQUEST_TIMEOUT_MS;
      return ok({ kind: 'configure', runtime: runtimeName.slice(0, MAX_NAME_CHARACTERS), version: runtimeVersion.slice(0, MAX_NAME_CHARACTERS), requestTimeoutMs });
    }
    case 'Synchronize': {
      const read = decode(SynchronizeRequestSchema, payload);
      if (!read.ok) return read;
      const pods = read.value.pods.map(parsePod);
      const usable = pods.flatMap((pod) => (pod.ok ? [pod.value] : []));
      return ok({ kind: 'synchronize', pods: usable, unusable: pods.length - usable.length, more: read.value.more });
    }
    case 'Shutdown':
      return ok({ kind: 'shutdown' });
    case 'StateChange': {
      const read = decode(StateChangeEventSchema, payload);
      if (!read.ok) return read;
      const event = EVENTS[read.value.event - 1];
      return event === undefined ? ok({ kind: 'unknown', method: `StateChange ${read.value.event}` }) : eventOf(event, read.value);
    }
    default: {
      const event = EVENTS.find((name) => name === method);
      if (event === undefined) return ok({ kind: 'unknown', method: method.slice(0, MAX_NAME_CHARACTERS) });
      const read = decode(EventRequestSchema, payload);
      return read.ok ? eventOf(event, read.value) : read;
    }
  }
}

function eventOf(event: NriEvent, message: { readonly pod?: PodSandbox | undefined; readonly container?: { readonly name: string } | undefined }): Result<NriRequest> {
  const pod = parsePod(message.pod);
  return pod.ok ? ok({ kind: 'event', event, pod: pod.value, container: message.container?.name.slice(0, MAX_NAME_CHARACTERS) ?? '' }) : pod;
}

function parsePod(pod: PodSandbox | undefined): Result<NriPod> {
  if (pod === undefined) return err('a pod that is not described');
  const { id, uid, namespace, name, ips, linux } = pod;
  for (const text of [id, namespace, name]) if (text.length > MAX_NAME_CHARACTERS) return err('a pod with a name that is too long');
  if (!UID.test(uid)) return err('a pod with a uid of another form');
  if (ips.length > MAX_ADDRESSES) return err(`a pod with more than ${MAX_ADDRESSES} addresses`);
  const networkNamespace = linux?.namespaces.find(({ type }) => type === 'network')?.path ?? '';
  if (networkNamespace !== '' && !(networkNamespace.startsWith('/') && networkNamespace.length <= MAX_PATH_CHARACTERS && !networkNamespace.includes('\0'))) return err('a network namespace that is no path');
  return ok({ id, uid, namespace, name, networkNamespace: networkNamespace === '' ? undefined : networkNamespace, addresses: ips });
}

function decode<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): Result<MessageShape<Desc>> {
  try {
    return ok(fromBinary(schema, bytes, { readUnknownFields: false }));
  } catch {
    // What the library says of it quotes nothing that helps.
    return err(`no ${schema.name}`);
  }
}
