/** What the agent knows, in the names and shapes of ztunnel's configuration dump, which istioctl reads. */
import { X509Certificate } from 'node:crypto';
import type { AuthorizationPolicy, Match, StringMatch } from '@landbridge/core/authorization.ts';
import { formatPrefix } from '@landbridge/core/ip-address.ts';
import { type GatewayAddress, ipOf, networkAddress, type Service, type Workload } from '../discovery/wds-address.ts';
import type { Carriage, ConnectionView } from '../proxy/thread-messages.ts';
import type { CertificateStatus, PodStatus } from './admin-sources.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const MODES = { unspecified: 'Standard', strict: 'Strict', failover: 'Failover', passthrough: 'Passthrough' } as const;
const FAMILIES = { automatic: undefined, ipv4: 'IPv4', ipv6: 'IPv6', dual: 'Dual' } as const;
const SCOPES = { global: 'Global', namespace: 'Namespace', workload: 'WorkloadSelector' } as const;
const PROTOCOLS: Readonly<Record<Carriage, string>> = { hbone: 'HBONE', 'double-hbone': 'DOUBLEHBONE', local: 'LOCAL', plain: 'TCP' };

export function workloadShape(workload: Workload): Json {
  const { region, zone, subzone, applicationTunnel } = workload;
  return {
    uid: workload.uid,
    workloadIps: workload.addresses.map(ipOf),
    waypoint: gatewayShape(workload.waypoint),
    networkGateway: gatewayShape(workload.networkGateway),
    protocol: workload.tunnel === 'hbone' ? 'HBONE' : 'TCP',
    networkMode: workload.hostNetwork ? 'HostNetwork' : 'Standard',
    name: workload.name,
    namespace: workload.namespace,
    trustDomain: workload.trustDomain,
    serviceAccount: workload.serviceAccount,
    network: workload.network,
    workloadName: workload.workloadName,
    workloadType: workload.workloadType,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    hostname: workload.hostname,
    node: workload.node,
    nativeTunnel: workload.nativeTunnel,
    applicationTunnel: applicationTunnel === undefined ? undefined : { protocol: applicationTunnel.protocol.toUpperCase(), port: applicationTunnel.port ?? null },
    authorizationPolicies: workload.authorizationPolicies,
    status: workload.healthy ? 'Healthy' : 'Unhealthy',
    clusterId: workload.cluster,
    locality: { region, zone, subzone },
    services: [...workload.services.keys()],
    capacity: workload.capacity,
  };
}

export function endpointShape(workload: Workload, key: string): Json {
  return { workloadUid: workload.uid, port: portsShape(workload.services.get(key) ?? new Map()), status: workload.healthy ? 'Healthy' : 'Unhealthy' };
}

export function serviceShape(service: Service, endpoints: readonly Workload[]): Json {
  const { mode, preferences, health } = service.loadBalancing;
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: service.addresses,
    cidrVips: service.ranges.map(({ network, prefix }) => ({ network, cidr: formatPrefix(prefix) })),
    ports: portsShape(service.ports),
    endpoints: Object.fromEntries(endpoints.map((workload) => [workload.uid, endpointShape(workload, service.key)])),
    subjectAltNames: service.subjectAltNames,
    waypoint: gatewayShape(service.waypoint),
    weightedWaypoints: service.weightedWaypoints.map(({ destination, weight }) => ({ destination: gatewayShape(destination), weight })),
    loadBalancer: { routingPreferences: preferences.map(capitalized), mode: MODES[mode], healthPolicy: health === 'allow-all' ? 'AllowAll' : 'OnlyHealthy' },
    ipFamilies: FAMILIES[service.ipFamilies],
    canonical: service.canonical,
    visibility: capitalized(service.visibility),
  };
}

function portsShape(ports: ReadonlyMap<number, number>): Json {
  return Object.fromEntries(ports);
}

function gatewayShape(gateway: GatewayAddress | undefined): Json | undefined {
  if (gateway === undefined) return undefined;
  const destination = gateway.kind === 'hostname' ? `${gateway.namespace}/${gateway.hostname}` : networkAddress(gateway.network, gateway.ip);
  return { destination, hboneMtlsPort: gateway.port };
}

export function policyShape({ name, namespace, scope, action, rules, dryRun, unevaluable }: AuthorizationPolicy): Json {
  return { name, namespace, scope: SCOPES[scope], action: capitalized(action), rules: rules.map((rule) => rule.map((clause) => clause.map(matchShape))), dryRun, unevaluable };
}

function matchShape(match: Match): Json {
  const texts = (all: readonly StringMatch[]): Json | undefined => (all.length === 0 ? undefined : all.map((each) => (each.kind === 'presence' ? { Presence: [] } : { [capitalized(each.kind)]: each.value })));
  const prefixes = (all: Match['sourceIps']): Json | undefined => (all.length === 0 ? undefined : all.map(formatPrefix));
  const accounts = (all: Match['serviceAccounts']): Json | undefined => (all.length === 0 ? undefined : all.map(({ namespace, serviceAccount }) => ({ namespace, serviceAccount })));
  const ports = (all: readonly number[]): Json | undefined => (all.length === 0 ? undefined : all);
  return {
    namespaces: texts(match.namespaces),
    notNamespaces: texts(match.notNamespaces),
    serviceAccounts: accounts(match.serviceAccounts),
    notServiceAccounts: accounts(match.notServiceAccounts),
    principals: texts(match.principals),
    notPrincipals: texts(match.notPrincipals),
    sourceIps: prefixes(match.sourceIps),
    notSourceIps: prefixes(match.notSourceIps),
    destinationIps: prefixes(match.destinationIps),
    notDestinationIps: prefixes(match.notDestinationIps),
    destinationPorts: ports(match.destinationPorts),
    notDestinationPorts: ports(match.notDestinationPorts),
  };
}

export function certificateShape({ identity, state, chainPem, rootsPem }: CertificateStatus): Json {
  return { identity, state, certChain: certificatesOf(chainPem), rootCerts: certificatesOf(rootsPem) };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Of what else may be in the text, nothing is taken. */
function certificatesOf(pem: string): Json {
  return (pem.match(CERTIFICATE) ?? []).map((block) => {
    try {
      const certificate = new X509Certificate(block);
      return {
        pem: Buffer.from(certificate.toString()).toString('base64'),
        // Decimal, as istioctl reads it.
        serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
        validFrom: rfc3339(certificate.validFrom),
        expirationTime: rfc3339(certificate.validTo),
      };
    } catch {
      // What came as a certificate and is none is told as an empty one: it is what an operator looks for.
      return { pem: '', serialNumber: '', validFrom: '', expirationTime: '' };
    }
  });
}

function rfc3339(time: string): string {
  return new Date(time).toISOString().replace('.000', '');
}

export function podShape({ name, namespace, serviceAccount, trustDomain, isUp }: PodStatus, connections: readonly ConnectionView[] | undefined): Json {
  return {
    state: isUp ? 'Up' : 'Pending',
    connections:
      connections === undefined
        ? undefined
        : {
            inbound: connections.filter(({ direction }) => direction === 'inbound').map((each) => ({ src: each.source, originalDst: each.service ?? null, actualDst: each.hboneAddress ?? each.destination, protocol: PROTOCOLS[each.carriage] })),
            outbound: connections.filter(({ direction }) => direction === 'outbound').map((each) => ({ src: each.source, originalDst: each.hboneAddress ?? each.destination, actualDst: each.destination, protocol: PROTOCOLS[each.carriage] })),
          },
    info: { name, namespace, trustDomain, serviceAccount },
  };
}

/** The address of a pod of this node that a connection is of. */
export function nearAddress({ direction, source, destination }: ConnectionView): string {
  const address = direction === 'outbound' ? source : destination;
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}
