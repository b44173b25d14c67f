import type { KernelReport } from '@landbridge/core/kernel-report.ts';
import { reportKernel } from '../capture/kernel-features.ts';
import type { AgentEnvironment } from '../config.ts';
import { holdsToken } from '../control-plane-access.ts';
import type { Service } from '../discovery/wds-address.ts';
import type { Discovery } from '../discovery/xds-client.ts';
import type { CertificateStore } from '../identity/certificate-store.ts';
import type { LocalPod } from '../pods/local-pod.ts';
import type { DataPlane } from '../proxy/data-plane.ts';
import { VERSION } from '../version.ts';
import type { AdminSources } from './admin-sources.ts';
import type { LogLevels } from './log-levels.ts';

const CONNECTIONS_TIMEOUT_MS = 4000;

interface AgentParts {
  readonly environment: AgentEnvironment;
  readonly levels: LogLevels;
  readonly discovery: Discovery;
  readonly certificates: CertificateStore;
  readonly pods: () => readonly LocalPod[];
  readonly plane: DataPlane;
  readonly trustDomain: string;
  readonly quit: () => void;
}

/** What the admin server shows of the parts of a running agent. */
export function agentSources({ environment, levels, discovery, certificates, pods, plane, trustDomain, quit }: AgentParts): AdminSources {
  let kernel: KernelReport | undefined;
  return {
    version: VERSION,
    configuration: (holdsToken(environment) ? { ...environment, AUTH_TOKEN: '(not shown)' } : environment) as unknown as AdminSources['configuration'],
    logLevels: levels,
    workloads: () => discovery.registry.resources('workload'),
    services: () => discovery.registry.resources('service'),
    endpointsOf: (service: Service) => discovery.registry.endpointsOf(service),
    policies: () => discovery.policies.values(),
    *certificates() {
      for (const { identity, certificate } of certificates.statuses(Date.now())) yield { identity, state: certificate === undefined ? 'Initializing' : 'Available', chainPem: certificate?.chainPem ?? '', rootsPem: certificate?.rootsPem ?? '' };
    },
    pods: () => pods().map(({ uid, name, namespace, serviceAccount, addresses }) => ({ uid, name, namespace, serviceAccount, trustDomain, addresses, isUp: true })),
    connections: async () => await plane.connections(CONNECTIONS_TIMEOUT_MS),
    // The same for as long as the machine runs, and it takes time to ask for.
    kernel: () => (kernel ??= reportKernel()),
    quit,
  };
}
