import type { Certificates } from './certificates.ts';
import type { Side, Topology, TopologyName } from './topology.ts';

export interface Address {
  readonly ip: string;
  readonly port: number;
}

export const ENDS = ['client', 'server'] as const;
/** Of a path: where callers come in, and where the application is. */
export type End = (typeof ENDS)[number];

/** What the application offers, at consecutive ports in this order; proxies keep the order at their own ports. */
export const SERVICES = ['echo', 'sink', 'source'] as const;

/** What a path may use while it runs. */
export interface Surroundings {
  readonly topology: Topology;
  /** First of the ports where the path listens for callers, one for each service. */
  readonly listenPort: number;
  /** First of the ports for what is between the two ends, one for each service. */
  readonly tunnelPort: number;
  /** The application, as the server's side reaches it. */
  readonly application: Address;
  readonly certificates: Certificates;
  /** Its own, removed at the end. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

export interface RunningPath {
  /** Where callers connect to: the first service, the others follow. */
  readonly clientAddress: Address;
  /** Where the end at the application accepts TLS; none where there is no TLS. */
  readonly tunnelAddress: Address | undefined;
  /** Everything between the callers and the application. */
  readonly processes: readonly number[];
  /** Ends the process at the application and starts it again, so that nothing of a tunnel is left; none where there is none. */
  readonly restartServer: (() => Promise<void>) | undefined;
  stop(): Promise<void>;
}

/** One way from callers to the application. */
export interface Path {
  readonly name: string;
  /** What it is, for the legend. */
  readonly description: string;
  /** Whether it is what this benchmark is about: compared with each path that is not. */
  readonly isOurs?: boolean;
  /** Where it makes sense; everywhere unless it says otherwise. */
  readonly topologies?: readonly TopologyName[];
  /** Makes what it runs, once, before anything is measured; returns the versions of what counts in it. */
  prepare(signal: AbortSignal): Promise<string>;
  start(surroundings: Surroundings): Promise<RunningPath>;
}

export const atPort = ({ ip }: Pick<Side, 'ip'>, port: number): string => `${ip}:${port}`;
