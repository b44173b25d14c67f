/**
 * The conformance suite of the MCS API (kubernetes-sigs/mcs-api, conformance/), as far as its cases look at objects of API
 * servers only: they are restated here case by case, by number and title. docs/mcs.md says which are tested where.
 */
import { isIP, isIPv4 } from 'node:net';
import type { V1ServicePort, V1ServiceSpec } from '@kubernetes/client-node';
import test, { type ExecutionContext } from 'ava';
import { eventually } from '../agents/eventually.ts';
import type { Member } from './member.ts';
import { startTwoMembers, type TwoMembers } from './two-members.ts';

/** The suite waits for 20 s for imports and conditions; here all cases run at once, beside the servers of both clusters. */
const WITHIN_MS = 60_000;
const HTTP: V1ServicePort = { name: 'http', port: 80, protocol: 'TCP' };

let clusters: TwoMembers;
let cases = 0;
test.before(async (t) => {
  t.timeout(180_000);
  clusters = await startTwoMembers();
});
test.after.always(async () => {
  await clusters?.[Symbol.asyncDispose]();
});

/** A namespace of the test's own, in both clusters. */
async function inBoth(labels: Record<string, string> = {}): Promise<{ readonly east: Member; readonly west: Member; readonly both: readonly [Member, Member]; readonly ns: string }> {
  const { east, west } = clusters;
  const ns = `mcs-${++cases}`;
  for (const each of [east, west]) await each.createNamespace(ns, labels);
  return { east, west, both: [east, west], ns };
}

const hasImport = async (member: Member, ns: string) => await eventually(async () => await member.serviceImport(ns), (found) => found?.status?.clusters !== undefined, WITHIN_MS);
const hasNoImport = async (member: Member, ns: string) => await eventually(async () => await member.serviceImport(ns), (found) => found === undefined, WITHIN_MS);
const exporters = async (member: Member, ns: string): Promise<string[]> => ((await member.serviceImport(ns))?.status?.clusters ?? []).map(({ cluster }) => cluster).sort();

/** The first export is seen everywhere before the second one is made, as the suite does it. */
async function exportOneAfterTheOther(first: Member, second: Member, ns: string, specs: readonly [V1ServiceSpec, V1ServiceSpec], exports: readonly [Parameters<Member['export']>[1], Parameters<Member['export']>[1]] = [undefined, undefined]): Promise<void> {
  await first.createService(ns, specs[0]);
  await first.export(ns, exports[0]);
  for (const each of [first, second]) await hasImport(each, ns);
  await second.createService(ns, specs[1]);
  await second.export(ns, exports[1]);
  for (const each of [first, second]) await eventually(async () => await exporters(each, ns), (found) => found.length === 2, WITHIN_MS);
}

/** The condition Conflict, on each of the exports. */
async function conflictOnBoth(t: ExecutionContext, { both, ns }: { readonly both: readonly Member[]; readonly ns: string }, reason: string, status = 'True'): Promise<void> {
  for (const each of both) {
    const found = await eventually(async () => await each.condition(ns, 'Conflict'), (condition) => condition?.status === status && condition.reason === reason, WITHIN_MS);
    if (status === 'True') t.regex(found?.message ?? '', /east.*seen first|seen first.*east|is in (east|west) and not in/, `${each.cluster} says who decided, and why`);
  }
}

test('1: a ServiceImport is there only while at least one cluster exports the Service', async (t) => {
  const { east, west, both, ns } = await inBoth();
  for (const each of both) await each.createService(ns, { ports: [HTTP] });
  t.is(await east.serviceImport(ns), undefined);
  await east.export(ns);
  for (const each of both) await eventually(async () => await exporters(each, ns), (found) => found.join() === 'east', WITHIN_MS);
  await west.export(ns);
  for (const each of both) await eventually(async () => await exporters(each, ns), (found) => found.join() === 'east,west', WITHIN_MS);
  await east.unexport(ns);
  for (const each of both) await eventually(async () => await exporters(each, ns), (found) => found.join() === 'west', WITHIN_MS);
  await west.unexport(ns);
  for (const each of both) await hasNoImport(each, ns);
  t.pass();
});

test('2: only exportedLabels and exportedAnnotations reach the ServiceImport', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP] }, { 'of-the-service': 'x' });
  await east.export(ns, { exportedLabels: { team: 'a' }, exportedAnnotations: { 'example.org/note': 'some text' } });
  for (const each of both) {
    const { metadata } = (await hasImport(each, ns)) ?? {};
    t.is(metadata?.labels?.['team'], 'a');
    t.is(metadata?.annotations?.['example.org/note'], 'some text');
    t.false('of-the-service' in (metadata?.labels ?? {}));
  }
});

test('3: labels and annotations that conflict are those of the first export, and both exports say so', async (t) => {
  const place = await inBoth();
  const { east, west, both, ns } = place;
  await exportOneAfterTheOther(east, west, ns, [{ ports: [HTTP] }, { ports: [HTTP] }], [{ exportedLabels: { team: 'a' }, exportedAnnotations: { note: 'a' } }, { exportedLabels: { team: 'b' }, exportedAnnotations: { note: 'b' } }]);
  await conflictOnBoth(t, place, 'LabelsConflict,AnnotationsConflict');
  for (const each of both) t.like((await each.serviceImport(ns))?.metadata, { labels: { team: 'a' }, annotations: { note: 'a' } });
});

test('4: the export of a ClusterIP Service makes a ServiceImport of type ClusterSetIP in each cluster, and its end takes it away', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP] });
  await east.export(ns);
  for (const each of both) t.is((await hasImport(each, ns))?.spec?.type, 'ClusterSetIP');
  await east.unexport(ns);
  for (const each of both) await hasNoImport(each, ns);
});

test('5: the session affinity of the import and its configuration are the Service’s', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP], sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } });
  await east.export(ns);
  for (const each of both) t.like((await hasImport(each, ns))?.spec, { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } });
});

test('6: the internal traffic policy of the import is the Service’s', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP], internalTrafficPolicy: 'Local' });
  await east.export(ns);
  for (const each of both) t.is((await hasImport(each, ns))?.spec?.internalTrafficPolicy, 'Local');
});

test('7: the traffic distribution of the import is the Service’s', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP], trafficDistribution: 'PreferClose' });
  await east.export(ns);
  for (const each of both) t.is((await hasImport(each, ns))?.spec?.trafficDistribution, 'PreferClose');
});

for (const families of [['IPv4'], ['IPv6'], ['IPv6', 'IPv4']]) {
  test(`8: the import has one valid address for each family, in the order of its ipFamilies: ${families.join()}`, async (t) => {
    const { east, west, ns } = await inBoth();
    await east.createService(ns, { ports: [HTTP], ipFamilies: families, ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack' });
    await east.export(ns);
    const look = async (member: Member, count: number): Promise<void> => {
      const { spec } = (await eventually(async () => await member.serviceImport(ns), (found) => found?.spec?.ips?.length === count, WITHIN_MS)) ?? {};
      t.deepEqual(spec?.ips?.map((ip) => (isIPv4(ip) ? 'IPv4' : isIP(ip) === 6 ? 'IPv6' : ip)), spec?.ipFamilies as string[]);
    };
    await look(east, families.length);
    // This one has addresses of IPv4 alone.
    const ready = async () => (await west.serviceImport(ns))?.status?.conditions?.find(({ type }) => type === 'Ready');
    const isSupported = families.includes('IPv4');
    if (isSupported) await look(west, 1);
    t.like(await eventually(ready, (condition) => condition !== undefined && condition.reason !== 'Pending', WITHIN_MS), { status: isSupported ? 'True' : 'False', reason: isSupported ? 'Ready' : 'IPFamilyNotSupported', observedGeneration: (await west.serviceImport(ns))?.metadata?.generation });
  });
}

const portsOf = async (member: Member, ns: string) => (await member.serviceImport(ns))?.spec?.ports?.map(({ name, port, protocol, appProtocol }) => [name, port, protocol, appProtocol].filter((each) => each !== undefined).join(' ')).sort();

test('9: the ports of the import are those of the Service', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [{ ...HTTP, appProtocol: 'kubernetes.io/h2c' }, { name: 'dns', port: 53, protocol: 'UDP' }] });
  await east.export(ns);
  for (const each of both) {
    await hasImport(each, ns);
    t.deepEqual(await portsOf(each, ns), ['dns 53 UDP', 'http 80 TCP kubernetes.io/h2c']);
  }
});

test('10: two exports with different ports: the import has the union, and both exports say that they conflict', async (t) => {
  const place = await inBoth();
  await exportOneAfterTheOther(place.east, place.west, place.ns, [{ ports: [HTTP] }, { ports: [{ name: 'admin', port: 8080, protocol: 'TCP' }] }]);
  await conflictOnBoth(t, place, 'PortConflict');
  for (const each of place.both) t.deepEqual(await portsOf(each, place.ns), ['admin 8080 TCP', 'http 80 TCP']);
});

test('11: two exports with the same name of a port and different numbers: that of the first is the import’s, and both exports say that they conflict', async (t) => {
  const place = await inBoth();
  await exportOneAfterTheOther(place.east, place.west, place.ns, [{ ports: [HTTP] }, { ports: [{ ...HTTP, port: 8080 }] }]);
  await conflictOnBoth(t, place, 'PortConflict');
  for (const each of place.both) t.deepEqual(await portsOf(each, place.ns), ['http 80 TCP']);
});

test('12: the export of a headless Service makes a ServiceImport of type Headless in each cluster, and its end takes it away', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { clusterIP: 'None', ports: [HTTP] });
  await east.export(ns);
  for (const each of both) t.is((await hasImport(each, ns))?.spec?.type, 'Headless');
  await east.unexport(ns);
  for (const each of both) await hasNoImport(each, ns);
});

test('13: a headless import has no address', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { clusterIP: 'None', ports: [HTTP] });
  await east.export(ns);
  for (const each of both) {
    await eventually(async () => (await each.serviceImport(ns))?.status?.conditions?.find(({ type }) => type === 'Ready'), (ready) => ready?.status === 'True', WITHIN_MS);
    t.deepEqual((await each.serviceImport(ns))?.spec?.ips ?? [], []);
  }
});

test('14: a Service of type ExternalName is not exported: its export is not valid, and there is no ServiceImport', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { type: 'ExternalName', externalName: 'example.org' });
  await east.export(ns);
  const found = await eventually(async () => await east.serviceExport(ns), (object) => (object?.status?.conditions?.length ?? 0) >= 2, WITHIN_MS);
  const said = (type: string) => found?.status?.conditions?.find((condition) => condition.type === type);
  t.like(said('Valid'), { status: 'False', reason: 'InvalidServiceType' });
  t.like(said('Ready'), { status: 'False', reason: 'Failed' });
  for (const each of both) t.is(await each.serviceImport(ns), undefined);
});

test('15: an export that is headless and one that is not: the first decides, and both exports say that they conflict', async (t) => {
  const place = await inBoth();
  await exportOneAfterTheOther(place.east, place.west, place.ns, [{ ports: [HTTP] }, { clusterIP: 'None', ports: [HTTP], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }]);
  await conflictOnBoth(t, place, 'TypeConflict');
  for (const each of place.both) t.is((await each.serviceImport(place.ns))?.spec?.type, 'ClusterSetIP');
});

test('17: EndpointSlices of an import say its Service and source cluster, are managed by nobody else, and go with the export', async (t) => {
  const { east, both, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP] });
  await east.createEndpoint(ns, '10.1.0.1', [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  await east.export(ns);
  for (const each of both) {
    const [slice] = await eventually(async () => await each.slices(ns), (slices) => slices.length === 1 && slices[0]?.endpoints?.length === 1, WITHIN_MS);
    t.like(slice?.metadata?.labels, { 'multicluster.kubernetes.io/service-name': 'hello', 'multicluster.kubernetes.io/source-cluster': 'east' });
    t.truthy(slice?.metadata?.labels?.['endpointslice.kubernetes.io/managed-by']);
    t.not(slice?.metadata?.labels?.['endpointslice.kubernetes.io/managed-by'], 'endpointslice-controller.k8s.io');
    t.is(slice?.addressType, 'IPv4');
    t.deepEqual(slice?.metadata?.ownerReferences?.map(({ kind, name }) => [kind, name]), [['ServiceImport', 'hello']]);
  }
  await east.unexport(ns);
  for (const each of both) await eventually(async () => await each.slices(ns), (slices) => slices.length === 0, WITHIN_MS);
});

test('beyond the suite: a namespace that comes later gets its import then', async (t) => {
  const { east, west } = clusters;
  const ns = `mcs-${++cases}`;
  await east.createNamespace(ns);
  await east.createService(ns, { ports: [HTTP] });
  await east.export(ns);
  await hasImport(east, ns);
  t.is(await west.serviceImport(ns), undefined);
  await west.createNamespace(ns);
  await hasImport(west, ns);
});

test('beyond the suite: a label of the namespace exports its Services, and an export is ready once the hub has it', async (t) => {
  const { east, west, ns } = await inBoth({ 'landbridge.dev/export': 'true' });
  await east.createService(ns, { ports: [HTTP] });
  const ready = await eventually(async () => await east.condition(ns, 'Ready'), (condition) => condition?.status === 'True', WITHIN_MS);
  t.is(ready?.reason, 'Exported');
  await hasImport(west, ns);
  // Neither its own derived Service, nor that of the other cluster, is exported in turn.
  for (const { cluster, custom } of [east, west]) {
    const { items } = (await custom.listNamespacedCustomObject({ group: 'multicluster.x-k8s.io', version: 'v1beta1', namespace: ns, plural: 'serviceexports' })) as { items: readonly { metadata: { name: string } }[] };
    t.deepEqual(items.map(({ metadata }) => metadata.name), cluster === 'east' ? ['hello'] : []);
  }
  await east.core.patchNamespace({ name: ns, body: [{ op: 'remove', path: '/metadata/labels/landbridge.dev~1export' }] });
  for (const each of [east, west]) await hasNoImport(each, ns);
});

test('beyond the suite: a derived Service of one family, as versions before have made it, gets the other one and keeps its address', async (t) => {
  const { east, ns } = await inBoth();
  await east.createService(ns, { ports: [HTTP], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' });
  await east.export(ns);
  const ready = async (): Promise<readonly string[]> => (await eventually(async () => await east.serviceImport(ns), (found) => found?.spec?.ips?.length === 2, WITHIN_MS))?.spec?.ips ?? [];
  const [first = ''] = await ready();
  const derived = async () => (await east.core.listNamespacedService({ namespace: ns, labelSelector: 'multicluster.kubernetes.io/service-name=hello' })).items[0];
  const name = (await derived())?.metadata?.name ?? '';
  await east.core.patchNamespacedService({ namespace: ns, name, body: [{ op: 'replace', path: '/spec/ipFamilyPolicy', value: 'SingleStack' }, { op: 'remove', path: '/spec/ipFamilies/1' }, { op: 'remove', path: '/spec/clusterIPs/1' }] });
  const after = await eventually(derived, (service) => service?.spec?.ipFamilyPolicy === 'PreferDualStack' && service.spec.clusterIPs?.length === 2, WITHIN_MS);
  t.is(after?.spec?.clusterIPs?.[0], first);
  await eventually(async () => await east.serviceImport(ns), (found) => found?.spec?.ips?.join() === after?.spec?.clusterIPs?.join(), WITHIN_MS);
  t.is((await ready())[0], first);
});
