import test from 'ava';
import type { AuthorizationPolicy, Match } from '@landbridge/core/authorization.ts';
import { parsePrefix } from '@landbridge/core/ip-address.ts';
import { gatewayAt, registryOf, servesAt, serviceOf, workloadOf } from '../discovery/test-resources.ts';
import { TestAuthority } from '../identity/test-identities.ts';
import type { ConnectionView } from '../proxy/thread-messages.ts';
import type { AdminSources, CertificateStatus, PodStatus } from './admin-sources.ts';
import { configDump, connectionsDump } from './config-dump.ts';
import { sourcesOf } from './test-sources.ts';

const { signal } = new AbortController();
const pod: PodStatus = { uid: 'uid-1', name: 'web-1', namespace: 'shop', serviceAccount: 'web', trustDomain: 'east.landbridge', addresses: ['10.1.0.9', 'fd00::9'], isUp: true };
const view: ConnectionView = { direction: 'outbound', carriage: 'hbone', source: '10.1.0.9:40000', destination: '10.1.0.1:15008', hboneAddress: '10.1.0.1:80', sourceIdentity: undefined, destinationIdentity: undefined, service: 'echo.demo.svc.clusterset.local', openForMs: 12.5, sentBytes: 1, receivedBytes: 2 };

async function dump(over: Partial<AdminSources> = {}): Promise<Record<string, unknown>> {
  return JSON.parse((await Array.fromAsync(configDump(sourcesOf(over), signal))).join('')) as Record<string, unknown>;
}

test('an agent that knows nothing yet has all parts of the dump', async (t) => {
  t.deepEqual(await dump(), { version: { version: '1.2.3', runtime: `node ${process.version}` }, config: { CLUSTER_ID: 'east' }, services: [], workloads: [], stagedServices: {}, policies: [], certificates: [], workloadState: {} });
});

test("workloads, services and staged services have ztunnel's shape", async (t) => {
  const service = serviceOf('echo', { addresses: ['/10.9.0.1'], ports: new Map([[8080, 80]]), waypoint: gatewayAt(serviceOf('way')), loadBalancing: { mode: 'failover', preferences: ['network', 'zone'], health: 'allow-all' }, ipFamilies: 'dual' });
  const unknown = serviceOf('later');
  const workload = workloadOf(1, { addresses: ['net/10.1.0.1', 'net/fd00::1'], network: 'net', services: new Map([...servesAt(service), ...servesAt(unknown, { 9090: 90 })]), region: 'r', zone: 'z', applicationTunnel: { protocol: 'proxy', port: 15088 }, healthy: false, tunnel: 'none' });
  const registry = registryOf(service, workload);
  const told = await dump({ workloads: () => [workload], services: () => [service], endpointsOf: (of) => registry.endpointsOf(of) });
  t.deepEqual(told['workloads'], [
    {
      uid: 'east//Pod/demo/echo-1',
      workloadIps: ['10.1.0.1', 'fd00::1'],
      protocol: 'TCP',
      networkMode: 'Standard',
      name: 'echo-1',
      namespace: 'demo',
      trustDomain: 'east.example',
      serviceAccount: 'echo',
      network: 'net',
      workloadName: 'echo',
      workloadType: 'deployment',
      canonicalName: 'echo',
      canonicalRevision: 'v1',
      hostname: '',
      node: 'n',
      nativeTunnel: false,
      applicationTunnel: { protocol: 'PROXY', port: 15088 },
      authorizationPolicies: [],
      status: 'Unhealthy',
      clusterId: 'east',
      locality: { region: 'r', zone: 'z', subzone: '' },
      services: ['demo/echo.demo.svc.clusterset.local', 'demo/later.demo.svc.clusterset.local'],
      capacity: 1,
    },
  ]);
  t.deepEqual(told['services'], [
    {
      name: 'echo',
      namespace: 'demo',
      hostname: 'echo.demo.svc.clusterset.local',
      vips: ['/10.9.0.1'],
      cidrVips: [],
      ports: { 8080: 80 },
      endpoints: { 'east//Pod/demo/echo-1': { workloadUid: 'east//Pod/demo/echo-1', port: { 8080: 80 }, status: 'Unhealthy' } },
      subjectAltNames: [],
      waypoint: { destination: 'demo/way.demo.svc.clusterset.local', hboneMtlsPort: 15008 },
      weightedWaypoints: [],
      loadBalancer: { routingPreferences: ['Network', 'Zone'], mode: 'Failover', healthPolicy: 'AllowAll' },
      ipFamilies: 'Dual',
      canonical: false,
      visibility: 'Public',
    },
  ]);
  t.deepEqual(told['stagedServices'], { 'demo/later.demo.svc.clusterset.local': { 'east//Pod/demo/echo-1': { workloadUid: 'east//Pod/demo/echo-1', port: { 9090: 90 }, status: 'Unhealthy' } } });
});

test("policies have ztunnel's shape", async (t) => {
  const range = parsePrefix('10.0.0.0/8');
  const nothing: Match = { namespaces: [], notNamespaces: [], principals: [], notPrincipals: [], sourceIps: [], notSourceIps: [], destinationIps: [], notDestinationIps: [], destinationPorts: [], notDestinationPorts: [], serviceAccounts: [], notServiceAccounts: [] };
  const match: Match = { ...nothing, namespaces: [{ kind: 'exact', value: 'shop' }], notPrincipals: [{ kind: 'presence' }, { kind: 'suffix', value: '/sa/x' }], sourceIps: range.ok ? [range.value] : [], destinationPorts: [80], serviceAccounts: [{ namespace: 'a', serviceAccount: 'b' }] };
  const policy: AuthorizationPolicy = { name: 'p', namespace: 'demo', scope: 'workload', action: 'deny', rules: [[[match]]], dryRun: true, unevaluable: undefined };
  t.deepEqual((await dump({ policies: () => [policy] }))['policies'], [
    { name: 'p', namespace: 'demo', scope: 'WorkloadSelector', action: 'Deny', rules: [[[{ namespaces: [{ Exact: 'shop' }], notPrincipals: [{ Presence: [] }, { Suffix: '/sa/x' }], sourceIps: ['10.0.0.0/8'], destinationPorts: [80], serviceAccounts: [{ namespace: 'a', serviceAccount: 'b' }] }]]], dryRun: true },
  ]);
});

test('certificates are told without their keys, even where a key came along', async (t) => {
  using authority = new TestAuthority('east.landbridge');
  const { keyPem, chainPem, rootsPem, identity } = authority.certificate('web');
  const statuses: CertificateStatus[] = [
    // The whole of what a store keeps, more than the type allows: no field but those known is read.
    { ...authority.certificate('api'), state: 'Available' } as CertificateStatus,
    { identity, state: 'Available', chainPem: keyPem + chainPem, rootsPem },
    { identity: 'spiffe://east.landbridge/ns/test/sa/new', state: 'Initializing', chainPem: '', rootsPem: '' },
    { identity: 'spiffe://east.landbridge/ns/test/sa/odd', state: 'Available', chainPem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', rootsPem: 'nonsense' },
  ];
  const text = (await Array.fromAsync(configDump(sourcesOf({ certificates: () => statuses }), signal))).join('');
  t.notRegex(text, /PRIVATE KEY/);
  t.false(text.includes(Buffer.from('PRIVATE KEY').toString('base64').slice(0, 12)));
  for (const line of keyPem.split('\n').filter((each) => each.length > 40)) t.false(text.includes(line));
  const [, told, fresh, odd] = (JSON.parse(text) as { certificates: Record<string, unknown>[] }).certificates;
  t.like(told, { identity, state: 'Available' });
  const [leaf] = told!['certChain'] as Record<string, string>[];
  t.is(Buffer.from(leaf?.['pem'] ?? '', 'base64').toString().trim(), chainPem.trim());
  t.regex(leaf?.['serialNumber'] ?? '', /^\d+$/);
  t.regex(leaf?.['validFrom'] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  t.true(Date.parse(leaf?.['expirationTime'] ?? '') > Date.now());
  t.is((told!['rootCerts'] as unknown[]).length, 1);
  t.like(fresh, { state: 'Initializing', certChain: [], rootCerts: [] });
  t.deepEqual(odd?.['certChain'], [{ pem: '', serialNumber: '', validFrom: '', expirationTime: '' }]);
});

test('rather than tell a secret, the dump fails', async (t) => {
  using authority = new TestAuthority('east.landbridge');
  const { keyPem } = authority.certify('URI:spiffe://a');
  for (const configuration of [{ KEY: keyPem }, { KEY: Buffer.from(keyPem).toString('base64') }, { TOKEN: `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.${'x'.repeat(80)}` }]) {
    await t.throwsAsync(Array.fromAsync(configDump(sourcesOf({ configuration }), signal)), { code: 'secret' });
  }
  await t.throwsAsync(Array.fromAsync(connectionsDump(sourcesOf({ connections: async () => [{ ...view, service: keyPem }] }), signal)), { code: 'secret' });
});

test('connections are listed with the pods that they are of', async (t) => {
  const inbound: ConnectionView = { ...view, direction: 'inbound', carriage: 'plain', source: '[fd00::7]:5', destination: '[fd00::9]:80', hboneAddress: undefined, service: undefined };
  const elsewhere: ConnectionView = { ...view, source: '10.1.0.99:1' };
  const idle: PodStatus = { ...pod, uid: 'uid-2', addresses: ['10.1.0.10'], isUp: false };
  const told = await dump({ pods: () => [pod, idle], connections: async () => [view, inbound, elsewhere] });
  const info = { name: 'web-1', namespace: 'shop', trustDomain: 'east.landbridge', serviceAccount: 'web' };
  t.deepEqual(told['workloadState'], {
    'uid-1': {
      state: 'Up',
      connections: { inbound: [{ src: '[fd00::7]:5', originalDst: null, actualDst: '[fd00::9]:80', protocol: 'TCP' }], outbound: [{ src: '10.1.0.9:40000', originalDst: '10.1.0.1:80', actualDst: '10.1.0.1:15008', protocol: 'HBONE' }] },
      info,
    },
    'uid-2': { state: 'Pending', connections: { inbound: [], outbound: [] }, info },
  });
  t.deepEqual(JSON.parse((await Array.fromAsync(connectionsDump(sourcesOf({ connections: async () => [view] }), signal))).join('')), [
    { direction: 'outbound', carriage: 'hbone', source: '10.1.0.9:40000', destination: '10.1.0.1:15008', hboneAddress: '10.1.0.1:80', service: 'echo.demo.svc.clusterset.local', openForMs: 13, sentBytes: 1, receivedBytes: 2 },
  ]);
});

test('without an answer of the threads there is the rest of the dump', async (t) => {
  const told = await dump({ pods: () => [pod], connections: async () => Promise.reject(new Error('x')) });
  t.deepEqual(told['workloadState'], { 'uid-1': { state: 'Up', info: { name: 'web-1', namespace: 'shop', trustDomain: 'east.landbridge', serviceAccount: 'web' } } });
  const gone = new AbortController();
  gone.abort(new Error('the client has gone'));
  await t.throwsAsync(Array.fromAsync(configDump(sourcesOf({ connections: () => new Promise(() => {}) }), gone.signal)), { message: 'the client has gone' });
});

test('a large dump comes in pieces, with turns for others between them', async (t) => {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const pieces = await Array.fromAsync(configDump(sourcesOf({ workloads: () => Array.from({ length: 5000 }, (_, n) => workloadOf(n)) }), signal));
  isOver = true;
  t.true(pieces.length > 10 && turns >= pieces.length - 2, `${pieces.length} pieces, ${turns} turns`);
  for (const piece of pieces) t.true(piece.length < 128 * 1024);
  t.is((JSON.parse(pieces.join('')) as { workloads: unknown[] }).workloads.length, 5000);
});
