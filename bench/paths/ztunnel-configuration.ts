import path from 'node:path';
import { stringify } from 'yaml';
import { NAMESPACE, TRUST_DOMAIN } from '../certificates.ts';
import { type Address, type End, SERVICES } from '../path.ts';

/** Ports that ztunnel can not be told to change. */
export const OUTBOUND_PORT = 15_001;
export const HBONE_PORT = 15_008;

export interface Mesh {
  readonly clientIp: string;
  readonly serverIp: string;
  /** Where callers find the application; ztunnel chooses the one endpoint of it. */
  readonly serviceIp: string;
  /** Of the application, as the service has them too. */
  readonly firstPort: number;
}

export interface Surrounding {
  readonly certificates: string;
  /** A name that the certificate service's own certificate has. */
  readonly serverName: string;
  readonly certificateService: Address;
  /** A file of `localDiscovery`. */
  readonly discovery: string;
}

const HOSTNAME = `application.${NAMESPACE}.svc.cluster.local`;

/** What istiod would tell both ends, as a file of ztunnel's. */
export function localDiscovery({ clientIp, serverIp, serviceIp, firstPort }: Mesh): string {
  // A map, as it wants numbers for keys too, which neither JSON nor an object has.
  const ports = new Map(SERVICES.map((_, index) => [firstPort + index, firstPort + index]));
  const workload = (end: End, ip: string, services: object): object => ({
    uid: `bench//Pod/${NAMESPACE}/${end}`,
    name: end,
    namespace: NAMESPACE,
    trustDomain: TRUST_DOMAIN,
    serviceAccount: end,
    workloadIps: [ip],
    protocol: 'HBONE',
    node: end,
    services,
  });
  const told = {
    workloads: [workload('client', clientIp, {}), workload('server', serverIp, { [`${NAMESPACE}/${HOSTNAME}`]: ports })],
    services: [{ name: 'application', namespace: NAMESPACE, hostname: HOSTNAME, vips: [`/${serviceIp}`], ports }],
  };
  return stringify(told, { aliasDuplicateObjects: false });
}

/**
 * One ztunnel for one workload, as little else as can be: no access log, no DNS. The client's end takes connections that
 * were redirected to it; the server's end dials as itself, as the other peers do, where it would keep the caller's address.
 */
export function environmentOf(end: End, { certificates, serverName, certificateService, discovery }: Surrounding): Readonly<Record<string, string>> {
  return {
    PROXY_MODE: 'dedicated',
    PROXY_WORKLOAD_INFO: `${NAMESPACE}/${end}/${end}`,
    NODE_NAME: end,
    ZTUNNEL_WORKER_THREADS: '1',
    ENABLE_ORIG_SRC: String(end === 'client'),
    IPV6_ENABLED: 'false',
    ISTIO_META_DNS_CAPTURE: 'false',
    XDS_ADDRESS: '',
    LOCAL_XDS_PATH: discovery,
    CA_ADDRESS: `https://${certificateService.ip}:${certificateService.port}`,
    CA_ROOT_CA: `${certificates}/ca.crt`,
    ALT_CA_HOSTNAME: serverName,
    AUTH_TOKEN: end,
    CONNECTION_TERMINATION_DEADLINE: '100ms',
    RUST_LOG: 'warn',
    // The last words of a process that ends are its error then.
    RUST_BACKTRACE: '0',
  };
}

/** nftables rules of the callers' namespace. TPROXY tracks no connections, unlike the REDIRECT of Istio's CNI plugin: others there pay nothing for it. */
export function captureRules(table: string, serviceIp: string): string {
  return `table ip ${table} {
  chain capture {
    type filter hook prerouting priority mangle; policy accept;
    ip daddr ${serviceIp} meta l4proto tcp tproxy to :${OUTBOUND_PORT}
  }
}
`;
}

/** Of what `ztunnel version` writes: `62d826530e5c, release build, tls-aws-lc`. */
export function versionOf(text: string): string {
  const field = (name: string): string => new RegExp(`\\b${name}:"([^"]*)"`).exec(text)?.[1] ?? '';
  const revision = field('GitRevision');
  const version = field('Version');
  const name = version === '' || version === revision ? revision.replace(/^([0-9a-f]{12})[0-9a-f]+/, '$1') : version;
  return [name, field('BuildProfile') && `${field('BuildProfile')} build`, field('CryptoProvider')].filter((word) => word !== '').join(', ');
}

/** The program that a variable of the environment names; processes of the benchmark run elsewhere than it. */
export function programOf(variable: string | undefined): string | undefined {
  return variable === undefined || variable === '' ? undefined : path.resolve(variable);
}
