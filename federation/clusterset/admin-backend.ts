import type { CaStatus, ServiceStatus, Status } from '../admin/admin-api.ts';
import type { AdminBackend } from '../admin/admin-server.ts';
import type { RootRotation } from '../ca/root-rotation.ts';
import type { FederationConfig } from '../config.ts';
import type { Membership } from '../hub/membership.ts';
import { policyReport } from '../policy/policy-report.ts';
import type { Clusterset } from './clusterset.ts';

/** What the admin API tells of this service and lets be done with it. */
export function adminBackend(config: FederationConfig, membership: Membership, clusterset: Clusterset, ca: { readonly status: () => CaStatus; readonly rotation: Pick<RootRotation, 'status' | 'step'> }): AdminBackend {
  return {
    status: () => ({ ...status(config, membership, clusterset), ca: ca.status() }),
    services: () => services(clusterset),
    createToken: async (request, signal) => await membership.createToken(request, signal),
    rotation: async () => await ca.rotation.status(),
    rotate: async (request) => await ca.rotation.step(request),
    join: async (token, signal) => ({ cluster: config.cluster, members: [...(await membership.join(token, signal))] }),
  };
}

function status({ cluster, trustDomain, network }: FederationConfig, membership: Membership, clusterset: Clusterset): Omit<Status, 'ca'> {
  const hub = membership.hubState();
  const { kind: state, ...details } = hub;
  return {
    cluster,
    trustDomain,
    network,
    hub: { state, ...details },
    authority: membership.isAuthority,
    members: membership.members().map((member) => ({
      cluster: member.cluster,
      trustDomain: member.trustDomain,
      network: member.network,
      joinedAt: member.joinedAt,
      complete: member.cluster === cluster || membership.isComplete(member.cluster),
      revoked: member.revoked,
    })),
    exports: clusterset.exports.size,
    imports: clusterset.imports.size,
    policies: policyReport(clusterset.judgedPolicies),
  };
}

function services(clusterset: Clusterset): ServiceStatus[] {
  return [...clusterset.imports.values()].map((imported) => ({
    namespace: imported.namespace,
    name: imported.name,
    address: clusterset.addressesOf(imported)[0] ?? '',
    clusters: imported.clusters.map(({ cluster, endpoints }) => ({ cluster, endpoints: endpoints.length, ready: endpoints.filter(({ ready }) => ready).length })),
    conflicts: [...imported.conflicts],
  }));
}
