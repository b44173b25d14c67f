import { Counter, Gauge, Registry } from 'prom-client';

/** Every metric of the federation service. docs/metrics.md is written from this table. */
export const registry = new Registry();
const registers = [registry];

export const metrics = {
  hubConnected: new Gauge({ name: 'landbridge_hub_connected', help: '1 while the connection to the hub is up.', registers }),
  members: new Gauge({ name: 'landbridge_members', help: 'Clusters of the clusterset, by whether their records are complete.', labelNames: ['complete'], registers }),
  exports: new Gauge({ name: 'landbridge_exports', help: 'Services that this cluster exports.', registers }),
  imports: new Gauge({ name: 'landbridge_imports', help: 'Services that this cluster imports, its own exports among them.', registers }),
  importEndpoints: new Gauge({ name: 'landbridge_import_endpoints', help: 'Ready endpoints of imported services, by the cluster that they are in.', labelNames: ['cluster'], registers }),
  recordsPublished: new Gauge({ name: 'landbridge_records_published', help: 'Records of this cluster on the bus.', registers }),
  policies: new Gauge({ name: 'landbridge_policies', help: 'AuthorizationPolicies and PeerAuthentications of this cluster, by what became of them: accepted, partial (stricter than written), refused, elsewhere (for waypoints).', labelNames: ['verdict'], registers }),
  outputWrites: new Counter({ name: 'landbridge_output_writes_total', help: 'Objects written to or deleted from the API server.', labelNames: ['kind', 'verb'], registers }),
  outputFailures: new Counter({ name: 'landbridge_output_failures_total', help: 'Writes that the API server refused.', labelNames: ['kind'], registers }),
  agents: new Gauge({ name: 'landbridge_discovery_streams', help: 'Agents that follow this service.', registers }),
  discoveryResources: new Gauge({ name: 'landbridge_discovery_resources', help: 'Resources told to agents, by type.', labelNames: ['type'], registers }),
  discoveryCut: new Counter({ name: 'landbridge_discovery_cut_total', help: 'Streams of agents that were ended because an answer was not confirmed in time, or too much had changed since.', registers }),
  discoveryRefused: new Counter({ name: 'landbridge_discovery_refused_total', help: 'Answers that an agent refused in part.', labelNames: ['type'], registers }),
  certificatesIssued: new Counter({ name: 'landbridge_certificates_issued_total', help: 'Certificates issued to agents.', registers }),
  certificatesDenied: new Counter({ name: 'landbridge_certificates_denied_total', help: 'Certificate requests that were denied, by reason.', labelNames: ['reason'], registers }),
  authorityRefused: new Gauge({ name: 'landbridge_ca_refused', help: '1 while what the place of the certificate authority holds can not be used, and the one before it stays in use.', registers }),
  authorityExpiry: new Gauge({ name: 'landbridge_ca_expiry_timestamp_seconds', help: 'When the first certificate between workloads and the root that signs for them ends.', registers }),
  authorityRoots: new Gauge({ name: 'landbridge_ca_roots', help: 'Roots of this cluster that are told to agents and members.', registers }),
} as const;
