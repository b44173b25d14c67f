import type { IpAddress } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import type { HostUser } from '../discovery/host-resolver.ts';
import { OnDemand } from '../discovery/on-demand.ts';
import { Registry } from '../discovery/registry.ts';
import { ipAddress, registryOf, servesAt, serviceOf, sourceOf, workloadOf } from '../discovery/test-resources.ts';
import type { DataPlane } from './data-plane.ts';
import { RoutePlans } from './route-plans.ts';
import { fakeKernel } from './test-kernel.ts';
import { workloadLabels } from './test-reports.ts';

const POD = 'uid-a';
const VIP = { ip: '10.96.0.10', port: 8080 };
const DB = serviceOf('db', { addresses: ['/10.96.0.10'] });
const endpoint = (tunnel: 'none' | 'hbone') => workloadOf(1, { tunnel, services: servesAt(DB) });

/** Plans of one pod that asks for names; up to `names` of them at a time. */
function onDemandPlans(names = 100) {
  const registry = new Registry();
  const onDemand = new OnDemand(registry, { node: 'n', controlPlane: 'own', clusterDomain: 'cluster.local', forgotten: () => {}, limits: { names, idleMs: 1000, absentIdleMs: 1000 }, now: () => 0 });
  const { traffic, live } = fakeKernel();
  const plans = new RoutePlans({ registry, onDemand, isReady: true }, { resolve: () => undefined, serve: () => {} }, { sourceOf: () => sourceOf(), clientOf: (uid) => ({ uid, netnsCookie: 7n, labels: workloadLabels('web') }), localPodOf: () => undefined });
  const refreshed: string[] = [];
  const revoked: string[] = [];
  const used = [VIP];
  plans.offload(traffic);
  plans.serve({
    refreshPlans: (isAffected: (uid: string, destination: typeof VIP) => boolean) => {
      for (const destination of used) if (isAffected(POD, destination)) refreshed.push(destination.ip);
    },
    revokePlans: (keys: Iterable<string>) => void revoked.push(...keys),
  } as unknown as DataPlane);
  const tell = (updated: Parameters<Registry['apply']>[0]['updated'], removed: readonly string[] = []): void => {
    plans.replan(registry.apply({ updated, removed }));
    onDemand.told(updated, removed);
  };
  return { plans, onDemand, live, refreshed, revoked, tell };
}

test('there is no plan, for threads or kernel, before it is known what there is; then threads are told', (t) => {
  const { plans, live, refreshed, tell } = onDemandPlans();
  t.is(plans.plan(POD, VIP), undefined);
  t.deepEqual(live(), []);
  tell([], ['/10.96.0.11']);
  t.deepEqual(refreshed, []);
  tell([DB, endpoint('none')]);
  t.deepEqual(refreshed, [VIP.ip]);
  t.like(plans.plan(POD, VIP), { kind: 'balance' });
  t.deepEqual(live(), [1n]);
});

test('what the control plane says is nowhere passes, and not a connection more once it is somewhere', (t) => {
  const { plans, live, tell } = onDemandPlans();
  plans.plan(POD, VIP);
  tell([], ['/10.96.0.10']);
  t.deepEqual(plans.plan(POD, VIP), { kind: 'passthrough' });
  plans.planGone(POD, VIP);
  t.deepEqual(live(), [1n], 'the kernel goes on by it');
  t.true(plans.heldNames().has('/10.96.0.10'), 'so that its changes are told');
  tell([DB, endpoint('hbone')]);
  t.deepEqual(live(), []);
});

test('what a plan turns out to depend on is asked for as well', (t) => {
  const { plans, tell, onDemand } = onDemandPlans();
  plans.plan(POD, VIP);
  const waypoint = serviceOf('waypoint', { addresses: ['/10.96.0.20'], ports: new Map([[15008, 15008]]) });
  tell([{ ...DB, waypoint: { kind: 'hostname', namespace: waypoint.namespace, hostname: waypoint.hostname, port: 15008 } }, endpoint('hbone')]);
  t.is(plans.plan(POD, VIP), undefined);
  t.false(onDemand.isKnown(waypoint.key));
  tell([waypoint, workloadOf(2, { services: servesAt(waypoint, { 15008: 15008 }) })]);
  t.like(plans.plan(POD, VIP), { kind: 'balance', candidates: [{ address: '10.1.0.2' }] });
});

test('where there is no room for its names, nobody goes by a plan any more', (t) => {
  const { plans, live, revoked, onDemand, tell } = onDemandPlans(6);
  plans.plan(POD, VIP);
  tell([DB, endpoint('none')]);
  t.like(plans.plan(POD, VIP), { kind: 'balance' });
  onDemand.need(['/192.0.2.1', '/192.0.2.2', '/192.0.2.3']);
  t.deepEqual(live(), [1n], 'those that nobody holds go first');
  for (const ip of Array.from({ length: 10 }, (_, i) => `192.0.2.${i + 4}`)) {
    plans.plan(POD, { ip, port: 80 });
    tell([], [`/${ip}`]);
    t.deepEqual(plans.plan(POD, { ip, port: 80 }), { kind: 'passthrough' });
  }
  t.false(live().includes(1n));
  t.deepEqual(revoked.slice(0, 1), [`${POD} ${VIP.ip} ${VIP.port}`]);
  t.is(plans.plan(POD, VIP), undefined, 'it is asked for again');
});

test('where nothing but a name leads on, threads wait until it was looked up, and go by what it becomes', (t) => {
  const { traffic, live } = fakeKernel();
  let addresses: readonly IpAddress[] | undefined;
  let user: HostUser | undefined;
  const registry = registryOf(DB, workloadOf(1, { addresses: [], hostname: 'db.example', tunnel: 'none', services: servesAt(DB) }));
  const plans = new RoutePlans({ registry, onDemand: undefined, isReady: true }, { resolve: () => addresses, serve: (by) => void (user = by) }, { sourceOf: () => sourceOf(), clientOf: (uid) => ({ uid, netnsCookie: 7n, labels: workloadLabels('web') }), localPodOf: () => undefined });
  const refreshed: string[] = [];
  plans.offload(traffic);
  plans.serve({ refreshPlans: (isAffected: (uid: string, destination: typeof VIP) => boolean) => isAffected(POD, VIP) && refreshed.push(VIP.ip) } as unknown as DataPlane);
  const resolved = (...ips: readonly string[]): void => {
    addresses = ips.map(ipAddress);
    user?.changed('db.example');
  };
  t.is(plans.plan(POD, VIP), undefined);
  t.deepEqual([user?.isUsed('db.example'), user?.isUsed('other.example'), live()], [true, false, []]);
  user?.changed('other.example');
  t.deepEqual(refreshed, []);
  resolved('192.0.2.1');
  t.deepEqual(refreshed, [VIP.ip]);
  t.like(plans.plan(POD, VIP), { kind: 'balance', candidates: [{ address: '192.0.2.1' }] });
  t.is(live().length, 1);
  resolved();
  t.like(plans.plan(POD, VIP), { kind: 'refuse' });
  t.deepEqual(live(), [], 'the kernel does not go on by an address that the name has lost');
  plans.planGone(POD, VIP);
  t.false(user?.isUsed('db.example'));
});
