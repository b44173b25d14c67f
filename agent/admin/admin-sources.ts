import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { KernelReport } from '@landbridge/core/kernel-report.ts';
import type { Service, Workload } from '../discovery/wds-address.ts';
import type { ConnectionView } from '../proxy/thread-messages.ts';
import type { LogLevels } from './log-levels.ts';

/** A certificate that the agent keeps, or wants. There is no place for its key. */
export interface CertificateStatus {
  readonly identity: string;
  readonly state: 'Available' | 'Initializing' | 'Unavailable';
  /** PEM, leaf first; empty where there is none. */
  readonly chainPem: string;
  readonly rootsPem: string;
}

/** A pod of this node. */
export interface PodStatus {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  readonly addresses: readonly string[];
  /** Whether its traffic is carried. */
  readonly isUp: boolean;
}

/** What operators may see of a running agent. */
export interface AdminSources {
  readonly version: string;
  /** As it was read from the environment; nothing secret may be in it. */
  readonly configuration: Readonly<Record<string, string | number | boolean>>;
  readonly logLevels: LogLevels;
  workloads(): Iterable<Workload>;
  services(): Iterable<Service>;
  endpointsOf(service: Service): readonly Workload[];
  policies(): Iterable<AuthorizationPolicy>;
  certificates(): Iterable<CertificateStatus>;
  pods(): Iterable<PodStatus>;
  /** Of all data threads. */
  connections(): Promise<readonly ConnectionView[]>;
  /** What the kernel has of what capture needs. */
  kernel(): KernelReport;
  /** Begins to shut the agent down. */
  quit(): void;
}
