import { type IpAddress, isIpv4 } from '@landbridge/core/ip-address.ts';
import type { ServiceLabels } from '@landbridge/core/route-plan.ts';
import type { Authority } from '@landbridge/wire/authority.ts';
import { serviceLabels } from './candidates.ts';
import type { Registry } from './registry.ts';
import { RegistryReads } from './registry-reads.ts';
import { OWN_PORTS } from './route-planner.ts';
import { type Destination, membersOfGateway, targetPort } from './upstreams.ts';
import { ipOf, networkAddress, type Service, type Workload } from './wds-address.ts';

/** Where an inbound tunnel goes, or the HTTP status that refuses it. */
export type InboundDestination =
  | {
      readonly kind: 'dial';
      /** As policies see the destination: always an address of the pod itself. */
      readonly ip: IpAddress;
      readonly port: number;
      /** That the client named; undefined where it named an address. */
      readonly service: ServiceLabels | undefined;
      /** Where the application takes everything at one port. */
      readonly tunnel: { readonly port: number; readonly proxyProtocol: boolean } | undefined;
      /** What a PROXY header is to say of the destination; undefined without one. */
      readonly proxyDestination: Destination | undefined;
    }
  | { readonly kind: 'refuse'; readonly status: 400 | 503; readonly reason: string };

/** `localWorkload` is what discovery says of the pod that was reached at `localIp`; undefined before it does. */
export function validateDestination(registry: Registry, localWorkload: Workload | undefined, authority: Authority, localIp: IpAddress): InboundDestination {
  return validate(new RegistryReads(registry), localWorkload, authority, localIp);
}

/** The same, with the names at which it was looked what there is: any of them may make another answer of it. */
export function validateWithNames(registry: Registry, localWorkload: Workload | undefined, authority: Authority, localIp: IpAddress): { readonly destination: InboundDestination; readonly names: readonly string[] } {
  const reads = new RegistryReads(registry);
  const destination = validate(reads, localWorkload, authority, localIp);
  const { addresses, services, hostnames } = reads;
  // Of services by their hostnames alone, the pod is asked for as one of its own.
  const own = [...(localWorkload?.services.keys() ?? []), ...(localWorkload?.resting.keys() ?? [])].filter((key) => hostnames.has(key.slice(key.indexOf('/') + 1)));
  return { destination, names: [...addresses, ...services, ...own] };
}

function validate(registry: RegistryReads, localWorkload: Workload | undefined, authority: Authority, localIp: IpAddress): InboundDestination {
  if (localWorkload === undefined) return refuse(503, 'the workload is not known yet');
  const service = authority.kind === 'hostname' ? registry.serviceByHostname(authority.hostname, localWorkload.namespace) : undefined;
  if (authority.kind === 'ip' && authority.ip !== localIp && localWorkload.applicationTunnel === undefined && !isWaypointOf(registry, localWorkload, authority.ip, localIp)) return refuse(400, `${authority.ip} is not ${localIp}, nor is this its waypoint`);
  if (authority.kind === 'hostname' && service === undefined) return refuse(503, `there is no service ${authority.hostname}`);
  const port = service === undefined ? authority.port : (localWorkload.resting.get(service.key)?.get(authority.port) ?? targetPort(service, localWorkload, authority.port, 'standard'));
  if (port === undefined) return refuse(503, `${service?.hostname} has no port ${authority.port} here`);
  const { applicationTunnel } = localWorkload;
  const tunnel = applicationTunnel === undefined ? undefined : { port: applicationTunnel.port ?? port, proxyProtocol: applicationTunnel.protocol === 'proxy' };
  for (const each of [port, tunnel?.port ?? port]) if (OWN_PORTS.has(each)) return refuse(503, `port ${each} is the agent's own`);
  const proxyDestination = tunnel?.proxyProtocol !== true ? undefined : authority.kind === 'ip' ? { ip: authority.ip, port: authority.port } : vip(service, localWorkload.network, authority.port);
  if (tunnel?.proxyProtocol === true && proxyDestination === undefined) return refuse(503, `${service?.hostname} has no address to name in a PROXY header`);
  return { kind: 'dial', ip: localIp, port: tunnel?.port ?? port, service: service === undefined ? undefined : serviceLabels(service), tunnel, proxyDestination };
}

/** Whether what has the address names this workload as its waypoint. */
function isWaypointOf(registry: RegistryReads, localWorkload: Workload, ip: IpAddress, localIp: IpAddress): boolean {
  const at = networkAddress(localWorkload.network, ip);
  const workload = registry.workloadAt(at);
  const service = workload === undefined ? registry.serviceAt(at, undefined) : undefined;
  const waypoints = workload !== undefined ? [workload.waypoint] : [service?.waypoint, ...(service?.weightedWaypoints ?? []).map(({ destination }) => destination)];
  const isThis = ({ uid, addresses }: Workload): boolean => uid === localWorkload.uid || addresses.some((each) => each === networkAddress(localWorkload.network, localIp));
  return waypoints.some((waypoint) => waypoint !== undefined && membersOfGateway(registry, waypoint).some(isThis));
}

/** PROXY headers name no hosts: one of the service's addresses stands for it, of this network and IPv4 where there is one. */
function vip(service: Service | undefined, network: string, port: number): Destination | undefined {
  const of = (address: string): number => (address === networkAddress(network, ipOf(address)) ? (isIpv4(ipOf(address)) ? 0 : 1) : 2);
  const [best] = [...(service?.addresses ?? [])].sort((a, b) => of(a) - of(b));
  return best === undefined ? undefined : { ip: ipOf(best), port };
}

const refuse = (status: 400 | 503, reason: string): InboundDestination => ({ kind: 'refuse', status, reason });
