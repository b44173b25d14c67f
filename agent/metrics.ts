import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Every metric of the agent. docs/metrics.md is written from this table. */
export const registry = new Registry();
const registers = [registry];

export const metrics = {
  connectionsOpened: new Counter({ name: 'landbridge_connections_opened_total', help: 'Connections taken from pods (outbound) or for them (inbound).', labelNames: ['direction', 'tunnel'], registers }),
  connectionsClosed: new Counter({ name: 'landbridge_connections_closed_total', help: 'Connections that ended, by how.', labelNames: ['direction', 'tunnel', 'outcome'], registers }),
  bytesSent: new Counter({ name: 'landbridge_bytes_sent_total', help: 'Bytes towards the destination.', labelNames: ['direction'], registers }),
  bytesReceived: new Counter({ name: 'landbridge_bytes_received_total', help: 'Bytes from the destination.', labelNames: ['direction'], registers }),
  capturedPods: new Gauge({ name: 'landbridge_captured_pods', help: 'Pods of this node whose traffic passes through the agent.', registers }),
  captureFailures: new Counter({ name: 'landbridge_capture_failures_total', help: 'Attempts to capture or release a pod that failed.', registers }),
  certificates: new Gauge({ name: 'landbridge_certificates', help: 'Identities of this node that hold a valid certificate.', registers }),
  certificateFailures: new Counter({ name: 'landbridge_certificate_failures_total', help: 'Certificate requests that failed.', registers }),
  discoveryConnected: new Gauge({ name: 'landbridge_discovery_connected', help: '1 while the discovery stream is open.', registers }),
  workloads: new Gauge({ name: 'landbridge_discovery_workloads', help: 'Workloads known from discovery.', registers }),
  services: new Gauge({ name: 'landbridge_discovery_services', help: 'Services known from discovery.', registers }),
  tunnelDialSeconds: new Histogram({ name: 'landbridge_tunnel_dial_seconds', help: 'Time to open a tunnel stream, handshake included where there was none.', buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5], registers }),
} as const;
