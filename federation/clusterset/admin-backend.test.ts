import test from 'ava';
import type { RotationStatus } from '../admin/admin-api.ts';
import type { FederationConfig } from '../config.ts';
import type { Membership } from '../hub/membership.ts';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { endpoint, exampleKeys, exampleMember } from '../records/example-records.ts';
import { adminBackend } from './admin-backend.ts';
import type { Clusterset } from './clusterset.ts';

const config: FederationConfig = { cluster: 'east', trustDomain: 'east.landbridge', network: 'n1', domain: 'cluster.local', rootNamespace: 'landbridge-system', logLevel: 'info', ca: { source: 'self', secret: 'cacerts', directory: '/nowhere' }, namespace: 'landbridge-system' };
const keys = exampleKeys();

const membership = {
  hubState: () => ({ kind: 'connected', url: 'tls://hub.example:4222', since: 5 }),
  isAuthority: true,
  members: () => [exampleMember('east', keys), exampleMember('west', keys, { network: 'n2' }), exampleMember('north', keys, { revoked: true })],
  isComplete: (cluster: string) => cluster === 'north',
  createToken: async (request: unknown) => ({ token: `lb1.${JSON.stringify(request)}`, expiresAt: 9 }),
  join: async () => ['east', 'west'],
} as unknown as Membership;

const cart = exampleImport({ clusters: [part('east', endpoint('a'), { ...endpoint('b'), ready: false }), part('west')], conflicts: ['type differs'] });
const pay = exampleImport({ name: 'pay', type: 'Headless' });
const clusterset = {
  exports: new Map([['shop/cart', {}]]),
  imports: new Map([['shop/cart', cart], ['shop/pay', pay]]),
  judgedPolicies: [{ object: { kind: 'PeerAuthentication', metadata: { namespace: 'shop', name: 'odd' } }, verdict: { kind: 'refused', reason: 'Invalid', message: 'why' } }],
  addressesOf: (imported: unknown) => (imported === cart ? ['10.96.0.7', 'fd00::7'] : []),
} as unknown as Clusterset;

const rotation = { status: async () => ({ phase: 'none', next: 'add', obstacles: [] }) as RotationStatus, step: async ({ force }: { force: boolean }) => ({ phase: 'distributing', since: 1, next: 'sign', obstacles: [String(force)] }) as RotationStatus };

const backend = adminBackend(config, membership, clusterset, { status: () => ({ place: 'Secret landbridge-ca', subject: 'CN=x', notAfter: 1, roots: [] }), rotation });

test('the status has the hub, the members and the counts; this cluster knows itself', (t) => {
  const status = backend.status();
  t.like(status, { cluster: 'east', trustDomain: 'east.landbridge', network: 'n1', hub: { state: 'connected', url: 'tls://hub.example:4222', since: 5 }, authority: true, ca: { place: 'Secret landbridge-ca' }, exports: 1, imports: 2, policies: { accepted: 0, partial: 0, refused: 1, faults: [{ kind: 'PeerAuthentication', namespace: 'shop', name: 'odd', reason: 'Invalid', message: 'why' }] } });
  t.deepEqual(status.members.map(({ cluster, network, complete, revoked }) => [cluster, network, complete, revoked]), [['east', '', true, false], ['west', 'n2', false, false], ['north', '', true, true]]);
});

test('a service is told with its first address, endpoints by cluster and conflicts', (t) => {
  t.deepEqual(backend.services(), [
    { namespace: 'shop', name: 'cart', address: '10.96.0.7', clusters: [{ cluster: 'east', endpoints: 2, ready: 1 }, { cluster: 'west', endpoints: 0, ready: 0 }], conflicts: ['type differs'] },
    { namespace: 'shop', name: 'pay', address: '', clusters: [{ cluster: 'west', endpoints: 1, ready: 1 }], conflicts: [] },
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
