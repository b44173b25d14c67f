import Counter from 'prom-client/lib/counter.js';
import Gauge from 'prom-client/lib/gauge.js';
import Histogram from 'prom-client/lib/histogram.js';
import Registry from 'prom-client/lib/registry.js';
import { DNS_LABELS } from './dns/dns-labels.ts';
import { maxFiles, openFiles } from './open-files.ts';
import { SeriesCounter } from './proxy/series-counter.ts';
import { TRAFFIC_LABELS, TrafficSeries } from './proxy/traffic-series.ts';

/** Every metric of the agent. docs/metrics.md is written from this table. */
export const registry = new Registry();
const registers = [registry];
export const trafficSeries = new TrafficSeries();

/** What programs in the kernel count. */
interface KernelCounts {
  guardDrops(): bigint;
  kubeletProbes(): bigint;
}

/** Nothing before the capture is there. */
let kernel: KernelCounts = { guardDrops: () => 0n, kubeletProbes: () => 0n };

/** Tells where the kernel's counts are read. */
export function countInKernel(counts: KernelCounts): void {
  kernel = counts;
}

const labelNames = [...TRAFFIC_LABELS];
const dnsLabels = [...DNS_LABELS];

/** Names and labels of these are ztunnel's, so that dashboards and alerts made for it serve both. */
const istio = {
  tcpConnectionsOpened: new SeriesCounter({ name: 'istio_tcp_connections_opened_total', help: 'Connections opened, as ztunnel counts them.', labelNames, registers, samples: () => trafficSeries.sums('opened') }),
  tcpConnectionsClosed: new SeriesCounter({ name: 'istio_tcp_connections_closed_total', help: 'Connections closed, by how.', labelNames, registers, samples: () => trafficSeries.byFlag('closed') }),
  tcpConnectionsFailed: new SeriesCounter({ name: 'istio_tcp_connections_failed_total', help: 'Connections closed with another response flag than `-`.', labelNames, registers, samples: () => trafficSeries.byFlag('failed') }),
  // Both reporters take the server's view (istio#32399); the access log takes the reporter's own.
  tcpSentBytes: new SeriesCounter({ name: 'istio_tcp_sent_bytes_total', help: 'Bytes of responses: from server to client, whoever reports.', labelNames, registers, samples: () => trafficSeries.sums('responseBytes') }),
  tcpReceivedBytes: new SeriesCounter({ name: 'istio_tcp_received_bytes_total', help: 'Bytes of requests: from client to server, whoever reports.', labelNames, registers, samples: () => trafficSeries.sums('requestBytes') }),
  dnsRequests: new Counter({ name: 'istio_dns_requests_total', help: 'Queries for names that pods sent.', labelNames: dnsLabels, registers }),
  dnsUpstreamRequests: new Counter({ name: 'istio_dns_upstream_requests_total', help: 'Those that went on to the server that the pod asked.', labelNames: dnsLabels, registers }),
  dnsUpstreamFailures: new Counter({ name: 'istio_dns_upstream_failures_total', help: 'Those that no server answered.', labelNames: dnsLabels, registers }),
  dnsUpstreamSeconds: new Histogram({ name: 'istio_dns_upstream_request_duration_seconds', help: 'Time from such a query to its end.', labelNames: dnsLabels, buckets: [0.0005, 0.001, 0.01, 0.1, 1, 5], registers }),
  build: new Gauge({ name: 'istio_build', help: '1, with the version as a label.', labelNames: ['component', 'tag'], registers }),
} as const;

export const metrics = {
  ...istio,
  trafficSeries: new Gauge({ name: 'landbridge_traffic_series', help: 'Label sets of the istio_tcp_ metrics in use.', registers, collect: function () { this.set(trafficSeries.size); } }),
  trafficSeriesFolded: new Counter({ name: 'landbridge_traffic_series_folded_total', help: 'Times that a label set found no room and was counted as `other`.', registers, collect: function () { this.reset(); this.inc(trafficSeries.folded); } }),
  connections: new Counter({ name: 'landbridge_connections_total', help: 'Connections opened, by how they are carried: `local` is between two pods of this node, without TLS.', labelNames: ['direction', 'carriage'], registers }),
  openConnections: new Gauge({ name: 'landbridge_open_connections', help: 'Connections that are carried at this moment.', registers }),
  tunnelSessions: new Gauge({ name: 'landbridge_tunnel_sessions', help: 'Tunnel connections (TLS), each of which carries many connections of pods.', labelNames: ['role'], registers }),
  handshakesOpen: new Gauge({ name: 'landbridge_tunnel_handshakes', help: 'TLS handshakes under way.', registers }),
  handshakes: new Counter({ name: 'landbridge_tunnel_handshakes_total', help: 'TLS handshakes that succeeded.', registers }),
  tunnelFailures: new Counter({ name: 'landbridge_tunnel_failures_total', help: 'Tunnels that failed or were refused; docs/troubleshooting.md explains each reason.', labelNames: ['direction', 'reason'], registers }),
  threadBusy: new Gauge({ name: 'landbridge_thread_busy_ratio', help: 'Share of its time that a data thread worked, 0 to 1.', labelNames: ['thread'], registers }),
  threadSockets: new Gauge({ name: 'landbridge_thread_sockets', help: 'Sockets of a data thread.', labelNames: ['thread'], registers }),
  accessLogDropped: new Counter({ name: 'landbridge_access_log_dropped_total', help: 'Lines that the access log lacks: `overflow` where too many connections ended at once, `repeated` for refusals of one source beyond one a second.', labelNames: ['cause'], registers }),
  handovers: new Counter({ name: 'landbridge_handovers_total', help: 'Hand-overs of connections between two agents of the node, by side (`given`, `taken`) and how they ended.', labelNames: ['side', 'outcome'], registers }),
  handoverConnections: new Counter({ name: 'landbridge_handover_connections_total', help: 'Connections in batches that were handed over: `given` to the next agent, `kept` or `refused` where they stayed, `taken` from an earlier one.', labelNames: ['outcome'], registers }),
  handoverPauseSeconds: new Histogram({ name: 'landbridge_handover_pause_seconds', help: 'How long a batch of connections stood still while it was handed over.', buckets: [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1], registers }),
  capturedPods: new Gauge({ name: 'landbridge_captured_pods', help: 'Pods of this node whose traffic passes through the agent.', registers }),
  acceleratedPods: new Gauge({ name: 'landbridge_accelerated_pods', help: 'Captured pods of this node whose connections with each other go past the agent where they can.', registers }),
  captureFailures: new Counter({ name: 'landbridge_capture_failures_total', help: 'Attempts to capture or release a pod that failed.', registers }),
  nriConnected: new Gauge({ name: 'landbridge_nri_connected', help: '1 while the container runtime asks the agent before it makes a pod or a container (NRI).', registers }),
  nriRefusals: new Counter({ name: 'landbridge_nri_refusals_total', help: 'Pods and containers that were held back, since their pod could not be captured yet; the runtime asks again.', labelNames: ['event'], registers }),
  zdsConnected: new Gauge({ name: 'landbridge_zds_connected', help: '1 while istio-cni tells of the pods of this node (ZDS), and has told of all of them.', registers }),
  podCaptures: new Counter({ name: 'landbridge_pod_captures_total', help: 'Pods captured, by when: `before-start` where the runtime asked first, `running` where processes of the pod were found.', labelNames: ['moment'], registers }),
  podAdmissions: new Counter({ name: 'landbridge_pod_admissions_total', help: 'Answers about pods that are to start: `captured`, `not-in-mesh` or `refused`.', labelNames: ['outcome'], registers }),
  podAdmissionSeconds: new Histogram({ name: 'landbridge_pod_admission_seconds', help: 'Time from such a question to its answer.', buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30], registers }),
  cniGate: new Gauge({ name: 'landbridge_cni_gate', help: '1 while the CNI plugin is in the network that the node gives to new pods.', registers }),
  guardDropped: new Counter({ name: 'landbridge_guard_dropped_packets_total', help: 'Packets by which something in a captured pod tried to begin a TCP connection around the agent.', registers, collect: function () { this.reset(); this.inc(Number(kernel.guardDrops())); } }),
  directDestinations: new Gauge({ name: 'landbridge_direct_destinations', help: 'Destinations of pods to which connections go without the agent.', registers }),
  kubeletFound: new Gauge({ name: 'landbridge_kubelet_found', help: '1 while it is known which connections are the kubelet\'s; else policies hold for its probes.', registers }),
  kubeletProbes: new Counter({ name: 'landbridge_kubelet_probes_total', help: 'Connections of the kubelet that went to ports that it probes, past the agent and its policies.', registers, collect: function () { this.reset(); this.inc(Number(kernel.kubeletProbes())); } }),
  dnsRefused: new Counter({ name: 'landbridge_dns_refused_total', help: 'Queries for names that found no room to be sent on, and connections that found none at all.', labelNames: ['request_protocol'], registers }),
  hostLookups: new Counter({ name: 'landbridge_host_lookups_total', help: 'Look-ups of names that endpoints have instead of addresses, by what came of them: `found`, `none` (there is no such name) or `failed` (nobody said).', labelNames: ['outcome'], registers }),
  certificates: new Gauge({ name: 'landbridge_certificates', help: 'Identities of this node that hold a valid certificate.', registers }),
  certificateFailures: new Counter({ name: 'landbridge_certificate_failures_total', help: 'Certificate requests that failed.', registers }),
  discoveryConnected: new Gauge({ name: 'landbridge_discovery_connected', help: '1 while the discovery stream is open.', registers }),
  discoveryAsked: new Gauge({ name: 'landbridge_discovery_asked_names', help: 'Names that are asked for, where not everything is followed (`discovery: on-demand`).', registers }),
  discoveryUnanswered: new Counter({ name: 'landbridge_discovery_unanswered_total', help: 'Queries for names (`name`) and tunnels of peers (`tunnel`) for which the control plane did not say in time what there is.', labelNames: ['question'], registers }),
  workloads: new Gauge({ name: 'landbridge_discovery_workloads', help: 'Workloads known from discovery.', registers }),
  services: new Gauge({ name: 'landbridge_discovery_services', help: 'Services known from discovery.', registers }),
  tunnelDialSeconds: new Histogram({ name: 'landbridge_tunnel_dial_seconds', help: 'Time to open a tunnel stream, handshake included where there was none.', buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5], registers }),
  openFiles: new Gauge({ name: 'process_open_fds', help: 'File descriptors that this process has open.', registers, collect: async function () { this.set(await openFiles()); } }),
  maxFiles: new Gauge({ name: 'process_max_fds', help: 'File descriptors that this process may open.', registers, collect: async function () { this.set((await maxFiles()) ?? 0); } }),
} as const;

/** Dashboards look for the component `ztunnel`; the tag says who is in its place. */
export function tellVersion(version: string): void {
  metrics.build.set({ component: 'ztunnel', tag: `landbridge-${version}` }, 1);
}
