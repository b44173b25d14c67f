import type { AdminChangeAnswer, CaStatus, HubStatus, MemberHealth, ReplicaStatus, ServiceStatus, Status } from '../admin/admin-api.ts';
import type { AdminBackend } from '../admin/admin-server.ts';
import type { RootRotation } from '../ca/root-rotation.ts';
import type { FederationConfig } from '../config.ts';
import type { Membership } from '../hub/membership.ts';
import type { ChangeOutcome } from '../hub/wished-changes.ts';
import { consentStatus, type QuotaUse, refusedServices } from '../consent/consent-status.ts';
import type { LeafStatus } from '../leaf/leaf-node.ts';
import type { MemberReport } from '../peers/member-report.ts';
import { policyReport } from '../policy/policy-report.ts';
import { describeConflicts } from '../merge/conflicts.ts';
import type { Clusterset } from './clusterset.ts';
import { joinPlan, leavePlan } from './membership-plans.ts';

/** Of one service; whoever exports what nobody else does can make as many as there are ports. */
const MAX_CONFLICTS = 20;

/** What the admin API tells of this service and lets be done with it. */
export function adminBackend(config: FederationConfig, membership: Membership, clusterset: Clusterset, ca: { readonly status: () => CaStatus; readonly rotation: Pick<RootRotation, 'status' | 'step'> }, replica: () => ReplicaStatus): AdminBackend {
  return {
    status: () => ({ ...status(config, membership, clusterset), ca: ca.status(), replica: replica() }),
    services: () => services(clusterset),
    createToken: async (request, signal) => await membership.createToken(request, signal),
    rotation: async () => await ca.rotation.status(),
    rotate: async (request) => await ca.rotation.step(request),
    leave: async (request, signal) => changed(config, await membership.leave(request, signal)),
    planLeave: () => leavePlan(config, clusterset),
    planJoin: async (token, signal) => joinPlan(config, clusterset, await membership.previewJoin(token, signal)),
    rotateKeys: async (signal) => changed(config, await membership.rotate(signal)),
    revoke: async (cluster, signal) => {
      const { member, hub } = await membership.revoke(cluster, signal);
      return { cluster, removedAt: member.removedAt ?? 0, hub };
    },
    join: async (token, signal) => ({ cluster: config.cluster, members: [...(await membership.join(token, signal))] }),
  };
}

function changed({ cluster }: FederationConfig, outcome: ChangeOutcome): AdminChangeAnswer {
  if (outcome.kind === 'done') return { cluster, state: 'done' };
  return { cluster, state: 'waits', ...(outcome.error === undefined ? {} : { reason: outcome.error.message }) };
}

function status({ cluster, trustDomain, network }: FederationConfig, membership: Membership, clusterset: Clusterset): Omit<Status, 'ca' | 'replica'> {
  const hub = membership.hubState();
  const { kind: state, ...details } = hub;
  const reports = new Map(clusterset.memberReports().map((report) => [report.cluster, report]));
  return {
    cluster,
    trustDomain,
    network,
    hub: { state, ...details, ...leafOf(membership.leaf) },
    authority: membership.isAuthority,
    members: membership.members().map((member) => ({
      cluster: member.cluster,
      trustDomain: member.trustDomain,
      network: member.network,
      joinedAt: member.joinedAt,
      complete: member.cluster === cluster || membership.isComplete(member.cluster),
      revoked: member.revoked,
      ...healthOf(reports.get(member.cluster)),
    })),
    consent: consentStatus(clusterset.judgedImportPolicies, clusterset.consentReport, quotas(membership), clusterset.droppedGateways),
    exports: clusterset.exports.size,
    imports: clusterset.imports.size,
    policies: policyReport(clusterset.judgedPolicies),
  };
}

function leafOf(leaf: LeafStatus | undefined): Pick<HubStatus, 'leaf'> {
  if (leaf === undefined) return {};
  const { isConnected: connected, lag, readingSince } = leaf;
  return { leaf: { connected, ...(lag === undefined ? {} : { lag }), ...(readingSince === undefined ? {} : { readingSince }) } };
}

/** Of those members that are over one. */
function quotas(membership: Membership): ReadonlyMap<string, QuotaUse> {
  const throttled = membership.throttled();
  return new Map([...membership.views()].map(([cluster, { overflow }]) => [cluster, { waiting: throttled.get(cluster)?.waiting ?? 0, overflow }]));
}

function healthOf(report: MemberReport | undefined): { readonly health?: MemberHealth } {
  if (report === undefined) return {};
  const { state, sinceMs, heardMs, records, exports, version, conditions } = report;
  // A member that is ready has each condition in its good state.
  const faults = conditions.filter(({ type, status, message }) => message !== '' && status !== (type === 'Ready' || type === 'Synced' ? 'True' : 'False')).map(({ message }) => message);
  return { health: { state, since: sinceMs, ...(heardMs === undefined ? {} : { heard: heardMs }), records, exports, version, faults } };
}

function services(clusterset: Clusterset): ServiceStatus[] {
  const refused = refusedServices(clusterset.consentReport);
  const imports = [...clusterset.imports.values()].map((imported) => ({
    namespace: imported.namespace,
    name: imported.name,
    address: clusterset.addressesOf(imported)[0] ?? '',
    clusters: imported.clusters.map(({ cluster, endpoints }) => ({ cluster, endpoints: endpoints.length, ready: endpoints.filter(({ ready }) => ready).length })),
    conflicts: describeConflicts(imported.conflicts, MAX_CONFLICTS),
    refused: [...(refused.get(`${imported.namespace}/${imported.name}`) ?? [])],
  }));
  const others = [...refused].filter(([key]) => !clusterset.imports.has(key)).map(([key, clusters]) => {
    const [namespace = '', name = ''] = key.split('/');
    return { namespace, name, address: '', clusters: [], conflicts: [], refused: [...clusters] };
  });
  return [...imports, ...others];
}
