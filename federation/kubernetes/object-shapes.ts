import type { KubernetesObject } from '@kubernetes/client-node';
import { type Fields, isObject } from '@landbridge/core/json-fields.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { REGION_LABEL, SUBZONE_LABEL, ZONE_LABEL } from '../registry/placement.ts';
import type { ResourceKind } from './object-source.ts';
import { flag, integer, list, object, type Shape, shared, text, texts, time, whole } from './shape.ts';

/** What kubectl keeps of an object for itself: as large as the object. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const NODE_LABELS = [REGION_LABEL, ZONE_LABEL, SUBZONE_LABEL];

const withoutLastApplied: Shape<Record<string, string>> = (value) => {
  const kept = texts()(value);
  if (kept !== undefined) delete kept[LAST_APPLIED];
  return kept;
};

/** Without managedFields, which are most of many an object. */
const metadata = {
  name: text,
  namespace: text,
  uid: text,
  labels: shared(texts()),
  annotations: withoutLastApplied,
  generation: integer,
  creationTimestamp: time,
  deletionTimestamp: time,
  ownerReferences: shared(list(object({ apiVersion: text, kind: text, name: text, uid: text, controller: flag }))),
};
const MAX_PORT = 65535;

/** What is no port's number is absent. */
const portNumber: Shape<number> = (value) => {
  const number = integer(value);
  return number !== undefined && number > 0 && number <= MAX_PORT ? number : undefined;
};

/** By number, or by name. */
const targetPort: Shape<number | string> = (value) => portNumber(value) ?? text(value);
const port = object({ name: text, protocol: text, port: portNumber, appProtocol: text });
const sessionAffinity = { sessionAffinity: text, sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer }) }) };

/** Of the MCS API: nobody else writes them. */
const condition = object({ type: text, status: text, reason: text, message: text, lastTransitionTime: text, observedGeneration: integer });

const DEFAULT: Shape<object> = object({ metadata: object(metadata), spec: whole, status: whole });

/** Read by a total function of its own, to which what can not be read must come; its status is written as it was read. */
const policy: Shape<object> = object({ metadata: object({ ...metadata, resourceVersion: text }), spec: whole, status: object({ conditions: list(wholeCondition) }) });

/** Likewise, with the addresses that were found for it, which are written as well. */
const entry: Shape<object> = object({ metadata: object({ ...metadata, resourceVersion: text }), spec: whole, status: object({ conditions: list(wholeCondition), addresses: whole }) });

/** By kind: what is read of it anywhere in this service, and of what it writes all that it writes. */
const SHAPES: Readonly<Record<string, Shape<object>>> = {
  Pod: object({
    metadata: object({ ...metadata, annotations: shared(texts([REDIRECTION_ANNOTATION])) }),
    spec: object({ nodeName: text, serviceAccountName: text, hostNetwork: flag, hostname: text, subdomain: text, containers: namedPorts, initContainers: namedPorts }),
    status: object({ phase: text, podIPs: list(object({ ip: text })), conditions: shared(list(readyCondition)) }),
  }),
  Service: object({
    metadata: object(metadata),
    spec: object({
      type: text,
      clusterIP: text,
      clusterIPs: list(text),
      ipFamilies: list(text),
      ipFamilyPolicy: text,
      ports: list(object({ name: text, protocol: text, port: portNumber, appProtocol: text, targetPort, nodePort: portNumber })),
      selector: texts(),
      ...sessionAffinity,
      internalTrafficPolicy: text,
      trafficDistribution: text,
      publishNotReadyAddresses: flag,
      externalName: text,
    }),
    status: object({ loadBalancer: object({ ingress: list(object({ ip: text, ipMode: text, hostname: text })) }) }),
  }),
  EndpointSlice: object({
    metadata: object(metadata),
    addressType: text,
    ports: shared(list(port)),
    endpoints: list(object({
      addresses: list(text),
      conditions: shared(object({ ready: flag, serving: flag, terminating: flag })),
      hostname: text,
      nodeName: text,
      targetRef: object({ kind: text, namespace: text, name: text }),
      zone: text,
    })),
  }),
  Node: object({ metadata: object({ ...metadata, labels: texts(NODE_LABELS), annotations: texts([]) }), spec: object({ podCIDR: text, podCIDRs: list(text) }), status: object({ addresses: list(object({ type: text, address: text })) }) }),
  Namespace: object({ metadata: object(metadata) }),
  ServiceExport: object({ metadata: object(metadata), spec: object({ exportedLabels: texts(), exportedAnnotations: texts() }), status: object({ conditions: list(condition) }) }),
  ServiceImport: object({
    metadata: object(metadata),
    spec: object({ type: text, ports: list(port), ips: list(text), ipFamilies: list(text), internalTrafficPolicy: text, trafficDistribution: text, ...sessionAffinity }),
    status: object({ clusters: list(object({ cluster: text })), conditions: list(condition) }),
  }),
  ServiceEntry: entry,
  WorkloadEntry: entry,
  AuthorizationPolicy: policy,
  PeerAuthentication: policy,
  DestinationRule: policy,
  ImportPolicy: policy,
  ServiceRoute: policy,
  // Their schemas are the largest part of many an API server.
  CustomResourceDefinition: object({ metadata: object({ ...metadata, annotations: texts([]) }), spec: object({ group: text, names: object({ categories: list(text) }), versions: list(object({ name: text, served: flag })) }) }),
};

/** Of a pod's containers, those with ports that have a name; nothing where there is none, as of most. Pods of one owner have them alike. */
const containersWithPorts = shared(list(object({ restartPolicy: text, ports: list(object({ name: text, containerPort: portNumber, protocol: text })) })));

function namedPorts(value: unknown): object[] | undefined {
  const containers = Array.isArray(value) ? value.filter((container) => isObject(container) && Array.isArray(container['ports']) && container['ports'].some((port) => isObject(port) && typeof port['name'] === 'string')) : [];
  return containers.length === 0 ? undefined : containersWithPorts(containers);
}

/** Of a pod's conditions one is looked at. */
function readyCondition(value: unknown): { type?: string; status?: string } | undefined {
  const condition = object({ type: text, status: text })(value);
  return condition?.type === 'Ready' ? condition : undefined;
}

/** With all that others have in it, as it is written back. */
function wholeCondition(value: unknown): Fields | undefined {
  return isObject(value) && typeof value['type'] === 'string' ? value : undefined;
}

/** Reads objects of a kind: each has a name, its apiVersion and kind, and of the rest what {@link SHAPES} says. Total. */
export function objectParser<T extends KubernetesObject>({ apiVersion, kind }: ResourceKind): (value: unknown) => Result<T> {
  const shape = SHAPES[kind] ?? DEFAULT;
  return (value) => {
    const taken = shape(value) as KubernetesObject | undefined;
    const name = taken?.metadata?.name;
    if (name === undefined || name === '') return err(`a ${kind} without a name`);
    return ok({ apiVersion, kind, ...taken } as T);
  };
}
