/** What clusters of these tests export. */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Endpoint, RecordBody } from '@landbridge/core/records.ts';
import { endpoint } from '@landbridge/federation/records/example-records.ts';
import { exampleEndpoint, exampleExport, examplePod, exampleService, exampleSlice } from '@landbridge/federation/registry/example-objects.ts';
import type { HonestCluster, HostileMember } from './clusterset.ts';

const PORT = { name: 'http', protocol: 'TCP', port: 80 } as const;
const TARGET = { name: 'http', protocol: 'TCP', port: 8080 } as const;

export const POLICY_DEFINITION = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'importpolicies.landbridge.dev' }, spec: { versions: [{ name: 'v1alpha1', served: true }] } } as KubernetesObject;

/** A Service with one pod, in namespace `shop`. */
export function serve({ objects }: HonestCluster, name: string, address: string): void {
  objects.put(exampleService(name, { ports: [PORT] }));
  objects.put(examplePod(`${name}-1`, address));
  objects.put(exampleSlice(name, [exampleEndpoint(`${name}-1`, address)], { ports: [TARGET] }));
}

export function exportService(cluster: HonestCluster, name: string, address: string): void {
  serve(cluster, name, address);
  cluster.objects.put(exampleExport(name));
}

export function addNode({ objects }: HonestCluster, address: string, podRange: string): void {
  objects.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' }, spec: { podCIDRs: [podRange] }, status: { addresses: [{ type: 'InternalIP', address }] } } as KubernetesObject);
}

export function serviceRecord(name: string, more: object = {}): RecordBody {
  return { kind: 'svc', namespace: 'shop', name, exportedAt: 1, type: 'ClusterSetIP', ports: [PORT], sessionAffinity: 'None', ipFamilies: ['IPv4'], ...more } as RecordBody;
}

export function endpointsRecord(name: string, addresses: readonly string[], more: { readonly namespace?: string } = {}): RecordBody {
  return { kind: 'eps', namespace: 'shop', name, shard: 0, endpoints: addresses.map((address, i): Endpoint => ({ ...endpoint(`${name}-m${i}`, address), ports: [TARGET] })), ...more };
}

/** As a member that keeps to the rules says it. */
export async function sayService(member: HostileMember, name: string, addresses: readonly string[], more: { readonly namespace?: string } = {}): Promise<void> {
  member.say(serviceRecord(name, more));
  member.say(endpointsRecord(name, addresses, more));
  await member.sync();
}
