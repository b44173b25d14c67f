/**
 * What the main thread and a data thread tell each other. Plain data, copied on the way. The main thread decides where
 * connections go and who may come; data threads carry them and report.
 */
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { RoutePlan, ServiceLabels, WorkloadLabels } from '@landbridge/core/route-plan.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { PodHandles } from '../capture/capture.ts';
import type { Staying, Taker, TakeWord } from '../handover/handed-batch.ts';

/** Listening sockets of one data thread, which closes them in the end; -1 for none. */
export interface ThreadListeners {
  readonly outbound: number;
  readonly plaintext: number;
  readonly hbone: number;
}

export interface ApplicationTunnel {
  readonly port: number;
  /** Whether connections begin with a PROXY header, version 2. */
  readonly proxyProtocol: boolean;
}

/** A pod whose traffic a data thread carries, or a gateway that takes tunnels for others. */
export interface PodSpec {
  readonly uid: string;
  readonly kind: 'pod' | 'gateway';
  readonly identity: SpiffeId;
  readonly addresses: readonly string[];
  readonly labels: WorkloadLabels;
  /** Of the pod as a client, as the baggage header says it. */
  readonly baggage: string;
  readonly network: string;
  readonly listeners: ThreadListeners;
  /** The captured pod's place in the kernel; undefined for what lives in the agent's own network namespace. */
  readonly handles: PodHandles | undefined;
  /** Where all outbound connections go, where there is no capture to ask. */
  readonly fixedDestination: SocketAddress | undefined;
  /** Services that the pod is an endpoint of: one of them is told in metrics. */
  readonly services: readonly ServiceLabels[];
  readonly applicationTunnel: ApplicationTunnel | undefined;
}

export interface ConnectionTuning {
  /** Whether pods of this node are joined inside the agent, or by TLS like others. */
  readonly sameNode: 'relay' | 'tls';
  readonly maxStreamsPerConnection: number;
  readonly poolIdleMs: number;
  readonly dialTimeoutMs: number;
  /** How long a connection waits for what the main thread has not told yet. */
  readonly resolveTimeoutMs: number;
  readonly accessLog: 'all' | 'errors' | 'off';
}

export type ToThread =
  | { readonly kind: 'pod'; readonly pod: PodSpec }
  /** `drain`: its listeners close, and its connections may end by themselves until the deadline. */
  | { readonly kind: 'pod-gone'; readonly uid: string; readonly drainMs: number }
  | { readonly kind: 'certificate'; readonly identity: SpiffeId; readonly keyPem: string; readonly chainPem: string }
  | { readonly kind: 'certificate-gone'; readonly identity: SpiffeId }
  /** PEM of the roots by the one trust domain that each may vouch for. */
  | { readonly kind: 'trust'; readonly bundles: readonly (readonly [trustDomain: string, roots: readonly string[]])[] }
  /** All policies that hold for a pod; until the first one came, nobody may come in. */
  | { readonly kind: 'policies'; readonly uid: string; readonly policies: readonly AuthorizationPolicy[] }
  /** An answer to `route`, or a change of it. */
  | { readonly kind: 'plan'; readonly key: string; readonly plan: RoutePlan }
  /** Changes of the plan are not told any more: the thread asks again when there is another connection. */
  | { readonly kind: 'plan-revoked'; readonly key: string }
  | { readonly kind: 'inbound-answer'; readonly id: number; readonly answer: InboundAnswer }
  | { readonly kind: 'report-now'; readonly id: number }
  | { readonly kind: 'list-connections'; readonly id: number }
  /** Asks what is open without taking anything from the next report. */
  | { readonly kind: 'count-now'; readonly id: number }
  | { readonly kind: 'access-log'; readonly mode: ConnectionTuning['accessLog'] }
  /** {@link HandoverSource} of one thread: each is answered by `handover` with the same id. */
  | { readonly kind: 'handover-begin'; readonly id: number }
  | { readonly kind: 'handover-rehearse'; readonly id: number; readonly sockets: number }
  | { readonly kind: 'handover-next'; readonly id: number; readonly limit: number; readonly taker: Taker }
  /** Answered by nothing: what is asked next comes after it. */
  | { readonly kind: 'handover-commit' }
  | { readonly kind: 'handover-count'; readonly id: number }
  | { readonly kind: 'handover-rollback'; readonly id: number; readonly why: 'again' | 'refused' }
  /** {@link HandoverSink} of one thread, likewise. `prepared`: the id of the answer. */
  | { readonly kind: 'handover-prepare'; readonly id: number; readonly memory: number; readonly fds: readonly number[] }
  | { readonly kind: 'handover-take'; readonly id: number; readonly memory: number; readonly fds: readonly number[]; readonly word: TakeWord }
  | { readonly kind: 'handover-start'; readonly id: number; readonly prepared: number }
  | { readonly kind: 'handover-discard'; readonly id: number; readonly prepared: number }
  /** Listeners close, and peers are asked to go elsewhere. */
  | { readonly kind: 'drain' }
  | { readonly kind: 'stop' };

/** An address that a pod dials, or a service that a gateway is asked for. */
export type RouteDestination = SocketAddress | { readonly hostname: string; readonly port: number };

/** Where an inbound tunnel goes whose authority is not simply the pod's own address. */
export type InboundAnswer =
  | { readonly kind: 'dial'; readonly port: number; readonly service: ServiceLabels | undefined; readonly tunnel: ApplicationTunnel | undefined; readonly proxyDestination: SocketAddress | undefined }
  | { readonly kind: 'refuse'; readonly status: 400 | 503; readonly reason: string };

export type FromThread =
  /** `thread`: the kernel's id of it. */
  | { readonly kind: 'ready'; readonly thread: number }
  /** The thread wants the plan for connections of a pod to an address, and every later one until `route-gone`. */
  | { readonly kind: 'route'; readonly key: string; readonly uid: string; readonly destination: RouteDestination }
  | { readonly kind: 'route-gone'; readonly key: string }
  | { readonly kind: 'inbound'; readonly id: number; readonly uid: string; readonly authority: string; readonly localIp: string }
  | { readonly kind: 'report'; readonly id: number; readonly report: TrafficReport }
  | { readonly kind: 'counts'; readonly id: number; readonly openConnections: number; readonly sockets: number }
  | { readonly kind: 'connections'; readonly id: number; readonly connections: readonly ConnectionView[] }
  | { readonly kind: 'handover'; readonly id: number; readonly outcome: HandoverOutcome }
  | { readonly kind: 'warning'; readonly text: string; readonly fields: Readonly<Record<string, string>> }
  /** A connection could not be made, as there is no valid certificate of the identity. */
  | { readonly kind: 'certificate-wanted'; readonly identity: SpiffeId }
  /** Nothing of a pod that is gone is used any more: neither its sockets nor its namespace. */
  | { readonly kind: 'pod-ended'; readonly uid: string };

/** How a step of a hand-over ended in a thread. */
export type HandoverOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'batch'; readonly memory: number; readonly bytes: number; readonly fds: readonly number[]; readonly connections: number; readonly tunnels: number; readonly frozenAtMs: number }
  /** Nothing can move: at this moment, or ever. */
  | { readonly kind: 'later' | 'none-left' }
  | { readonly kind: 'staying'; readonly staying: Staying }
  /** As a batch, of which nothing stands still. */
  | { readonly kind: 'rehearsal'; readonly memory: number; readonly bytes: number; readonly fds: readonly number[]; readonly connections: number }
  | { readonly kind: 'prepared'; readonly connections: number; readonly tunnels: number }
  /** Likewise, and it goes on here since then, by the clock of the machine. */
  | { readonly kind: 'taken'; readonly connections: number; readonly tunnels: number; readonly atMs: number }
  | { readonly kind: 'started'; readonly atMs: number }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The batch could not be written, and goes on here. */
  | { readonly kind: 'failed'; readonly reason: string };

export type Direction = 'outbound' | 'inbound';

/** Response flags of Istio's metrics for TCP. */
export type ResponseFlag = '-' | 'DENY' | 'CONNECT' | 'TLS_FAILURE' | 'H2_HANDSHAKE_FAILURE' | 'NETWORK_POLICY' | 'IDENTITY_ERROR' | 'CERT_REVOKED';

/** How bytes were carried: `local` between two pods of this node, without TLS. */
export type Carriage = 'hbone' | 'double-hbone' | 'local' | 'plain';

/** Everything by which connections are counted together. */
export interface TrafficLabels {
  readonly direction: Direction;
  readonly carriage: Carriage;
  readonly source: WorkloadLabels;
  readonly destination: WorkloadLabels;
  readonly service: ServiceLabels | undefined;
}

/** What happened since the last report to connections with the same labels. */
export interface SeriesDelta {
  /** Of this thread; the labels come with the first delta. */
  readonly series: number;
  readonly labels: TrafficLabels | undefined;
  readonly opened: number;
  /** Ended, by response flag. */
  readonly closed: readonly (readonly [ResponseFlag, number])[];
  readonly failed: number;
  /** From the connection's client to its server. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** One connection that has ended, for the access log. */
export interface ConnectionEnd {
  readonly series: number;
  readonly sourceAddress: string;
  /** As dialled by the client; of a tunnel, its end. */
  readonly destinationAddress: string;
  /** Inside the tunnel. */
  readonly hboneAddress: string | undefined;
  /** What the certificates of both sides proved; undefined without TLS. */
  readonly sourceIdentity: SpiffeId | undefined;
  readonly destinationIdentity: SpiffeId | undefined;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly durationMs: number;
  readonly flag: ResponseFlag;
  readonly error: string | undefined;
  readonly traceId: string | undefined;
}

export interface TrafficReport {
  readonly series: readonly SeriesDelta[];
  readonly ends: readonly ConnectionEnd[];
  /** Connection ends that were not kept because too many came at once. */
  readonly endsDropped: number;
  /** Tunnels that failed, by direction and reason (FailureReason), since the last report. */
  readonly failures: readonly (readonly [Direction, reason: string, count: number])[];
  /** Dials of pods that were decided since the last report, by the cluster of whom they were for. */
  readonly dials: readonly (readonly [cluster: string, opened: number, failed: number])[];
  readonly gauges: ThreadGauges;
}

export interface ThreadGauges {
  readonly openConnections: number;
  /** TLS connections of tunnels. */
  readonly clientSessions: number;
  readonly serverSessions: number;
  readonly handshakes: number;
  /** Since the last report. */
  readonly handshakesDone: number;
  readonly sockets: number;
  /** Share of time since the last report that the thread was not waiting, 0 to 1. */
  readonly busy: number;
}

/** One live connection, for `/connections`. */
export interface ConnectionView {
  readonly direction: Direction;
  readonly carriage: Carriage;
  readonly source: string;
  readonly destination: string;
  readonly hboneAddress: string | undefined;
  readonly sourceIdentity: string | undefined;
  readonly destinationIdentity: string | undefined;
  readonly service: string | undefined;
  readonly openForMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

