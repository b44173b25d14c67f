/** Services and workloads as a control plane tells them, for tests. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { ipBytes, type IpAddress } from '@landbridge/core/ip-address.ts';
import { AddressSchema, PortListSchema, ServiceSchema, TunnelProtocol, WorkloadSchema } from '@landbridge/wire/gen/workload_pb.js';
import { type Resource, resource } from '@landbridge/federation/xds/resource.ts';

export type ExampleResource =
  | { readonly kind: 'service'; readonly host: string; readonly ip: string }
  /** Of a ServiceEntry, with a range of addresses. */
  | { readonly kind: 'host'; readonly host: string; readonly ip: string; readonly bits: number }
  | { readonly kind: 'workload'; readonly name: string; readonly ip: string; readonly services?: readonly string[]; readonly node?: string };

export const NAMESPACE = 'shop';
export const hostOf = (service: string): string => `${service}.${NAMESPACE}.svc.cluster.local`;
export const keyOf = (service: string): string => `${NAMESPACE}/${hostOf(service)}`;
export const uidOf = (workload: string): string => `east//Pod/${NAMESPACE}/${workload}`;

export function nameOf(example: ExampleResource): string {
  switch (example.kind) {
    case 'service':
      return keyOf(example.host);
    case 'host':
      return `${NAMESPACE}/${example.host}`;
    case 'workload':
      return uidOf(example.name);
    default:
      return example satisfies never;
  }
}

export function encode(example: ExampleResource): Resource {
  const address = Uint8Array.from(ipBytes(example.ip as IpAddress));
  return resource(toBinary(AddressSchema, create(AddressSchema, { type: typeOf(example, address) })));
}

function typeOf(example: ExampleResource, address: Uint8Array<ArrayBuffer>): NonNullable<MessageInitShape<typeof AddressSchema>['type']> {
  const ports = [{ servicePort: 80, targetPort: 8080 }];
  if (example.kind === 'workload') return { case: 'workload', value: create(WorkloadSchema, { uid: uidOf(example.name), name: example.name, namespace: NAMESPACE, addresses: [address], node: example.node ?? 'elsewhere', tunnelProtocol: TunnelProtocol.NONE, services: Object.fromEntries((example.services ?? []).map((service) => [service.includes('.') ? `${NAMESPACE}/${service}` : keyOf(service), create(PortListSchema, { ports })])) }) };
  const [hostname, length] = example.kind === 'host' ? [example.host, { length: example.bits }] : [hostOf(example.host), {}];
  return { case: 'service', value: create(ServiceSchema, { name: example.host, namespace: NAMESPACE, hostname, addresses: [{ network: '', address, ...length }], ports }) };
}

export const encodeAll = (examples: readonly ExampleResource[]): ReadonlyMap<string, Resource> => new Map(examples.map((example) => [nameOf(example), encode(example)]));
