import test from 'ava';
import type { RotationStatus } from '../admin/admin-api.ts';
import { examplePolicy } from '../consent/example-policies.ts';
import { readImportPolicies } from '../consent/import-policies.ts';
import type { FederationConfig } from '../config.ts';
import type { Membership } from '../hub/membership.ts';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { endpoint, exampleKeys, exampleMember } from '../records/example-records.ts';
import { describeConflicts } from '../merge/conflicts.ts';
import { adminBackend } from './admin-backend.ts';
import type { Clusterset } from './clusterset.ts';

const config: FederationConfig = { cluster: 'east', trustDomain: 'east.landbridge', network: 'n1', domain: 'cluster.local', gateways: [], podRanges: [], serviceRanges: [], rootNamespace: 'landbridge-system', istioShape: 'ambient', logLevel: 'info', peers: { stalePolicy: 'deprioritize', staleAfterSeconds: 60, dropAfterSeconds: 0 }, ca: { source: 'self', secret: 'cacerts', directory: '/nowhere', signerName: '', approves: true, rootsConfigMap: '', rootsKey: '' }, namespace: 'landbridge-system' };
const keys = exampleKeys();

const membership = {
  hubState: () => ({ kind: 'connected', url: 'tls://hub.example:4222', since: 5 }),
  isAuthority: true,
  members: () => [exampleMember('east', keys), exampleMember('west', keys, { network: 'n2' }), exampleMember('north', keys, { revoked: true })],
  isComplete: (cluster: string) => cluster === 'north',
  throttled: () => new Map([['west', { waiting: 5, lost: 0 }]]),
  views: () => new Map([['west', { overflow: 7 }], ['north', { overflow: 0 }]]),
  createToken: async (request: unknown) => ({ token: `lb1.${JSON.stringify(request)}`, expiresAt: 9 }),
  join: async () => ['east', 'west'],
} as unknown as Membership;

const cart = exampleImport({ clusters: [part('east', endpoint('a'), { ...endpoint('b'), ready: false }), part('west')], conflicts: [{ kind: 'value', field: 'type', value: 'Headless', winner: 'east', losers: ['west'] }] });
const pay = exampleImport({ name: 'pay', type: 'Headless' });
const clusterset = {
  exports: new Map([['shop/cart', {}]]),
  imports: new Map([['shop/cart', cart], ['shop/pay', pay]]),
  judgedPolicies: [{ object: { kind: 'PeerAuthentication', metadata: { namespace: 'shop', name: 'odd' } }, verdict: { kind: 'refused', reason: 'Invalid', message: 'why' } }],
  judgedImportPolicies: readImportPolicies([examplePolicy({ allow: [{}] }, 'good'), examplePolicy({}, 'bad')]),
  consentReport: new Map([['west', { refused: new Map([['policy', 2]]), refusals: ['shop/cart', 'shop/till'].map((service) => ({ service, reason: 'policy', policy: 'good', message: 'ImportPolicy good does not allow it' })), dropped: new Map([['node', 3]]), held: 1, declares: 1, faults: ['it declares addresses of north'] }]]),
  droppedGateways: new Map([['west', new Map([['gateway', 4]])]]),
  memberReports: () => [
    { cluster: 'west', state: 'Stale', sinceMs: 1, heardMs: 2, records: 3, exports: 1, network: 'n2', trustDomain: 'west.landbridge', version: '0.1.0', conditions: [{ type: 'Ready', status: 'False', reason: 'Stale', message: 'Silent.' }, { type: 'Synced', status: 'True', reason: 'Synced', message: '' }, { type: 'Stale', status: 'True', reason: 'Silent', message: 'Its endpoints come last.' }, { type: 'ImportsHeld', status: 'False', reason: 'NoneHeld', message: '' }] },
  ],
  addressesOf: (imported: unknown) => (imported === cart ? ['10.96.0.7', 'fd00::7'] : []),
} as unknown as Clusterset;

const rotation = { status: async () => ({ phase: 'none', next: 'add', obstacles: [] }) as RotationStatus, step: async ({ force }: { force: boolean }) => ({ phase: 'distributing', since: 1, next: 'sign', obstacles: [String(force)] }) as RotationStatus };

const backend = adminBackend(config, membership, clusterset, { status: () => ({ place: 'Secret landbridge-ca', subject: 'CN=x', notAfter: 1, roots: [] }), rotation }, () => ({ pod: 'federation-a', leader: 'federation-b' }));

test('the status has the hub, the members and the counts; this cluster knows itself', (t) => {
  const status = backend.status();
  t.like(status, { cluster: 'east', trustDomain: 'east.landbridge', network: 'n1', hub: { state: 'connected', url: 'tls://hub.example:4222', since: 5 }, authority: true, ca: { place: 'Secret landbridge-ca' }, replica: { pod: 'federation-a', leader: 'federation-b' }, exports: 1, imports: 2, policies: { accepted: 0, partial: 0, refused: 1, faults: [{ kind: 'PeerAuthentication', namespace: 'shop', name: 'odd', reason: 'Invalid', message: 'why' }] } });
  t.deepEqual(status.consent, { policies: { accepted: 1, refused: 1, faults: [{ name: 'bad', message: '/spec must have required properties allow' }] }, members: [{ cluster: 'west', refused: [{ reason: 'policy', count: 2 }], dropped: [{ reason: 'node', count: 3 }], gateways: [{ reason: 'gateway', count: 4 }], held: 1, waiting: 5, overflow: 7, faults: ['it declares addresses of north'] }] });
  t.deepEqual(status.members.map(({ health }) => health), [undefined, { state: 'Stale', since: 1, heard: 2, records: 3, exports: 1, version: '0.1.0', faults: ['Silent.', 'Its endpoints come last.'] }, undefined]);
  t.deepEqual(status.members.map(({ cluster, network, complete, revoked }) => [cluster, network, complete, revoked]), [['east', '', true, false], ['west', 'n2', false, false], ['north', '', true, true]]);
});

test('of a service with many conflicts the first are told, and how many more there are', (t) => {
  const conflicts = Array.from({ length: 300 }, (_, n) => ({ kind: 'port-absent', field: 'ports', port: { name: `p${n}`, protocol: 'TCP', port: n + 1 }, winner: 'west', losers: ['east'] }) as const);
  const told = describeConflicts(conflicts, 20);
  t.deepEqual([told.length, told.at(-1)], [21, 'and 280 more']);
  t.deepEqual(describeConflicts(conflicts.slice(0, 20), 20).length, 20);
});

test('a service is told with its first address, endpoints by cluster, conflicts and who is not taken; so is one that nobody is taken of', (t) => {
  const refused = [{ cluster: 'west', reason: 'policy', message: 'ImportPolicy good does not allow it' }];
  t.deepEqual(backend.services(), [
    { namespace: 'shop', name: 'cart', address: '10.96.0.7', clusters: [{ cluster: 'east', endpoints: 2, ready: 1 }, { cluster: 'west', endpoints: 0, ready: 0 }], conflicts: ['type is Headless as in east, whose export was seen first, other than in west'], refused },
    { namespace: 'shop', name: 'pay', address: '', clusters: [{ cluster: 'west', endpoints: 1, ready: 1 }], conflicts: [], refused: [] },
    { namespace: 'shop', name: 'till', address: '', clusters: [], conflicts: [], refused },
  ]);
});

test('tokens and joins are the membership’s', async (t) => {
  const { signal } = new AbortController();
  t.deepEqual(await backend.createToken({ cluster: 'south' }, signal), { token: 'lb1.{"cluster":"south"}', expiresAt: 9 });
  t.deepEqual(await backend.join('lb1.x', signal), { cluster: 'east', members: ['east', 'west'] });
});

test('the change of the root is asked for and brought on', async (t) => {
  t.deepEqual(await backend.rotation(), { phase: 'none', next: 'add', obstacles: [] });
  t.deepEqual((await backend.rotate({ force: true })).obstacles, ['true']);
});
